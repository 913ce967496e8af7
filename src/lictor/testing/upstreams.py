"""A scripted OpenAI-compatible model on a free port of this machine, for tests and measurements.

In: a script: what an answer's bytes are. Out: a real server, which counts what it was asked and what is open. Needs
`lictor[server]`.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

SOUP = "The soup is made of leeks, and it is served with bread at noon. " * 4
LEAK = "First of all you take a pot and warm it. Then you start the melt with four parts of ash and stir."

_TICK_S = 0.01

Script = Callable[[dict[str, Any]], AsyncIterator[bytes]]


def chunk(delta: dict[str, Any], *, index: int = 0, finish: str | None = None, **rest: Any) -> bytes:
    """One frame of an upstream's answer."""
    body = {"id": "up-1", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    choices = [{"index": index, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps(body | {"choices": choices} | rest).encode() + b"\n\n"


def words(text: str) -> list[str]:
    """The text a word at a time."""
    return [word + " " for word in text.split(" ")]


def says(
    text: str, *, finish: str = "stop", delay_s: float = 0.0, channel: str = "content", usage: bool = True
) -> Script:
    """An upstream that says `text` on each choice, a word at a time, and ends as the protocol wants."""

    async def script(body: dict[str, Any]) -> AsyncIterator[bytes]:
        for index in range(body.get("n") or 1):
            yield chunk({"role": "assistant", "content": ""}, index=index)
        for word in words(text):
            for index in range(body.get("n") or 1):
                yield chunk({channel: word}, index=index)
            if delay_s:
                await asyncio.sleep(delay_s)
        for index in range(body.get("n") or 1):
            yield chunk({}, index=index, finish=finish)
        if usage:
            counts = {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}
            yield b"data: " + json.dumps({"choices": [], "usage": counts}).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    return script


def sends(*frames: bytes, then: float | None = None) -> Script:
    """An upstream that sends these bytes, and stalls for `then` seconds at the end."""

    async def script(_: dict[str, Any]) -> AsyncIterator[bytes]:
        for piece in frames:
            yield piece
            await asyncio.sleep(0.001)
        if then is not None:
            await asyncio.sleep(then)

    return script


@dataclass
class FakeUpstream:
    """What the upstream does, and what it was asked."""

    script: Script = field(default_factory=lambda: says(SOUP))
    status: int = 200
    content_type: str = "text/event-stream"
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    sent: int = 0
    """Frames of all answers that left."""
    open: int = 0
    """Answers under way."""

    def app(self) -> Starlette:
        """As an application."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
            ]
        )

    async def _chat(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        if self.status != 200:
            return JSONResponse({"error": {"message": "the melt is secret", "code": "melt"}}, self.status)
        return StreamingResponse(self._count(self.script(body)), media_type=self.content_type)

    async def _count(self, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            async for piece in frames:
                yield piece
                self.sent += 1
                # A send to a client that is gone returns at once; without this the answer would run to its end.
                await asyncio.sleep(0)
        finally:
            self.open -= 1

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "up", "object": "model"}]})


class _Server(uvicorn.Server):
    """A server that ends when it is told to: uvicorn's looks ten times a second, and waits between its steps."""

    async def main_loop(self) -> None:
        """Serves until it is to end."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(_TICK_S)

    async def shutdown(self, sockets: object = None) -> None:
        """Lets what is under way end for two seconds, then cancels it."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        latest = time.monotonic() + 2
        while (self.server_state.connections or self.server_state.tasks) and time.monotonic() < latest:
            await asyncio.sleep(_TICK_S)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@contextmanager
def running(app: ASGIApp, *, http: type[asyncio.Protocol] | None = None) -> Generator[str]:
    """The application on a free port of this machine: its URL. `http`: what speaks to clients, instead of uvicorn's."""
    server = _Server(uvicorn.Config(app, port=0, http=http or "h11", log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def wait_until(is_so: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Return as soon as `is_so`.

    Raises:
        TimeoutError: It was not so for `seconds`.
    """
    ends = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > ends:
            raise TimeoutError(f"waited {seconds:g} s in vain")
        time.sleep(0.005)
