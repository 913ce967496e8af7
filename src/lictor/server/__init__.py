"""A guarded endpoint in front of a chat model: clients speak the OpenAI protocol, and only cleared text reaches them.

`app` is the ASGI application, `flow` the driver of one request, `choice` what of an answer may leave. `requests` and
`upstream_wire` read the protocol; `chat`, `responses`, `messages` and `checks` write it.
"""
