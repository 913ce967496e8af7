"""Replaying the stream decision over scores that are already there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.errors import ScoringError
from lictor.guard.replay import replay, run_peak
from lictor.types import Policy

SCORES = st.lists(st.integers(-3, 3).map(float), max_size=12)


def walk(scores: list[float], threshold: float, debounce: int) -> int | None:
    """The decision written out token by token."""
    run = 0
    for index, score in enumerate(scores):
        run = run + 1 if score >= threshold else 0
        if run == debounce:
            return index - debounce + 1
    return len(scores) - run if run else None


@given(SCORES, st.integers(1, 4), st.integers(-4, 4))
def test_replay_agrees_with_a_walk_over_the_tokens(scores: list[float], debounce: int, threshold: int) -> None:
    """The vectorised decision is the one a token-by-token loop makes, the trailing run included."""
    policy = Policy(input_threshold=0.0, output_threshold=threshold, debounce=debounce)

    assert replay(scores, policy) == walk(scores, threshold, debounce)


@given(SCORES, st.integers(1, 4), st.integers(-4, 4))
def test_the_peak_is_the_highest_threshold_that_halts(scores: list[float], debounce: int, threshold: int) -> None:
    """An answer halts at exactly the thresholds at or under its peak."""
    assert (run_peak(scores, debounce) >= threshold) == (walk(scores, threshold, debounce) is not None)


def test_a_lone_spike_halts_only_as_the_last_token() -> None:
    """With a debounce of two, one token over the threshold counts at the end of the answer and nowhere else."""
    assert run_peak([0.0, 5.0, 0.0], 2) == 0.0
    assert run_peak([0.0, 0.0, 5.0], 2) == 5.0
    assert run_peak([], 2) == -np.inf


def test_a_score_that_is_not_a_number_is_an_error() -> None:
    """NaN is never compared with a threshold."""
    with pytest.raises(ScoringError, match="token 1"):
        run_peak([0.0, float("nan")], 1)
