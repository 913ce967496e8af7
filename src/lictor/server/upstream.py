"""Where answers come from: an OpenAI-compatible endpoint.

In: a chat request. Out: chunks of its answer, as they come. Every way an endpoint can fail (unreachable, an error,
silence, a reset, garbage, an answer that just stops) is an UpstreamError with a code. Knows no guard.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import httpx2

from lictor.server.errors import RequestError, UpstreamError
from lictor.server.requests import ChatRequest
from lictor.server.settings import UpstreamSection
from lictor.server.sse import DONE, FrameTooLongError, SSEReader
from lictor.server.upstream_wire import Chunk, read_chunk

T = TypeVar("T")
_MAX_ERROR_BYTES = 65_536
_MAX_JSON_BYTES = 16_000_000
_CLIENT_FAULTS = {
    400: ("the model's endpoint refused the request as malformed", "upstream_refused_request"),
    404: ("the model's endpoint knows no such model", "model_not_found"),
    413: ("the request is too large for the model's endpoint", "upstream_refused_request"),
    422: ("the model's endpoint refused the request as malformed", "upstream_refused_request"),
}


class Upstream(Protocol):
    """What answers chat requests."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """The answer's chunks as they come; closing the generator cancels the answer.

        Raises:
            UpstreamError: The answer failed.
            RequestError: It asks for what this model cannot do.
        """
        ...

    async def models(self) -> list[str]:
        """Ids of the models it serves.

        Raises:
            UpstreamError: They cannot be had.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads."""
        ...


class HttpUpstream:
    """An OpenAI-compatible endpoint over HTTP.

    Args:
        section: Where it is, and how long it may take.
        key: Its key.
        headers: Sent with every request.
        client: What speaks to it; one of its own where None. Its timeouts count beside those of `section`.
    """

    def __init__(
        self,
        section: UpstreamSection,
        key: str | None,
        *,
        headers: Mapping[str, str] | None = None,
        client: httpx2.AsyncClient | None = None,
    ) -> None:
        self._section = section
        self._url = (section.url or "").rstrip("/")
        self._headers = {**(headers or {}), **({"authorization": f"Bearer {key}"} if key else {})}
        self._client = client or httpx2.AsyncClient(
            timeout=httpx2.Timeout(None, connect=section.connect_s, pool=section.connect_s),
            limits=httpx2.Limits(max_connections=256, max_keepalive_connections=32),
            trust_env=False,
        )

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """See `Upstream.stream`."""
        choices = request.n or 1
        deadline = time.monotonic() + self._section.total_s
        async with self._answer(request.forwarded(), deadline) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                body = await self._wait(_read(response, _MAX_JSON_BYTES), self._section.first_chunk_s, deadline)
                yield read_chunk(body.decode("utf-8", "replace"), choices)
                return
            async for data in self._frames(response, deadline):
                if data == DONE:
                    return
                yield read_chunk(data, choices)

    async def models(self) -> list[str]:
        """See `Upstream.models`."""
        try:
            response = await self._client.get(
                self._url + "/models", headers=self._headers, timeout=self._section.connect_s
            )
            found: Any = response.json()
            names = [model["id"] for model in found["data"]] if response.status_code == 200 else None
        except (httpx2.HTTPError, ValueError, RecursionError, KeyError, TypeError):
            names = None
        if names is None:
            raise UpstreamError("the model's endpoint does not list its models", "upstream_unreachable")
        return [name for name in names if isinstance(name, str) and len(name) <= 256]

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    @asynccontextmanager
    async def _answer(self, body: dict[str, Any], deadline: float) -> AsyncGenerator[httpx2.Response]:
        headers = self._headers | {"accept": "text/event-stream", "accept-encoding": "identity"}
        request = self._client.build_request("POST", self._url + "/chat/completions", json=body, headers=headers)
        response = await self._wait(self._client.send(request, stream=True), self._section.first_chunk_s, deadline)
        try:
            if response.status_code != 200:
                raise _refused(response.status_code)
            yield response
        finally:
            await response.aclose()

    async def _frames(self, response: httpx2.Response, deadline: float) -> AsyncIterator[str]:
        reader = SSEReader()
        limit = self._section.first_chunk_s
        pieces = response.aiter_bytes()
        while True:
            piece = await self._wait(_next(pieces), limit, deadline)
            if piece is None:
                return
            limit = self._section.idle_s
            try:
                for data in reader.push(piece):
                    yield data
            except FrameTooLongError:
                raise UpstreamError("the model's endpoint sent a frame without end", "upstream_malformed") from None

    async def _wait(self, work: Awaitable[T], limit_s: float, deadline: float) -> T:
        """What `work` gives within `limit_s` and before `deadline`; whatever fails is an UpstreamError."""
        try:
            async with asyncio.timeout(max(0.0, min(limit_s, deadline - time.monotonic()))):
                return await work
        except (TimeoutError, httpx2.TimeoutException):
            raise UpstreamError("the model's endpoint did not answer in time", "upstream_timeout", status=504) from None
        except (httpx2.ConnectError, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise UpstreamError("the model's endpoint cannot be reached", "upstream_unreachable") from None
        except httpx2.HTTPError:
            raise UpstreamError("the model's endpoint broke the connection", "upstream_reset") from None


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


async def _read(response: httpx2.Response, limit: int) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > limit:
            raise UpstreamError("the model's endpoint sent an answer without end", "upstream_malformed")
    return body


def _refused(status: int) -> UpstreamError | RequestError:
    """What an endpoint's own error becomes. Its text stays here: nobody guards it."""
    if status in _CLIENT_FAULTS:
        message, code = _CLIENT_FAULTS[status]
        return RequestError(message, code, status=status)
    if status == 429:
        error = UpstreamError("the model's endpoint is busy", "upstream_busy", status=429)
        error.headers["retry-after"] = "1"
        return error
    return UpstreamError(f"the model's endpoint answered with status {status}", "upstream_failed")
