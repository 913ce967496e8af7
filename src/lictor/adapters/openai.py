"""The official OpenAI client with a guard inside: same calls, same types, every answer guarded.

In: a client and a guard. Out: a client whose requests pass through the guarded application in this process, and from
there to the endpoint the first one named. What that application does not guard (embeddings, images, files) is a typed
404, and never reaches the endpoint. Knows no wire format.
"""

from pathlib import Path
from typing import overload

import httpx2
from openai import AsyncOpenAI, OpenAI

from lictor.adapters.transport import AsgiTransport, LoopTransport
from lictor.guard import Guard
from lictor.server.app import create_app
from lictor.server.run import make_service
from lictor.server.settings import ServerSettings
from lictor.server.upstream import HttpUpstream

_HERE = "http://lictor.invalid/v1"
"""Where the guarded client believes its endpoint to be; nothing is ever sent there."""
_GENERATED = ("user-agent", "content-type", "accept", "x-stainless-")
"""Headers that the client makes anew for every request."""


@overload
def guarded_openai(
    client: OpenAI,
    guard: Guard | Path | str,
    *,
    settings: ServerSettings | None = None,
    http_client: httpx2.AsyncClient | None = None,
) -> OpenAI: ...
@overload
def guarded_openai(
    client: AsyncOpenAI,
    guard: Guard | Path | str,
    *,
    settings: ServerSettings | None = None,
    http_client: httpx2.AsyncClient | None = None,
) -> AsyncOpenAI: ...
def guarded_openai(
    client: OpenAI | AsyncOpenAI,
    guard: Guard | Path | str,
    *,
    settings: ServerSettings | None = None,
    http_client: httpx2.AsyncClient | None = None,
) -> OpenAI | AsyncOpenAI:
    """A client like `client` with the guard inside; close it when it is no longer needed.

    Blocks look as `lictor serve` tells them: `BadRequestError` with code `content_filter` before the first character,
    finish reason `content_filter` after it. A synchronous client may be used from several threads.

    Args:
        client: Names the endpoint, its key and headers; it stays as it is.
        guard: A guard, or its folder.
        settings: How blocks look, limits, the decision log; the defaults of `lictor serve` where None.
        http_client: What speaks to the endpoint, for proxies and certificates.

    Raises:
        ArtifactError: The folder is not that of a guard.
    """
    settings = settings or ServerSettings()
    section = settings.upstream.model_copy(update={"url": str(client.base_url), "model": None})
    headers = {
        name: value
        for name, value in client.default_headers.items()
        if isinstance(value, str) and not name.lower().startswith(_GENERATED)
    }
    upstream = HttpUpstream(section, client.api_key or None, headers=headers, client=http_client)
    service = make_service(guard, upstream, settings)
    transport = AsgiTransport(create_app(service), service.aclose)
    match client:
        case OpenAI():
            return client.copy(base_url=_HERE, http_client=httpx2.Client(transport=LoopTransport(transport)))
        case AsyncOpenAI():
            return client.copy(base_url=_HERE, http_client=httpx2.AsyncClient(transport=transport))
