"""Three guards of a stream around one scorer: Lictor's, one that rescans, and NeMo Guardrails' streaming output rail.

In: a loaded guard, prompts, an upstream's URL. Out: what each guard lets through, when, and what the scorer did. All
have the same policy and the same score of each prompt; no prompt is refused. Knows no figures.
"""

import asyncio
import json
import math
import os
import subprocess
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TextIO, cast

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lictor.guard import Guard
from lictor.guard.cascade import suspicion
from lictor.guard.replay import replay
from lictor.guard.tokens import encode
from lictor.types import (
    Context,
    Conversation,
    InputScorer,
    Message,
    Policy,
    Released,
    ScoringSession,
    StreamScorer,
    Tokenizer,
)

CLIENT = Path(__file__).parent / "clients" / "nemo_stream.py"


class Passed(NamedTuple):
    """What a guard let through of one answer."""

    pieces: Sequence[tuple[float, str]]
    """Text, and the seconds since the answer was asked for."""
    is_halted: bool


Ask = Callable[[str, str], Passed]
"""Ask an upstream (its URL) for the answer to a prompt."""
Through = Callable[[str, AsyncIterator[str]], AsyncGenerator[str | None]]
"""What a guard lets through of the answer to a prompt; None where it halts."""


class Meter:
    """A stream scorer that counts what it reads."""

    context: Context = "answer"

    def __init__(self, scorer: StreamScorer) -> None:
        self.scorer = scorer
        self.tokens = 0
        self.cpu_s = 0.0

    @property
    def tokenizer(self) -> Tokenizer:
        """The scorer's."""
        return self.scorer.tokenizer

    def open(self, conversation: Conversation) -> ScoringSession:
        """A session that counts."""
        return _Metered(self, self.scorer.open(conversation))


class _Metered(NamedTuple):
    meter: Meter
    session: ScoringSession

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        began = time.thread_time()
        logits = self.session.score(token_ids)
        self.meter.cpu_s += time.thread_time() - began
        self.meter.tokens += len(token_ids)
        return logits


@dataclass(frozen=True)
class Judge:
    """What all guards share."""

    prompts: InputScorer
    meter: Meter
    policy: Policy
    known: dict[str, float] = field(default_factory=dict[str, float])
    """Scores of prompts: each is found once."""

    def score(self, conversation: Conversation) -> float:
        """As an input scorer of prompts of one message."""
        prompt = conversation[-1].content
        if prompt not in self.known:
            self.known[prompt] = self.prompts.score(conversation)
        return self.known[prompt]

    def is_restricted(self, prompt: str, text: str) -> bool:
        """Whether a text, read from its beginning, is to be halted; a run that it ends in counts, however short."""
        logits = self.meter.open(()).score([token.id for token in encode(self.meter.tokenizer, text)])
        added = suspicion(self.policy, self.score((Message("user", prompt),)))
        return replay([logit + added for logit in logits], self.policy) is not None


def judge_of(guard: Guard) -> Judge:
    """The scorers of a guard, the stream's counted, with its policy but that no prompt is refused."""
    if guard.stream_scorer is None or guard.input_scorer is None:
        raise SystemExit("expected a guard that has both scorers")
    return Judge(guard.input_scorer, Meter(guard.stream_scorer), replace(guard.policy, input_threshold=math.inf))


def through_lictor(judge: Judge) -> Through:
    """Lictor's stream guard: every token is read once."""
    guard = Guard(judge, judge.meter, judge.policy)

    async def through(prompt: str, chunks: AsyncIterator[str]) -> AsyncGenerator[str | None]:
        async for event in guard.astream((Message("user", prompt),), chunks):
            yield event.text if isinstance(event, Released) else None

    return through


def rescanned(judge: Judge, every: int) -> Through:
    """A guard that holds `every` tokens back, and scores the whole answer so far before it lets them go."""

    async def through(prompt: str, chunks: AsyncIterator[str]) -> AsyncGenerator[str | None]:
        shown, held, count = "", "", 0
        async for chunk in chunks:
            held, count = held + chunk, count + 1
            if count % every == 0:
                if await asyncio.to_thread(judge.is_restricted, prompt, shown + held):
                    yield None
                    return
                yield held
                shown, held = shown + held, ""
        if held:
            yield None if await asyncio.to_thread(judge.is_restricted, prompt, shown + held) else held

    return through


async def unguarded(prompt: str, chunks: AsyncIterator[str]) -> AsyncGenerator[str | None]:
    """All of it."""
    del prompt
    async for chunk in chunks:
        yield chunk


def in_process(through: Through) -> Ask:
    """A guard of this process before an upstream."""

    async def ask(prompt: str, upstream: str) -> Passed:
        # The clock starts after the client is made, which takes long.
        async with (
            httpx2.AsyncClient(timeout=600, trust_env=False) as client,
            aclosing(_said(client, upstream, prompt)) as chunks,
        ):
            return await collect(through(prompt, chunks))

    return lambda prompt, upstream: asyncio.run(ask(prompt, upstream))


async def collect(texts: AsyncGenerator[str | None]) -> Passed:
    """What comes, and when."""
    pieces: list[tuple[float, str]] = []
    began = time.monotonic()
    async with aclosing(texts):
        async for text in texts:
            if text is None:
                return Passed(pieces, True)
            pieces.append((time.monotonic() - began, text))
    return Passed(pieces, False)


async def _said(client: httpx2.AsyncClient, upstream: str, prompt: str) -> AsyncGenerator[str]:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    async with client.stream("POST", upstream + "/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {") and (text := json.loads(line[6:])["choices"][0]["delta"].get("content")):
                yield text


def scoring_app(judge: Judge) -> Starlette:
    """The judge over HTTP, for guards that run elsewhere."""

    async def score(request: Request) -> JSONResponse:
        body = await request.json()
        found = await asyncio.to_thread(judge.is_restricted, body["prompt"], body["text"])
        return JSONResponse({"restricted": found})

    return Starlette(routes=[Route("/score", score, methods=["POST"])])


@contextmanager
def nemo(interpreter: str, scorer: str) -> Generator[Callable[[dict[str, Any]], Ask]]:
    """NeMo Guardrails' rail, by its streaming settings, in the environment of `interpreter`."""
    # It reports its use to its maker unless told not to.
    environment = os.environ | {"DO_NOT_TRACK": "1", "NEMO_GUARDRAILS_NO_USAGE_STATS": "1"}
    command = [interpreter, str(CLIENT), scorer + "/score"]
    with subprocess.Popen(  # noqa: S603 - our own script
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as client:
        to, back = cast(TextIO, client.stdin), cast(TextIO, client.stdout)

        def with_settings(streaming: dict[str, Any]) -> Ask:
            def ask(prompt: str, upstream: str) -> Passed:
                print(json.dumps({"upstream": upstream, "streaming": streaming, "prompt": prompt}), file=to, flush=True)
                found = json.loads(back.readline())
                return Passed(found["pieces"], found["halted"])

            return ask

        yield with_settings
