"""How much effort an arena has seen: hours from the log, scaled to what players say of themselves.

In: the times of players' messages, and the hours some of them stated. Out: hours with an interval.

A player was at work in every five minutes in which they sent a message. That counts too little, since people also think
and write; so the total is multiplied by the ratio of stated to counted hours over those who stated any. The interval
resamples players and respondents (calibrated bootstrap).

Cites: CC1 §4.1, App. 8 (log buckets fitted to survey respondents, 90% interval); CC2 App. B (five-minute buckets).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lictor.evaluation.measures import Figure

BUCKET_S = 300
FEWEST_RESPONDENTS = 3


class Effort(NamedTuple):
    """Effort of all players, and what it rests on."""

    hours: Figure
    counted_hours: float
    """From the log alone."""
    scale: float
    """Stated over counted hours; 1 with fewer than three respondents."""
    respondents: int


def counted_hours(times: Sequence[float]) -> float:
    """Hours of a player: five minutes for every five in which they sent something."""
    return len({int(at // BUCKET_S) for at in times}) * BUCKET_S / 3600


def effort(
    times: Mapping[str, Sequence[float]],
    stated: Mapping[str, float],
    *,
    rng: np.random.Generator,
    confidence: float = 0.9,
    resamples: int = 10_000,
) -> Effort:
    """Hours spent by all players in `times`.

    Args:
        times: When each player sent messages, in seconds.
        stated: Hours that some of them said they spent.
        rng: Source of the resamples.
        confidence: Of the interval.
        resamples: Bootstrap rounds.
    """
    players = sorted(times)
    hours = np.asarray([counted_hours(times[player]) for player in players])
    answering = [at for at, player in enumerate(players) if player in stated and hours[at] > 0]
    said = np.asarray([stated[players[at]] for at in answering])
    counted = hours[answering] if answering else np.zeros(0)
    has_survey = len(answering) >= FEWEST_RESPONDENTS
    scale = float(said.sum() / counted.sum()) if has_survey else 1.0
    total = float(hours.sum()) * scale
    if not players:
        return Effort(Figure("effort", 0.0, 0.0, 0.0, 0, "hours"), 0.0, 1.0, 0)
    totals = rng.choice(hours, (resamples, hours.size)).sum(axis=1)  # (resamples,)
    if has_survey:
        drawn = rng.integers(len(answering), size=(resamples, len(answering)))
        totals = totals * said[drawn].sum(axis=1) / counted[drawn].sum(axis=1)
    low, high = np.quantile(totals, [(1 - confidence) / 2, (1 + confidence) / 2])
    figure = Figure("effort", total, float(low), float(high), len(players), "hours")
    return Effort(figure, float(hours.sum()), scale, len(answering))
