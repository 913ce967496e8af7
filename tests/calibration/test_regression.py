"""The gate: a new guard that loses more than chance would is told, one that only changes is let through."""

import pytest
from scipy import stats

from lictor.calibration.regression import compare, reasons_against

RESTRICTED = [f"r{i}" for i in range(40)]
IDS = [*RESTRICTED, *(f"b{i}" for i in range(60))]


def stops(*names: str) -> dict[str, bool]:
    """Which conversations a guard stops: all restricted ones, but for the names given, which it has the other way."""
    return {i: (i in RESTRICTED) != (i in names) for i in IDS}


def test_nothing_speaks_against_the_same_guard() -> None:
    """No change, no reason."""
    restricted, benign = compare(stops(), stops(), RESTRICTED)

    assert (restricted.n, restricted.stopped_before, restricted.stopped_after, restricted.p_worse) == (40, 40, 40, 1)
    assert (benign.n, benign.stopped_before, benign.newly_stopped, benign.newly_passed) == (60, 0, 0, 0)
    assert reasons_against([restricted, benign]) == []


@pytest.mark.parametrize("side", ["r", "b"])
def test_five_changes_for_the_worse_shut_the_gate_and_four_do_not(side: str) -> None:
    """One in 32 by chance, and one in 16."""
    four, five = (compare(stops(), stops(*(f"{side}{i}" for i in range(n))), RESTRICTED) for n in (4, 5))

    assert reasons_against(four) == []
    [reason] = reasons_against(five)
    assert reason.startswith("restricted: 5 of 40" if side == "r" else "benign: 0 of 60")
    assert "(p 0.031, 0.05 allowed)" in reason


def test_changes_both_ways_are_weighed_against_each_other() -> None:
    """Six lost and four won is no worse than chance; the test is the exact sign test."""
    before, after = stops("r0", "r1", "r2", "r3"), stops(*(f"r{i}" for i in range(4, 10)))

    restricted, _ = compare(before, after, RESTRICTED)

    assert (restricted.newly_passed, restricted.newly_stopped) == (6, 4)
    assert restricted.p_worse == pytest.approx(stats.binom.sf(5, 10, 0.5))
    assert reasons_against([restricted]) == []
