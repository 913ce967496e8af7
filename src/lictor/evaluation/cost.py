"""What a guard costs on this machine: time a token against the length of the answer.

In: a guard and a clock. Out: milliseconds a token, by length. The text is everyday prose that nothing halts; the time
is that of the guard alone, driven as a server drives it, a small chunk at a time.
"""

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from lictor.artifacts import write_atomic
from lictor.guard.guard import Guard
from lictor.guard.session import GuardSession
from lictor.types import Message

COST = "cost.json"
LENGTHS = (128, 512, 1024, 2048, 4096)
_SENTENCE = "The bakery on our corner opens at seven, and on Tuesdays the rye rolls are gone by a quarter past eight. "
_CHUNK_CHARS = 24


def milliseconds_a_token(
    guard: Guard, clock: Callable[[], float], lengths: Sequence[int] = LENGTHS
) -> dict[int, float]:
    """Mean time of the guard for a token, over the last quarter of an answer of each length it reads."""
    if guard.stream_scorer is None:
        return {}
    policy = replace(guard.policy, output_threshold=inf, enforcement="block", on_error="closed")
    alone = Guard(None, guard.stream_scorer, policy, exchange_scorer=guard.exchange_scorer, views=guard.views)
    tokens = len(guard.stream_scorer.tokenizer.encode(_SENTENCE))
    found: dict[int, float] = {}
    for length in lengths:
        text = _SENTENCE * -(-length // tokens)
        chunks = [text[start : start + _CHUNK_CHARS] for start in range(0, len(text), _CHUNK_CHARS)]
        late = 3 * len(chunks) // 4
        session = alone.open((Message("user", "?"),))
        session.settle()
        _feed(session, chunks[:late])
        started = clock()
        _feed(session, chunks[late:])
        spent = clock() - started
        if session.ended:  # the answer is too long for the scorer
            break
        found[length] = 1000 * spent / (length / 4)
    return found


def _feed(session: GuardSession, chunks: Sequence[str]) -> None:
    for chunk in chunks:
        if not session.ended:
            session.push(chunk)
            session.settle()


def write_cost(folder: Path, guard: Guard, clock: Callable[[], float], lengths: Sequence[int] = LENGTHS) -> None:
    """Measure, and keep what was measured with the machine it was measured on."""
    machine = f"{platform.machine()}, {platform.system()}"
    rows = {"machine": machine, "ms_a_token": milliseconds_a_token(guard, clock, lengths)}
    write_atomic(folder / COST, json.dumps(rows, indent=1) + "\n")


def read_cost(folder: Path) -> dict[int, float]:
    """Milliseconds a token by length; empty where nothing was measured."""
    path = folder / COST
    if not path.is_file():
        return {}
    rows: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))["ms_a_token"]
    return {int(length): value for length, value in rows.items()}
