"""Score many conversations, every stage whatever the other says, so that thresholds can be fitted to them.

In: a guard and conversations. Out: calibration traces. Debounce, failure and views are the guard's own; what it cannot
read scores +inf, since it blocks that at any threshold. Knows no threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import get_args

from lictor.calibration.traces import Answered, Trace
from lictor.evaluation.ahead import Exchange, Reading, read_ahead
from lictor.evaluation.suites import exchanges_of
from lictor.guard.guard import Guard
from lictor.types import Bucket, Conversation, Stage


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation to score, and what is known of it."""

    id: str
    conversation: Conversation
    source: str
    bucket: Bucket
    is_restricted: bool
    answer_label: int | None = None
    """Of the last answer alone, where known: what is restricted may have been refused."""
    family: str = ""
    """What it shares with others that are not independent of it."""


def trace_all(guard: Guard, items: Sequence[Item]) -> list[Trace]:
    """What each stage says of every turn of each conversation, in the order given; an answer without its prompt's part.

    Raises:
        UsageError: A conversation has neither a user turn nor an answer.
    """
    never = replace(guard.policy, input_threshold=inf, output_threshold=inf, prompt_weight=0.0)
    apart = Guard(
        guard.input_scorer, guard.stream_scorer, never, exchange_scorer=guard.exchange_scorer, views=guard.views
    )
    turns = [exchanges_of(item.conversation) for item in items]
    readings = iter(read_ahead(apart, [exchange for of in turns for exchange in of]))
    return [
        _trace(item, [(exchange, next(readings)) for exchange in of]) for item, of in zip(items, turns, strict=True)
    ]


def _trace(item: Item, read: Sequence[tuple[Exchange, Reading]]) -> Trace:
    asked = [said.prompt_peak for exchange, said in read if exchange.prompt and exchange.prompt[-1].role == "user"]
    answers = [Answered(said.prompt_peak, said.answer_peak) for _, said in read if said.streamed]
    unreadable = any(said.is_unreadable(stage) for _, said in read for stage in get_args(Stage))
    prompt = max(asked, default=-inf)
    return Trace(item.id, item.source, item.bucket, item.is_restricted, prompt, tuple(answers), unreadable)
