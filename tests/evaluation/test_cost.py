"""Cost against length is measured where the guard reads that far."""

from itertools import count
from pathlib import Path

import pytest

from lictor.errors import ScoringError
from lictor.evaluation.cost import Cost, cost_by_length, read_cost, told, write_cost
from lictor.guard.guard import Guard
from lictor.testing import FakeStreamScorer, KeywordInputScorer
from lictor.types import Cascade, Policy


def ticking() -> float:
    """A clock that says two seconds passed whenever it is asked twice."""
    return 2.0 * next(TICKS)


TICKS = count()


def test_time_a_token_is_over_the_last_quarter() -> None:
    """Two seconds for the last quarter of 16 tokens are half a second a token, whatever the policy would halt."""
    guard = Guard(None, FakeStreamScorer(lambda _text, _place: 9.0), Policy(0.0, 0.0))

    assert cost_by_length(guard, ticking, (16, 32)) == {16: Cost(500.0, None), 32: Cost(250.0, None)}


def test_lengths_the_scorer_does_not_read_are_left_out() -> None:
    """A scorer that fails half-way has no cost at that length, and a guard without one has none at all."""
    failing = FakeStreamScorer(lambda _text, _place: 0.0, fail_at=9, error=ScoringError("x", reason="answer_too_long"))

    assert list(cost_by_length(Guard(None, failing, Policy(0.0, 0.0)), ticking, (16, 512))) == [16]
    assert cost_by_length(Guard(KeywordInputScorer("x"), None, Policy(0.0, 0.0)), ticking) == {}


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    """The file gives back what was written, and none gives nothing."""
    assert read_cost(tmp_path) == {}
    guard = Guard(None, FakeStreamScorer(lambda _text, _place: 0.0), Policy(0.0, 0.0))
    write_cost(tmp_path, guard, ticking, (16, 32))

    assert list(read_cost(tmp_path)) == [16, 32]


@pytest.mark.parametrize(
    ("suspicious_from", "escalated", "words"),
    [
        (0, [True, True], ", escalated"),
        (100, [False, True], ", escalated from 256 tokens on"),
        (9999, [False, False], ", not escalated"),
    ],
)
def test_a_cost_says_whether_the_exchange_scorer_was_asked(
    suspicious_from: int, escalated: list[bool], words: str, tmp_path: Path
) -> None:
    """By length, in the file and in the report's words; a guard without one has nothing to say."""
    stream = FakeStreamScorer(lambda _text, place: 1.0 if place >= suspicious_from else -1.0)
    exchange = FakeStreamScorer(lambda _text, _place: 0.0, context="conversation")
    policy = Policy(0.0, 0.0, cascade=Cascade(99.0, 0.0, weight=0.5, scale=1.0, shift=0.0))
    write_cost(tmp_path, Guard(None, stream, policy, exchange_scorer=exchange), ticking, (16, 256))

    found = read_cost(tmp_path)

    assert [cost.is_escalated for cost in found.values()] == escalated
    assert told(found) == words
    assert bool(exchange.sessions) == any(escalated)
    assert told({16: Cost(1.0, None)}) == told({}) == ""
