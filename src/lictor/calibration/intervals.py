"""Intervals for shares: exact for counts, by resampling for attempts that share a question or a strategy.

In: counts, outcomes with the clusters they belong to, or a statistic of drawn units. Out: bounds. Knows nothing of
scores or guards.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lictor.errors import CalibrationError


class Interval(NamedTuple):
    """Both ends of an interval; those of a share are in 0..1."""

    low: float
    high: float


def upper_bound(hits: int, n: int, confidence: float = 0.95) -> float:
    """Exact (Clopper-Pearson) one-sided upper bound of a share: 1.0 when every trial hit, or there was none.

    Also holds for the mean rate of independent trials whose rates differ (Hoeffding 1956), down to a confidence of
    0.75, which is what lets conversations from several sources be pooled.

    Raises:
        CalibrationError: Not 0 <= hits <= n, or `confidence` outside 0..1.
    """
    _check(hits, n, confidence)
    return 1.0 if hits == n else float(stats.beta.ppf(confidence, hits + 1, n - hits))


def lower_bound(hits: int, n: int, confidence: float = 0.95) -> float:
    """Exact (Clopper-Pearson) one-sided lower bound of a share: 0.0 when no trial hit.

    Raises:
        CalibrationError: Not 0 <= hits <= n, or `confidence` outside 0..1.
    """
    _check(hits, n, confidence)
    return 0.0 if hits == 0 else float(stats.beta.ppf(1 - confidence, hits, n - hits + 1))


def exact(hits: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact (Clopper-Pearson) two-sided interval of a share; 0..1 when there was no trial."""
    one_sided = (1 + confidence) / 2
    return Interval(lower_bound(hits, n, one_sided), upper_bound(hits, n, one_sided))


def wilson(hits: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's two-sided interval of a share: narrower than `exact`, right on average rather than always.

    Raises:
        CalibrationError: Not 0 <= hits <= n, or `confidence` outside 0..1.
    """
    _check(hits, n, confidence)
    if n == 0:
        return Interval(0.0, 1.0)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share, spread = hits / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / n + spread / (4 * n)))
    return Interval(0.0 if hits == 0 else max(centre - half, 0.0), 1.0 if hits == n else min(centre + half, 1.0))


def most_hits(n: int, budget: float, confidence: float = 0.95) -> int | None:
    """Most hits among `n` trials whose upper bound still fits the budget; None when even no hit does not.

    Args:
        n: Trials.
        budget: Largest rate allowed, in 0..1, both excluded.
        confidence: Of the one-sided bound.

    Raises:
        CalibrationError: A budget or confidence outside 0..1.
    """
    _check(0, n, confidence)
    _check_budget(budget)
    near = int(stats.binom.ppf(1 - confidence, n, budget)) if n else 0
    candidates = range(min(near + 1, n), -1, -1)
    return next((hits for hits in candidates if upper_bound(hits, n, confidence) <= budget), None)


def samples_needed(budget: float, confidence: float = 0.95) -> int:
    """Fewest trials that certify the budget when none of them hits: 598 for 0.5% and 2,995 for 0.1% at 95%.

    Raises:
        CalibrationError: A budget or confidence outside 0..1.
    """
    _check(0, 1, confidence)
    _check_budget(budget)
    n = max(int(np.log1p(-confidence) / np.log1p(-budget)) - 1, 1)
    while upper_bound(0, n, confidence) > budget:
        n += 1
    return n


def clustered(
    outcomes: Sequence[bool] | NDArray[np.bool_],
    questions: Sequence[str],
    strategies: Sequence[str],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Interval of a share of attempts that are not independent: attempts share questions, and they share strategies.

    Questions and strategies are resampled independently of each other, and an attempt counts as often as the product
    of its two (the pigeonhole bootstrap, Owen 2007; on the wide side). Where every attempt ends alike there is nothing
    to resample, and the interval is the exact one that counts each strategy, or each question if there are more, once.

    Args:
        outcomes: Success of each attempt.
        questions: The question each attempt asked.
        strategies: The strategy each attempt used.
        rng: Source of the resamples.
        confidence: Of the two-sided interval.
        resamples: Bootstrap rounds.

    Raises:
        CalibrationError: No attempts, or lists of different lengths.
    """
    won = np.asarray(outcomes, dtype=float)
    if not 0 < won.size == len(questions) == len(strategies):
        raise CalibrationError(
            f"expected a question and a strategy for each of at least one attempt, got {won.size} attempts, "
            f"{len(questions)} questions and {len(strategies)} strategies"
        )
    if won.min() == won.max():
        clusters = max(len(set(questions)), len(set(strategies)))
        return exact(clusters if won[0] else 0, clusters, confidence)
    shares = _reshare(won, questions, strategies, resamples, rng)
    low, high = np.quantile(shares, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def resampled(
    statistic: Callable[[NDArray[np.intp]], float | None],
    n: int,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval | None:
    """Percentile bootstrap interval of a statistic of `n` units; None where no draw has one.

    Args:
        statistic: Its value on the units at these indices, which may repeat; None where it has none.
        n: Units that are drawn, at least 1.
        rng: Source of the draws.
        confidence: Of the two-sided interval.
        resamples: Bootstrap rounds.
    """
    drawn = (statistic(rng.integers(n, size=n)) for _ in range(resamples))
    values = [value for value in drawn if value is not None]
    if not values:
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def resampled_clusters(
    statistic: Callable[[NDArray[np.intp]], float | None],
    clusters: Sequence[str],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval | None:
    """As `resampled`, of units that come in clusters: whole ones are drawn.

    Args:
        statistic: Its value on the units at these indices, which may repeat; None where it has none.
        clusters: The cluster of each unit.
        rng: Source of the draws.
        confidence: Of the two-sided interval.
        resamples: Bootstrap rounds.
    """
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    members = [np.flatnonzero(place == at) for at in range(names.size)]

    def of_drawn(drawn: NDArray[np.intp]) -> float | None:
        return statistic(np.concatenate([members[int(at)] for at in drawn]))

    return resampled(of_drawn, names.size, rng=rng, confidence=confidence, resamples=resamples)


def exact_of_clusters(outcomes: NDArray[np.bool_], clusters: Sequence[str], confidence: float = 0.95) -> Interval:
    """Interval of a share of trials that come in clusters: `exact` for as many trials as these are worth.

    They are worth as many as would, independent, vary as their clusters do (Korn and Graubard 1998); where all end
    alike, one a cluster.

    Raises:
        CalibrationError: No trials, or lists of different lengths.
    """
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    n, share = outcomes.size, float(outcomes.mean()) if outcomes.size else 0.0
    if not 0 < n == place.size:
        raise CalibrationError(f"expected a cluster for each of at least one trial, got {place.size} for {n} trials")
    beyond = np.bincount(place, outcomes - share)  # of each cluster, hits beyond its fair share
    variance = float((beyond**2).sum()) / n**2
    worth = min(n, share * (1 - share) / variance) if variance else names.size
    hits, tail = share * worth, (1 - confidence) / 2
    low = 0.0 if share == 0 else float(stats.beta.ppf(tail, hits, worth - hits + 1))
    return Interval(low, 1.0 if share == 1 else float(stats.beta.ppf(1 - tail, hits + 1, worth - hits)))


def _reshare(
    won: NDArray[np.float64],
    questions: Sequence[str],
    strategies: Sequence[str],
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Share of successes in each resample that drew any attempt."""
    row_names, rows = np.unique(np.asarray(questions), return_inverse=True)
    column_names, columns = np.unique(np.asarray(strategies), return_inverse=True)
    attempts = np.zeros((row_names.size, column_names.size))
    successes = np.zeros_like(attempts)
    np.add.at(attempts, (rows, columns), 1.0)
    np.add.at(successes, (rows, columns), won)
    row_weights = _redraw(row_names.size, resamples, rng)
    column_weights = _redraw(column_names.size, resamples, rng)
    weight = ((row_weights @ attempts) * column_weights).sum(axis=1)  # (resamples,)
    wins = ((row_weights @ successes) * column_weights).sum(axis=1)
    return wins[weight > 0] / weight[weight > 0]


def _redraw(clusters: int, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How often each cluster was drawn in each resample.  # (resamples, clusters)."""
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(float)


def _check(hits: int, n: int, confidence: float) -> None:
    if not 0 <= hits <= n:
        raise CalibrationError(f"expected 0 <= hits <= n, got hits={hits}, n={n}")
    if not 0 < confidence < 1:
        raise CalibrationError(f"expected a confidence between 0 and 1, both excluded, got {confidence}")


def _check_budget(budget: float) -> None:
    if not 0 < budget < 1:
        raise CalibrationError(f"expected a budget between 0 and 1, both excluded, got {budget}")
