"""Where two graders of the same answers agree, and where they do not.

In: a `State`. Out: Cohen's kappa over rubric points with an interval, and the answers on which the graders differ.
Knows no words and no page.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lictor.arena.events import Graded
from lictor.arena.state import State
from lictor.calibration.intervals import resampled
from lictor.evaluation.measures import Figure


class PointPair(NamedTuple):
    """Two verdicts on one rubric point."""

    point: str
    first: bool
    second: bool
    why_first: str
    why_second: str


class Disagreement(NamedTuple):
    """An answer on which two graders differ."""

    submission: str
    question: str
    first: Graded
    second: Graded
    differs: tuple[PointPair, ...]
    changes_verdict: bool
    """Whether the second grade would pass where the first does not, or the other way round."""


def pairs(first: Graded, second: Graded) -> list[PointPair]:
    """The rubric points both graders looked at."""
    other = {one.point: one for one in second.evidence}
    return [
        PointPair(one.point, one.given, other[one.point].given, one.why, other[one.point].why)
        for one in first.evidence
        if one.point in other
    ]


def disagreements(state: State) -> list[Disagreement]:
    """Answers on which the graders differ in a point, those whose verdict hangs on it first."""
    found: list[Disagreement] = []
    for name, question, first, second in _twice(state):
        differs = tuple(pair for pair in pairs(first, second) if pair.first != pair.second)
        asked = state.contest.question(question) if state.contest else None
        needed = asked.needed(state.contest.mark) if asked and state.contest else 0
        if differs:
            changes = (first.points >= needed) != (second.points >= needed)
            found.append(Disagreement(name, question, first, second, differs, changes))
    return sorted(found, key=lambda one: not one.changes_verdict)


def kappa(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Cohen's kappa of two graders; None where chance alone would agree always, or nothing was graded twice."""
    if not first:
        return None
    one, other = np.asarray(first), np.asarray(second)
    by_chance = one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean())
    return None if by_chance == 1 else float(((one == other).mean() - by_chance) / (1 - by_chance))


def kappa_figure(state: State, *, rng: np.random.Generator) -> Figure | None:
    """Kappa over all points graded twice; its interval resamples submissions, since their points go together."""
    groups: dict[str, list[PointPair]] = {}
    for name, _, first, second in _twice(state):
        groups.setdefault(name, []).extend(pairs(first, second))
    found = [group for group in groups.values() if group]
    value = _kappa_of(found)
    if value is None:
        return None
    drawn = resampled(lambda at: _kappa_of([found[i] for i in at]), len(found), rng=rng) or (-1.0, 1.0)
    return Figure("grading/kappa", value, *drawn, sum(map(len, found)), "kappa")


def _kappa_of(groups: Sequence[Sequence[PointPair]]) -> float | None:
    flat = [pair for group in groups for pair in group]
    return kappa([pair.first for pair in flat], [pair.second for pair in flat])


def _twice(state: State) -> list[tuple[str, str, Graded, Graded]]:
    """Answers that two graders gave a verdict on."""
    return [
        (name, question, one.graded[question], second)
        for name, one in state.submissions.items()
        for question, second in one.second.items()
        if question in one.graded and one.graded[question].status == "ok" and second.status == "ok"
    ]
