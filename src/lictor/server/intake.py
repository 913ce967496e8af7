"""The outermost layer: a request is read whole within limits, and its work ends when its client is gone.

In: an ASGI application. Out: the same, with a request id on every response, bodies and slow clients bounded, errors
typed, and the request's task cancelled as soon as the client hangs up. Knows no route.
"""

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lictor.server.errors import RequestError, ServiceError
from lictor.server.settings import LimitsSection

ErrorBody = Callable[[str, ServiceError], dict[str, object]]
"""How an error is told on a path."""

_ID = re.compile(r"[\w.:-]{1,128}")
_DISCARDED_BYTES = 64_000_000
_log = logging.getLogger("lictor.server")


class _ClientGoneError(Exception):
    """The client hung up before it had sent its request, or does not take its answer."""


class Intake:
    """Wraps an application."""

    def __init__(
        self, app: ASGIApp, limits: LimitsSection, count_error: Callable[[str], None], error_body: ErrorBody
    ) -> None:
        self._app = app
        self._limits = limits
        self._count_error = count_error
        self._error_body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        has_begun = False

        async def tell(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                MutableHeaders(scope=message)["x-request-id"] = request_id
            try:
                async with asyncio.timeout(self._limits.write_s):
                    await send(message)
            except TimeoutError:
                raise _ClientGoneError from None

        try:
            body = await self._read(Headers(scope=scope), receive)
            await _run(self._app, scope, body, receive, tell)
        except ServiceError as error:
            self._count_error(error.code)
            await self._tell_error(scope["path"], error, tell)
        except _ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - the last line: whatever it is, it is not told in words
            _log.error("request failed", exc_info=error, extra={"fields": {"request_id": request_id}})
            self._count_error("internal_error")
            if not has_begun:
                failed = ServiceError("the service failed on this request", "internal_error")
                await self._tell_error(scope["path"], failed, tell)

    async def _tell_error(self, path: str, error: ServiceError, tell: Send) -> None:
        body = json.dumps(self._error_body(path, error)).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body))} | error.headers
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await tell({"type": "http.response.start", "status": error.status, "headers": raw})
        await tell({"type": "http.response.body", "body": body})

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            RequestError: It is too large (413) or too slow (408).
        """
        limit = self._limits.body_bytes
        declared = headers.get("content-length", "0")
        is_too_large = declared.isdecimal() and int(declared) > limit
        body, size = bytearray(), 0
        try:
            async with asyncio.timeout(self._limits.body_s):
                more = True
                while more and size <= _DISCARDED_BYTES:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGoneError
                    piece: bytes = message.get("body", b"")
                    more = bool(message.get("more_body", False))
                    size += len(piece)
                    is_too_large = is_too_large or size > limit
                    # The rest of a body that is too large is read and dropped, so that the client hears the answer.
                    body += b"" if is_too_large else piece
        except TimeoutError:
            raise RequestError("the request did not arrive in time", "request_timeout", status=408) from None
        if is_too_large:
            raise RequestError(f"expected a body of at most {limit} bytes", "request_too_large", status=413)
        return bytes(body)


async def _run(app: ASGIApp, scope: Scope, body: bytes, receive: Receive, tell: Send) -> None:
    """Run `app` on a body that was read, until it is done or the client is gone."""
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            await asyncio.Event().wait()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    work = asyncio.create_task(_call(app, scope, replay, tell))
    gone = asyncio.create_task(until_gone())
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not work.done():
            work.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)
    if not work.cancelled():
        work.result()


async def _call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
