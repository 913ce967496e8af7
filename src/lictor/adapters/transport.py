"""An ASGI application as the other end of an HTTP client, without a socket, streams included.

In: requests of an httpx2 client. Out: responses whose bodies arrive as the application writes them. A response that
is closed early looks to the application like a client that hung up. Knows no protocol above HTTP.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import httpx2
from starlette.types import ASGIApp, Message, Scope

T = TypeVar("T")


class AsgiTransport(httpx2.AsyncBaseTransport):
    """Requests of an asynchronous client, answered by `app`; `close` is called at the end."""

    def __init__(self, app: ASGIApp, close: Callable[[], Awaitable[None]] | None = None) -> None:
        self._app = app
        self._close = close

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response, as soon as its head is known.

        Raises:
            ReadError: The application ended without one.
        """
        call = _Call(self._app, _scope(request), await request.aread())
        try:
            head = await call.message()
        except BaseException:
            await call.aclose()
            raise
        return httpx2.Response(head["status"], headers=head.get("headers", []), stream=call)

    async def aclose(self) -> None:
        """Let go of what stands behind the application."""
        if self._close is not None:
            await self._close()


class _Call(httpx2.AsyncByteStream):
    """One call of the application, never more than one message ahead of its reader."""

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)
        self._gone = asyncio.Event()
        self._body: bytes | None = body
        self._work = asyncio.create_task(self._run(app, scope))

    async def message(self) -> Message:
        """What the application says next.

        Raises:
            ReadError: It ended, or failed, before it had said everything.
        """
        found = await self._messages.get()
        if found is None:
            raise httpx2.ReadError("the application ended before its response did")
        return found

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body."""
        more = True
        while more:
            found = await self.message()
            more = bool(found.get("more_body", False))
            if piece := found.get("body", b""):
                yield piece

    async def aclose(self) -> None:
        """Hang up, and wait until the application has let go."""
        self._gone.set()
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._messages.put)
        finally:
            if not self._gone.is_set():
                await self._messages.put(None)

    async def _receive(self) -> Message:
        if self._body is None:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class LoopTransport(httpx2.BaseTransport):
    """An asynchronous transport for a synchronous client: it runs on an event loop in a thread of its own.

    Requests of several threads share that loop, so that what they ask can be scored in one batch.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lictor-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns, run on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response, as soon as its head is known."""
        asked = httpx2.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = self.run(self._inner.handle_async_request(asked))
        return httpx2.Response(answer.status_code, headers=answer.headers.raw, stream=_Body(self, answer))

    def close(self) -> None:
        """End the loop and its thread."""
        if self._loop.is_closed():
            return
        self.run(self._inner.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()


class _Body(httpx2.SyncByteStream):
    """The body of an asynchronous response, for a synchronous reader."""

    def __init__(self, transport: LoopTransport, answer: httpx2.Response) -> None:
        self._transport = transport
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        """The body."""
        pieces = self._answer.aiter_raw()
        while (piece := self._transport.run(_next(pieces))) is not None:
            yield piece

    def close(self) -> None:
        """Hang up."""
        self._transport.run(self._answer.aclose())


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


def _scope(request: httpx2.Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "root_path": "",
    }
