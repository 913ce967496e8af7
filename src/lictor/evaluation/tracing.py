"""Record what a guard's stages say of a conversation, so that thresholds can be fitted and curves drawn.

In: a guard and a conversation. Out: a `Trace`. Knows no dataset. The guard itself does the scoring, with thresholds
nothing reaches: views, debounce and context are its own, and no stage is skipped because another one spoke.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

import numpy as np

from lictor.calibration.traces import Trace
from lictor.errors import DataError
from lictor.guard.guard import Guard
from lictor.types import Bucket, Conversation


def trace(
    guard: Guard, conversation: Conversation, *, conversation_id: str, source: str, bucket: Bucket, is_restricted: bool
) -> Trace:
    """The scores of every turn of `conversation`: the highest of its user turns, and the highest of its answers.

    The answer's part is the guard's own score of it (after the debounce, views included), as an array of one. A stage
    that fails on a turn scores +inf there: it would block at any threshold.

    Raises:
        DataError: The conversation has neither a user turn nor an answer.
    """
    never = replace(guard.policy, input_threshold=inf, output_threshold=inf)
    turns = list(_turns(conversation))
    if not turns:
        raise DataError(f"conversation {conversation_id!r}: expected a user or assistant turn, got none")
    prompt, answer = -inf, None
    for turn in turns:
        if turn[-1].role == "user" and guard.input_scorer is not None:
            alone = Guard(guard.input_scorer, None, never, views=guard.views)
            prompt = max(prompt, _score(alone, turn))
        if turn[-1].role == "assistant" and guard.stream_scorer is not None:
            alone = Guard(None, guard.stream_scorer, never, views=guard.views)
            answer = max(-inf if answer is None else answer, _score(alone, turn))
    scores = None if answer is None else np.asarray([answer])
    return Trace(conversation_id, source, bucket, is_restricted, prompt, scores)


def _turns(conversation: Conversation) -> Iterator[Conversation]:
    """The conversation up to each user and assistant turn."""
    for end, message in enumerate(conversation, start=1):
        if message.role in ("user", "assistant"):
            yield conversation[:end]


def _score(guard: Guard, turn: Conversation) -> float:
    decision = guard.check(turn)
    return inf if decision.status == "error" else decision.score
