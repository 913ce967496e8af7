"""What a guard costs on this machine: time a token against the length of the answer.

In: a guard and a clock. Out: milliseconds a token, by length, and whether the exchange scorer was among what took them.
The text is everyday prose that nothing halts; whether it is escalated is the guard's own finding. The time is that of
the guard alone, driven as a server drives it, a small chunk at a time.
"""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from lictor.artifacts import write_atomic
from lictor.guard.guard import Guard
from lictor.guard.session import GuardSession
from lictor.types import Message

COST = "cost.json"
LENGTHS = (128, 512, 1024, 2048, 4096)
_SENTENCE = "The bakery on our corner opens at seven, and on Tuesdays the rye rolls are gone by a quarter past eight. "
_CHUNK_CHARS = 24


class Cost(NamedTuple):
    """What a token of an answer of some length cost."""

    ms_a_token: float
    is_escalated: bool | None
    """Whether the exchange scorer read the answer too; None where the guard escalates nothing, or nobody noted it."""


def cost_by_length(guard: Guard, clock: Callable[[], float], lengths: Sequence[int] = LENGTHS) -> dict[int, Cost]:
    """Mean time of the guard for a token, over the last quarter of an answer of each length it reads."""
    if guard.stream_scorer is None:
        return {}
    policy = replace(guard.policy, output_threshold=inf, enforcement="block", on_error="closed")
    alone = Guard(None, guard.stream_scorer, policy, exchange_scorer=guard.exchange_scorer, views=guard.views)
    tokens = len(guard.stream_scorer.tokenizer.encode(_SENTENCE))
    found: dict[int, Cost] = {}
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
        session.finish()
        session.settle()
        found[length] = Cost(1000 * spent / (length / 4), session.decision.escalated if policy.cascade else None)
    return found


def _feed(session: GuardSession, chunks: Sequence[str]) -> None:
    for chunk in chunks:
        if not session.ended:
            session.push(chunk)
            session.settle()


def write_cost(folder: Path, guard: Guard, clock: Callable[[], float], lengths: Sequence[int] = LENGTHS) -> None:
    """Measure, and keep what was measured with the machine it was measured on."""
    machine = f"{platform.machine()}, {platform.system()}"
    found = cost_by_length(guard, clock, lengths)
    rows = {
        "machine": machine,
        "ms_a_token": {length: cost.ms_a_token for length, cost in found.items()},
        "is_escalated": {length: cost.is_escalated for length, cost in found.items()},
    }
    write_atomic(folder / COST, json.dumps(rows, indent=1) + "\n")


def read_cost(folder: Path) -> dict[int, Cost]:
    """What was measured, by length; empty where nothing was."""
    path = folder / COST
    if not path.is_file():
        return {}
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    noted: dict[str, bool | None] = rows.get("is_escalated", {})
    return {int(length): Cost(value, noted.get(length)) for length, value in rows["ms_a_token"].items()}


def told(cost: Mapping[int, Cost]) -> str:
    """Of which answers the cost is: whether they were escalated, and from which length on."""
    escalated = [length for length, one in cost.items() if one.is_escalated]
    if escalated:
        return f", escalated from {escalated[0]:,} tokens on" if len(escalated) < len(cost) else ", escalated"
    return ", not escalated" if any(one.is_escalated is False for one in cost.values()) else ""
