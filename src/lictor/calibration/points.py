"""Operating points: what each of several budgets would promise and stop, from the same scores.

In: traces of three splits, budgets. Out: a fit for each budget, or why there is none. Knows no scorer, text or file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lictor.calibration.thresholds import Fit, Promise, fit
from lictor.calibration.traces import Trace
from lictor.errors import CalibrationError
from lictor.types import Policy

BUDGETS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One budget, and the thresholds that keep it."""

    budget_fpr: float
    fit: Fit | None
    reason: str | None = None
    """Why there are none, and what is missing."""


def operating_points(
    splits: tuple[Sequence[Trace], Sequence[Trace], Sequence[Trace]],
    template: Policy,
    *,
    budgets: Sequence[float] = BUDGETS,
    confidence: float = 0.95,
    promise: Promise = "mean",
) -> list[OperatingPoint]:
    """The point of each budget, in the order given. Each promise holds by itself, not all of them together."""
    points: list[OperatingPoint] = []
    for budget in budgets:
        try:
            fitted = fit(*splits, budget_fpr=budget, policy_template=template, confidence=confidence, promise=promise)
        except CalibrationError as error:
            points.append(OperatingPoint(budget, None, str(error)))
        else:
            points.append(OperatingPoint(budget, fitted))
    return points
