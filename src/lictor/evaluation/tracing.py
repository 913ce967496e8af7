"""Record what a guard's stages say of a conversation, so that thresholds can be fitted and curves drawn.

In: a guard and a conversation. Out: a `Trace`. Knows no dataset. The guard itself does the scoring, with thresholds
nothing reaches: views, debounce and context are its own, and no stage is skipped because another one spoke.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from lictor.calibration.traces import Answered, Trace
from lictor.errors import DataError
from lictor.guard.guard import Guard
from lictor.types import Bucket, Conversation


def trace(
    guard: Guard, conversation: Conversation, *, conversation_id: str, source: str, bucket: Bucket, is_restricted: bool
) -> Trace:
    """The scores of every turn of `conversation`.

    An answer's score is the guard's own (after the debounce, views included), without what its prompt adds to it. A
    stage that fails on a turn scores +inf there: it would block at any threshold.

    Raises:
        DataError: The conversation has neither a user turn nor an answer.
    """
    never = replace(guard.policy, input_threshold=inf, output_threshold=inf)
    screens = Guard(guard.input_scorer, None, never, views=guard.views) if guard.input_scorer else None
    reads = Guard(None, guard.stream_scorer, never, views=guard.views) if guard.stream_scorer else None
    turns = list(_turns(conversation))
    if not turns:
        raise DataError(f"conversation {conversation_id!r}: expected a user or assistant turn, got none")
    asked = [_score(screens, turn) for turn in turns if screens and turn[-1].role == "user"]
    answers = [
        Answered(_score(screens, turn[:-1]) if screens and turn[:-1] else -inf, _score(reads, turn))
        for turn in turns
        if reads and turn[-1].role == "assistant"
    ]
    return Trace(conversation_id, source, bucket, is_restricted, max(asked, default=-inf), tuple(answers))


def _turns(conversation: Conversation) -> Iterator[Conversation]:
    """The conversation up to each user and assistant turn."""
    for end, message in enumerate(conversation, start=1):
        if message.role in ("user", "assistant"):
            yield conversation[:end]


def _score(guard: Guard, turn: Conversation) -> float:
    decision = guard.check(turn)
    return inf if decision.status == "error" else decision.score
