"""A guard in front of an application that speaks the OpenAI protocol already.

In: the application, a guard. Out: an ASGI application in which every answer of the inner one is guarded. What is
neither guarded nor named as open is a typed 404: nothing passes by default. Knows no wire format.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from lictor.adapters.transport import AsgiTransport
from lictor.guard import Guard
from lictor.server.app import create_app
from lictor.server.run import make_service
from lictor.server.settings import ServerSettings
from lictor.server.upstream import HttpUpstream

_Headers = tuple[tuple[bytes, bytes], ...]
_CALLER: ContextVar[_Headers] = ContextVar("lictor_caller", default=())
"""Headers of the request that is being answered: the inner application may want to know who asks."""
_ABOUT_BODY = {b"host", b"accept", b"accept-encoding", b"connection", b"content-encoding", b"transfer-encoding"}


class GuardMiddleware:
    """The guarded application. Add it outermost: `app.add_middleware(GuardMiddleware, guard="my-guard/guard")`.

    Args:
        app: The inner application; it serves `/chat/completions` and `/models` under `prefix`.
        guard: A guard, or its folder.
        prefix: Where the inner application serves the protocol. Clients ask under `/v1`.
        open_paths: Paths that reach the inner application unguarded; one that ends in `/` means all below it.
        settings: How blocks look, keys, limits, the decision log; the defaults of `lictor serve` where None.

    Raises:
        ArtifactError: The folder is not that of a guard.
    """

    def __init__(
        self,
        app: ASGIApp,
        guard: Guard | Path | str,
        *,
        prefix: str = "/v1",
        open_paths: Sequence[str] = (),
        settings: ServerSettings | None = None,
    ) -> None:
        settings = settings or ServerSettings()
        section = settings.upstream.model_copy(update={"url": "http://inner" + prefix, "model": None})
        client = httpx2.AsyncClient(transport=AsgiTransport(_as_caller(app)), timeout=None)
        self.service = make_service(guard, HttpUpstream(section, None, client=client), settings)
        self._guarded = create_app(self.service)
        self._inner = app
        self._open_paths = tuple(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's lifespan."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            await self.service.aclose()
        elif any(_is_below(scope["path"], open_path) for open_path in self._open_paths):
            await self._inner(scope, receive, send)
        elif scope["type"] == "http":
            caller = _CALLER.set(tuple(scope["headers"]))
            try:
                await self._guarded(scope, receive, send)
            finally:
                _CALLER.reset(caller)
        else:
            await send({"type": "websocket.close", "code": 1008})


def _as_caller(app: ASGIApp) -> ASGIApp:
    """`app` with the headers of the client that asked, but for those about the body."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        own = {name for name, _ in scope["headers"]} | _ABOUT_BODY
        theirs = [pair for pair in _CALLER.get() if pair[0] not in own - {b"user-agent"}]
        mine = [pair for pair in scope["headers"] if pair[0] != b"user-agent"]
        await app({**scope, "headers": [*mine, *theirs]}, receive, send)

    return call


def _is_below(path: str, open_path: str) -> bool:
    return path == open_path or (open_path.endswith("/") and path.startswith(open_path))
