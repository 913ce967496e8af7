"""Servers to measure with, each a process of its own: an upstream of an even pace, or any that says its URL.

In: what an upstream is to say, or a command. Out: a running process and its URL. Knows no guard.
"""

import asyncio
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

STARTED = re.compile(r"running on (http://[\d.:]+)")


class Running(NamedTuple):
    """A server process."""

    url: str
    pid: int


@contextmanager
def process(command: list[str], **environment: str) -> Generator[Running]:
    """A server process, and its URL as soon as it says it."""
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | environment)  # noqa: S603 - our own interpreter
        try:
            url = None
            while url is None and server.poll() is None:
                time.sleep(0.05)
                log.seek(0)
                url = STARTED.search(log.read())
            if url is None:
                log.seek(0)
                raise SystemExit(f"{' '.join(command)} did not start:\n{log.read()}")
            yield Running(url[1], server.pid)
        finally:
            server.terminate()
            server.wait()


def serve_paced(pieces: Callable[[dict[str, Any]], Sequence[str]], pace_s: float) -> None:
    """Be an OpenAI-compatible upstream that streams the pieces it has for a request at an even pace."""

    async def chat(request: Request) -> StreamingResponse:
        spoken = say_paced(pieces(await request.json()), pace_s)
        return StreamingResponse(spoken, media_type="text/event-stream")

    uvicorn.run(Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])]), port=0)


async def say_paced(spoken: Sequence[str], pace_s: float) -> AsyncIterator[str]:
    """Frames of an answer, one a piece, at an even pace."""
    due = time.monotonic()
    for piece in spoken:
        due += pace_s
        await asyncio.sleep(due - time.monotonic())
        yield _frame({"content": piece})
    yield _frame({}, "stop")
    yield "data: [DONE]\n\n"


def _frame(delta: dict[str, str], reason: str | None = None) -> str:
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}) + "\n\n"
