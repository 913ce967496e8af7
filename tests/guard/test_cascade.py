"""What a prompt's score adds to its answer's."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.errors import UsageError
from lictor.guard.cascade import suspicion
from lictor.guard.stream import StreamGuard
from lictor.testing import PieceTokenizer
from lictor.types import Halted, Policy, ScoreRequest

POLICY = Policy(9.0, 2.0, debounce=1, prompt_weight=0.5, prompt_floor=1.0)


def halts(prompt_score: float, logit: float) -> bool:
    """Whether an answer of one word with this logit is halted after a prompt of that."""
    guard = StreamGuard(PieceTokenizer(), POLICY, views={})
    guard.after_prompt(prompt_score)
    steps = guard.push("word") + guard.finish()
    for _ in [step for step in steps if isinstance(step, ScoreRequest)]:
        steps += guard.scored(None, [logit])
    return any(isinstance(step, Halted) for step in steps)


def test_a_suspicious_prompt_lowers_what_its_answer_may_score() -> None:
    """Half of each logit above the floor counts in the answer's."""
    assert not halts(1.0, 1.5)
    assert halts(2.0, 1.5)


@given(st.one_of(st.floats(max_value=1.0), st.just(-inf)))
def test_a_harmless_looking_prompt_buys_nothing(prompt_score: float) -> None:
    """At or below the floor the answer is judged by itself."""
    assert suspicion(POLICY, prompt_score) == 0.0


def test_a_prompt_that_cannot_be_read_adds_nothing() -> None:
    """It is blocked at its own stage; the sum stays a number."""
    assert suspicion(POLICY, inf) == 0.0


def test_a_prompt_counts_from_the_first_logit_or_not_at_all() -> None:
    """Once a logit was taken, it is too late."""
    guard = StreamGuard(PieceTokenizer(), POLICY, views={})
    steps = guard.push("word") + guard.finish()
    guard.scored(None, [0.0] * sum(len(step.token_ids) for step in steps if isinstance(step, ScoreRequest)))

    with pytest.raises(UsageError, match="call it first"):
        guard.after_prompt(0.0)
