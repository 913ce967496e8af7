"""Whether benign traffic still scores as the conversations did that the thresholds were fitted on.

In: the traces of both, and the policy in use. Out: per stage, how far the scores moved and how many are hit. Knows no
scorer, text or file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lictor.calibration.intervals import exact
from lictor.calibration.traces import Trace, peaks
from lictor.types import Policy


@dataclass(frozen=True, slots=True)
class Drift:
    """One stage's scores of benign traffic, beside those of the fit."""

    stage: Literal["input", "output"]
    n: int
    """Conversations of the traffic that the stage scored."""
    distance: float
    """Largest difference of the two distributions (Kolmogorov-Smirnov), in 0..1."""
    p_value: float
    """How often as large a difference comes by chance, were both of one kind."""
    hit: float
    """Share of the traffic at or over the threshold."""
    low: float
    high: float


def drift(fitted: Sequence[Trace], traffic: Sequence[Trace], policy: Policy) -> list[Drift]:
    """How benign `traffic` differs from the benign conversations of the fit, stage by stage.

    A stage that scored none of either is left out.
    """
    before, now = (peaks([trace for trace in traces if not trace.is_restricted]) for traces in (fitted, traffic))
    spoken, speaks = (p.answer(policy.prompt_weight, policy.prompt_floor) for p in (before, now))
    found = [
        _compare("input", before.prompt, now.prompt, policy.input_threshold),
        _compare("output", spoken, speaks, policy.output_threshold),
    ]
    return [one for one in found if one]


def _compare(
    stage: Literal["input", "output"], before: NDArray[np.float64], now: NDArray[np.float64], threshold: float
) -> Drift | None:
    before, now = before[before > -np.inf], now[now > -np.inf]
    if not before.size or not now.size:
        return None
    test: Any = stats.ks_2samp(before, now)
    hits = int((now >= threshold).sum())
    return Drift(stage, now.size, float(test.statistic), float(test.pvalue), hits / now.size, *exact(hits, now.size))
