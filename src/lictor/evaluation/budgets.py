"""Success against budget: how many aims an attacker reached with so many queries.

In: what each attacker tried, aim by aim. Out: a curve as `Figure`s, and a picture of it. Knows no guard.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lictor.calibration.intervals import exact
from lictor.errors import UsageError
from lictor.evaluation.measures import Figure
from lictor.redteam.hunt import Tried


class Effort(NamedTuple):
    """One attacker's work on one aim."""

    attacker: str
    question: str
    queries: int
    """Queries made in all."""
    first: int | None
    """Number of the query that first succeeded; None when none did."""
    seconds: float
    """Time up to the first success, or spent in vain."""


def effort(tried: Sequence[Tried]) -> Effort:
    """What a hunt came to; it made at least one query.

    Raises:
        UsageError: Nothing was tried.
    """
    if not tried:
        raise UsageError("expected at least one query, got none; give a budget of at least one")
    won = next((one for one in tried if one.reading.result == "success"), None)
    last = won or tried[-1]
    return Effort(tried[0].attacker, tried[0].plan.aim.question, len(tried), won.query if won else None, last.seconds)


def steps_to(budget: int) -> list[int]:
    """Budgets worth a point on the curve: 1, 2, 5, 10, 20, 50 and so on, and `budget` itself."""
    round_ones = [lead * 10**power for power in range(6) for lead in (1, 2, 5)]
    return [at for at in round_ones if at < budget] + [budget]


def success_curve(efforts: Sequence[Effort], budgets: Sequence[int]) -> list[Figure]:
    """Share of aims reached within each budget, by attacker, and by the best of all on each aim; exact intervals."""
    figures: list[Figure] = []
    for attacker in dict.fromkeys(one.attacker for one in efforts):
        figures += _curve(attacker, [one.first for one in efforts if one.attacker == attacker], budgets)
    if len({one.attacker for one in efforts}) > 1:
        best: dict[str, list[int]] = {one.question: [] for one in efforts}
        for one in efforts:
            best[one.question] += [] if one.first is None else [one.first]
        figures += _curve("any", [min(firsts, default=None) for firsts in best.values()], budgets)
    return figures


def draw_curve(figures: Sequence[Figure], path: Path) -> None:
    """Write the curves as a picture (SVG or PNG, by the path's ending).

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise UsageError("expected matplotlib for a picture; run: pip install 'lictor[report]'") from None
    canvas = Canvas(figsize=(7, 4.2), layout="constrained")
    axes = canvas.subplots()
    for attacker in dict.fromkeys(figure.name.split("/")[0] for figure in figures):
        points = [figure for figure in figures if figure.name.startswith(f"{attacker}/")]
        at = [int(figure.name.rpartition("/")[2]) for figure in points]
        axes.plot(at, [100 * figure.value for figure in points], marker="o", label=attacker.replace("_", " "))
        axes.fill_between(at, [100 * p.low for p in points], [100 * p.high for p in points], alpha=0.08)
    axes.set(xlabel="queries per request", ylabel="requests answered, %", ylim=(-2, 102), xscale="log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    canvas.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _curve(name: str, firsts: Sequence[int | None], budgets: Sequence[int]) -> list[Figure]:
    figures: list[Figure] = []
    for budget in budgets:
        hits = sum(first is not None and first <= budget for first in firsts)
        low, high = exact(hits, len(firsts))
        figures.append(Figure(f"{name}/{budget}", hits / len(firsts), low, high, len(firsts), "share"))
    return figures
