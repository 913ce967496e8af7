"""Intervals: exact where they claim to be, wide enough where attempts hang together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lictor.calibration.intervals import (
    clustered,
    exact,
    exact_of_clusters,
    lower_bound,
    most_hits,
    resampled_clusters,
    samples_needed,
    upper_bound,
    wilson,
)
from lictor.errors import CalibrationError


@pytest.mark.parametrize(("budget", "needed"), [(0.005, 598), (0.001, 2995), (0.05, 59)])
def test_samples_needed_matches_the_known_sizes(budget: float, needed: int) -> None:
    """The sizes that certify a budget with no hit are the textbook ones."""
    assert samples_needed(budget, 0.95) == needed


@given(st.floats(0.001, 0.5), st.floats(0.5, 0.99))
def test_samples_needed_is_the_smallest_that_certifies(budget: float, confidence: float) -> None:
    """With that many conversations no hit certifies the budget, and with one fewer it does not."""
    needed = samples_needed(budget, confidence)

    assert upper_bound(0, needed, confidence) <= budget
    assert upper_bound(0, needed - 1, confidence) > budget


@given(st.integers(1, 400), st.data())
def test_exact_bounds_invert_the_binomial(n: int, data: st.DataObject) -> None:
    """At the upper bound the observed count or fewer has exactly the chance left over by the confidence."""
    hits = data.draw(st.integers(0, n - 1))

    assert stats.binom.cdf(hits, n, upper_bound(hits, n, 0.9)) == pytest.approx(0.1, abs=1e-6)
    assert stats.binom.sf(hits, n, lower_bound(hits + 1, n, 0.9)) == pytest.approx(0.1, abs=1e-6)


@given(st.integers(1, 3000), st.floats(0.001, 0.3))
def test_most_hits_is_the_largest_count_that_fits(n: int, budget: float) -> None:
    """One more hit would break the budget, and the count itself does not."""
    hits = most_hits(n, budget)

    if hits is None:
        assert upper_bound(0, n) > budget
    else:
        assert upper_bound(hits, n) <= budget < upper_bound(hits + 1, n)


@given(st.integers(0, 200), st.integers(1, 200))
def test_two_sided_intervals_hold_the_share(hits: int, n: int) -> None:
    """Both two-sided intervals contain the observed share and stay within 0..1."""
    hits = min(hits, n)

    for low, high in (exact(hits, n), wilson(hits, n)):
        assert 0 <= low <= hits / n + 1e-12
        assert hits / n - 1e-12 <= high <= 1


def test_intervals_without_trials_promise_nothing() -> None:
    """No trial means the whole range, never a division by zero."""
    assert exact(0, 0) == wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "n", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (0, 2, 1.0)])
def test_impossible_counts_are_refused(hits: int, n: int, confidence: float) -> None:
    """More hits than trials, negative ones and a certainty are errors that say so."""
    with pytest.raises(CalibrationError, match="expected"):
        upper_bound(hits, n, confidence)


def test_clustered_is_wider_than_independent_when_strategies_decide() -> None:
    """Where a strategy wins all its questions or none, the interval is far wider than that of as many coin flips."""
    outcomes = [strategy < 5 for strategy in range(20) for _ in range(10)]
    questions = [f"q{question}" for _ in range(20) for question in range(10)]
    strategies = [f"s{strategy}" for strategy in range(20) for _ in range(10)]

    low, high = clustered(outcomes, questions, strategies, rng=np.random.default_rng(0))
    independent = exact(50, 200)

    assert low < independent.low
    assert high > independent.high + 0.05


def test_clustered_without_success_still_leaves_room() -> None:
    """No success in any of 20 strategies does not promise zero."""
    strategies = [f"s{i // 10}" for i in range(200)]
    questions = [f"q{i % 10}" for i in range(200)]

    assert clustered([False] * 200, questions, strategies, rng=np.random.default_rng(0)) == exact(0, 20)


def test_clustered_refuses_lists_of_different_lengths() -> None:
    """An attempt without its question is an error, not a guess."""
    with pytest.raises(CalibrationError, match="got 2 attempts, 1 questions"):
        clustered([True, False], ["q"], ["a", "b"], rng=np.random.default_rng(0))


@given(st.integers(2, 60), st.integers(1, 6), st.data())
def test_clusters_that_end_alike_are_worth_one_trial_each(clusters: int, size: int, data: st.DataObject) -> None:
    """Copies of a trial say nothing new; without copies the interval is the exact one."""
    hits = data.draw(st.integers(0, clusters))
    outcomes = np.repeat(np.arange(clusters) < hits, size)
    names = [str(at // size) for at in range(clusters * size)]

    assert exact_of_clusters(outcomes, names) == pytest.approx(exact(hits, clusters))


def test_trials_that_do_not_hang_together_are_worth_what_they_are() -> None:
    """Never more than their number; with no cluster, or none for a trial, there is no interval."""
    rng = np.random.default_rng(0)
    outcomes, names = rng.random(2000) < 0.2, [str(at // 4) for at in range(2000)]

    assert exact_of_clusters(outcomes, names) == pytest.approx(exact(int(outcomes.sum()), 2000), abs=0.003)
    for given_names in ([], names):
        with pytest.raises(CalibrationError, match="a cluster for each"):
            exact_of_clusters(outcomes[:1] if not given_names else outcomes[:0], given_names)


def test_whole_clusters_are_drawn() -> None:
    """A mean of copies varies as that of what was copied."""
    values = np.random.default_rng(1).normal(size=50)

    def interval(copies: int) -> tuple[float, float] | None:
        all_of = np.repeat(values, copies)
        names = [str(at // copies) for at in range(all_of.size)]
        return resampled_clusters(lambda at: float(all_of[at].mean()), names, rng=np.random.default_rng(0))

    assert interval(10) == pytest.approx(interval(1))
