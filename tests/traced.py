"""What a guard's stages say of a conversation, turn by turn through the guard: what faster scoring must equal."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from lictor.calibration.traces import Answered, Trace
from lictor.guard.guard import Guard
from lictor.types import Conversation


def traced(guard: Guard, conversation: Conversation) -> Trace:
    """The scores of every turn under thresholds nothing reaches; +inf where a stage fails."""
    never = replace(guard.policy, input_threshold=inf, output_threshold=inf)
    screens, reads = Guard(guard.input_scorer, None, never), Guard(None, guard.stream_scorer, never)
    turns = list(_turns(conversation))
    asked = [_score(screens, turn) for turn in turns if turn[-1].role == "user"]
    answers = tuple(
        Answered(_score(screens, turn[:-1]) if turn[:-1] else -inf, _score(reads, turn))
        for turn in turns
        if turn[-1].role == "assistant"
    )
    return Trace("c", "s", "everyday", is_restricted=False, prompt_score=max(asked, default=-inf), answers=answers)


def _turns(conversation: Conversation) -> Iterator[Conversation]:
    """The conversation up to each user and assistant turn."""
    for end, message in enumerate(conversation, start=1):
        if message.role in ("user", "assistant"):
            yield conversation[:end]


def _score(guard: Guard, turn: Conversation) -> float:
    decision = guard.check(turn)
    return inf if decision.status == "error" else decision.score
