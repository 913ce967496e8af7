"""A guard inside other programs: the official OpenAI client, an ASGI application, an Inspect evaluation.

`openai` wraps the client, `asgi` an application that speaks the protocol already, `inspect` a model under evaluation.
All but the last run the server's own application without a socket (`transport`), so there is one wire, read and
written in one place.
"""
