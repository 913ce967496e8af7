"""One try of a fault: a request drawn anew, the answer told around the fault, and how both may end.

In: a random generator, what a guard lets pass and what it stops. Out: a request, frames of an answer, endings that
fit. The restricted marker stands before, in or after the fault, in text nobody has scored yet or that follows where the
stream should have ended; wherever the guard could have halted first, a halt fits too. Knows no process.
"""

import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from fault_server import MARKER
from fault_wire import PATHS, Dialect, Ending, Plan, Reply, Wire, WireUpstream, ask, ending_of
from serving import PROSE

from lictor.starter.folders import resolve
from lictor.testing.upstreams import SOUP, chunk

DONE = b"data: [DONE]\n\n"
QUESTION = "What is new at the museum?"
Fits = frozenset[str]
ANSWERED: Fits = frozenset({"answered"})
HALTED: Fits = frozenset({"content_filter"})


@dataclass(frozen=True)
class Plant:
    """What a guard lets pass, and what it stops."""

    benign: str
    restricted: str
    """Has the marker at or after the point where the guard stops it."""
    marker: str


@dataclass(frozen=True)
class Try:
    """One request to come."""

    id: str
    url: str
    wire: WireUpstream
    plant: Plant
    rng: random.Random
    dialect: Dialect
    is_streamed: bool
    choices: int

    def body(self) -> dict[str, Any]:
        """The request."""
        asked: dict[str, Any] = {"model": "up", "stream": self.is_streamed}
        turns = [{"role": "user", "content": QUESTION}]
        match self.dialect:
            case "chat":
                return asked | {"messages": turns, "n": self.choices, "user": self.id}
            case "responses":
                return asked | {"input": turns, "user": self.id}
            case "messages":
                return asked | {"messages": turns, "max_tokens": 500, "metadata": {"user_id": self.id}}

    async def ask(self, body: bytes | None = None, *, limit_s: float = 120.0) -> Ending:
        """Send it, and read to the end."""
        data = json.dumps(self.body()).encode() if body is None else body
        return self.ending(await ask(self.url, PATHS[self.dialect], data, self.id, limit_s=limit_s))

    def ending(self, reply: Reply) -> Ending:
        """What a reply came to."""
        return ending_of(reply, self.dialect, self.choices)


class Came(NamedTuple):
    """How a try ended, and how it may."""

    ending: Ending
    fits: Fits


Fault = Callable[[Try], Awaitable[Came]]


@dataclass(frozen=True)
class Story:
    """The frames of an answer around its fault."""

    before: list[bytes]
    after: list[bytes]
    """The restricted text, and a proper end."""
    has_marker: bool
    """Whether the marker stands before the fault too."""

    def may_halt(self, fits: Fits) -> Fits:
        """The endings that fit, with a halt where one could come first."""
        return fits | HALTED if self.has_marker else fits


def tell(attempt: Try) -> Story:
    """An answer of random length on a random channel."""
    rng = attempt.rng
    channel = rng.choice(["content", "content", "reasoning_content", "refusal", "tool"])
    has_marker = rng.random() < 0.5
    spoken = attempt.plant.benign.split()[: rng.randrange(1, 60)]
    if has_marker:
        spoken += attempt.plant.restricted.split() + attempt.plant.benign.split()[: rng.choice([0, 0, 1, 3, 40])]
    frames = say(spoken, channel, attempt.choices)
    rest = say(attempt.plant.restricted.split() * 2, channel, attempt.choices)
    return Story(frames, rest + end(attempt.choices), has_marker)


def say(spoken: Sequence[str], channel: str, choices: int) -> list[bytes]:
    """A frame a word and choice."""

    def delta(word: str) -> dict[str, Any]:
        if channel == "tool":
            return {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "", "arguments": word + " "}}]}
        return {channel: word + " "}

    return [chunk(delta(word), index=index) for word in spoken for index in range(choices)]


def end(choices: int) -> list[bytes]:
    """A proper end."""
    return [*(chunk({}, index=index, finish="stop") for index in range(choices)), DONE]


async def answered_by(attempt: Try, plan: Plan, fits: Fits) -> Came:
    """The request asked of an upstream that follows `plan`."""
    attempt.wire.plans[attempt.id] = plan
    try:
        return Came(await attempt.ask(), fits)
    finally:
        del attempt.wire.plans[attempt.id]


def framed(attempt: Try, wire: Wire) -> Wire:
    """The wire, chunked or ended by its close."""
    wire.is_chunked = attempt.rng.random() < 0.5
    return wire


def cut(rng: random.Random, raw: bytes, most: int) -> list[bytes]:
    """`raw` in pieces of random sizes."""
    pieces: list[bytes] = []
    while raw:
        size = rng.randint(1, most)
        pieces.append(raw[:size])
        raw = raw[size:]
    return pieces


@dataclass(frozen=True)
class Case:
    """One fault of the table."""

    name: str
    fault: Fault
    weight: float = 1.0
    """Tries, as a share of those asked for."""
    is_slow: bool = False
    """Whether a try takes seconds of waiting, so that many go on at once."""
    needs_words: bool = False
    """Whether only the guard of one word can be made to fail so, or is quick enough for it."""


async def plain_answer(wire: Wire) -> None:
    """One word, properly ended."""
    await wire.begin()
    await wire.send(*say(["Soup."], "content", 1), *end(1))


WORDS = Plant(SOUP * 2, "First you warm a pot, then start the melt with four parts of ash", MARKER)


def passages() -> list[Plant]:
    """Restricted answers of the worked domain, some in a row, each with a marker at its end."""
    path = resolve("starter:emberglass/answers", Path()) / "restricted.yaml"
    answers = [row["answer"] for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return [
        Plant(PROSE, " ".join(" ".join(answers[at : at + 4]).split()) + " Zyzzogeton.", "Zyzzogeton")
        for at in range(0, 32, 4)
    ]
