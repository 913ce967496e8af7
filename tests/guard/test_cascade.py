"""How two logits become one."""

from math import nan

import pytest

from lictor.errors import UsageError
from lictor.guard.cascade import cascade_logit, combine_logits, escalates


def test_logits_are_summed_by_weight() -> None:
    """The combination is a weighted sum in logit space; without the dearer scorer the cheap one stands alone."""
    assert combine_logits((2.0, -4.0), (0.75, 0.25)) == 0.5
    assert cascade_logit(2.0, -4.0, weight=0.75) == 0.5
    assert cascade_logit(2.0, None, weight=0.75) == 2.0


def test_a_missing_weight_is_wrong_use() -> None:
    """Every logit needs its weight."""
    with pytest.raises(UsageError, match=r"one weight per logit \(2\), got 1"):
        combine_logits((1.0, 2.0), (1.0,))


def test_escalation_is_at_or_over_the_threshold() -> None:
    """A logit at the threshold escalates, and so does one that is not a number."""
    assert [escalates(logit, 0.5) for logit in (0.4, 0.5, nan)] == [False, True, True]
