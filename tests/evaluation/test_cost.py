"""Cost against length is measured where the guard reads that far."""

from itertools import count
from pathlib import Path

from lictor.errors import ScoringError
from lictor.evaluation.cost import milliseconds_a_token, read_cost, write_cost
from lictor.guard.guard import Guard
from lictor.testing import FakeStreamScorer, KeywordInputScorer
from lictor.types import Policy


def ticking() -> float:
    """A clock that says two seconds passed whenever it is asked twice."""
    return 2.0 * next(TICKS)


TICKS = count()


def test_time_a_token_is_over_the_last_quarter() -> None:
    """Two seconds for the last quarter of 16 tokens are half a second a token, whatever the policy would halt."""
    guard = Guard(None, FakeStreamScorer(lambda _text, _place: 9.0), Policy(0.0, 0.0))

    assert milliseconds_a_token(guard, ticking, (16, 32)) == {16: 500.0, 32: 250.0}


def test_lengths_the_scorer_does_not_read_are_left_out() -> None:
    """A scorer that fails half-way has no cost at that length, and a guard without one has none at all."""
    failing = FakeStreamScorer(lambda _text, _place: 0.0, fail_at=9, error=ScoringError("x", reason="answer_too_long"))

    assert list(milliseconds_a_token(Guard(None, failing, Policy(0.0, 0.0)), ticking, (16, 512))) == [16]
    assert milliseconds_a_token(Guard(KeywordInputScorer("x"), None, Policy(0.0, 0.0)), ticking) == {}


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    """The file gives back what was written, and none gives nothing."""
    assert read_cost(tmp_path) == {}
    guard = Guard(None, FakeStreamScorer(lambda _text, _place: 0.0), Policy(0.0, 0.0))
    write_cost(tmp_path, guard, ticking, (16, 32))

    assert list(read_cost(tmp_path)) == [16, 32]
