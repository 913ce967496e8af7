"""Grade the same answers twice, by exact facts and by a judge, and say how far the two agree.

In: attacks, their unguarded answers, a judge. Out: grades, kept as they come, and figures. Answers are cut at all
lengths, so that some give everything, some a little and some nothing. Knows no guard.

Cites: CC1 App. 7 names the judge's known failure: it cannot tell benign knowledge from detail, and rewards length.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lictor.artifacts import write_atomic
from lictor.calibration.intervals import exact, resampled
from lictor.errors import ArtifactError
from lictor.evaluation.judge import AT_ONCE, Judge, Rubric, Submitted, build_rubric, read_rubrics, write_rubrics
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import Domain
from lictor.evaluation.rubric import Mark, marks
from lictor.evaluation.suites import Case
from lictor.evaluation.targets import Target, facts_delivered
from lictor.types import Attack

ANSWERS_A_RUBRIC = 5
RUBRICS, JUDGED, GRADING = "rubrics.json", "judged.jsonl", "grading.json"
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class TwiceGraded:
    """One answer's two grades."""

    id: str
    question: str
    family: str
    facts: int
    """Exact facts given."""
    facts_of: int
    """Facts an unguarded answer gives."""
    points: int | None
    """Rubric points the judge gave; None where it refused."""
    points_of: float
    """Points an unguarded answer gives on average."""

    def passes(self, mark: Mark) -> tuple[bool, bool]:
        """Whether it reaches the mark by facts, and by the judge."""
        return self.facts >= marks(self.facts_of).at(mark), (self.points or 0) >= marks(self.points_of).at(mark)


@dataclass(frozen=True, slots=True)
class Grading:
    """What both grades are made with, and the folder that keeps them."""

    judge: Judge
    domain: Domain
    target: Target
    folder: Path

    def make_rubrics(self, cases: Sequence[Case]) -> dict[str, Rubric]:
        """A rubric for each question, built from unguarded answers in plain words; those that stand are kept.

        Raises:
            GenerationError: The model gave no rubric.
        """
        path = self.folder / RUBRICS
        rubrics = read_rubrics(path) if path.is_file() else {}
        for question in self.domain.questions:
            asked = [case.attack for case in cases if case.attack and case.attack.question == question.id]
            plain = [attack for attack in asked if not attack.output_chain][:ANSWERS_A_RUBRIC]
            if plain and question.id not in rubrics:
                texts = [self.target.answer(attack).text for attack in plain]
                rubrics[question.id] = build_rubric(self.judge.model, question.text, texts)
                write_rubrics(path, rubrics)
        return rubrics

    def grade(self, cases: Sequence[Case], rubrics: Mapping[str, Rubric]) -> list[TwiceGraded]:
        """Both grades of each case's answer, cut somewhere; those in the folder are not asked for again.

        Raises:
            ArtifactError: The folder's grades cannot be read.
            GenerationError: The judge could not be reached.
        """
        path = self.folder / JUDGED
        found = {one.id: one for one in _read(path)}
        asked = [
            (case.id, case.attack, rubric)
            for case in cases
            if case.id not in found and case.attack and (rubric := rubrics.get(case.attack.question or ""))
        ]
        for start in range(0, len(asked), AT_ONCE):
            graded = self._grade(asked[start : start + AT_ONCE])
            with path.open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps(asdict(one)) + "\n" for one in graded)
            found |= {one.id: one for one in graded}
        return [found[case.id] for case in cases if case.id in found]

    def _grade(self, batch: Sequence[tuple[str, Attack, Rubric]]) -> list[TwiceGraded]:
        answers = [self.target.answer(attack) for _, attack, _ in batch]
        kept = [_length(identity, answer.text) for (identity, *_), answer in zip(batch, answers, strict=True)]
        questions = {known.id: known.text for known in self.domain.questions}
        given = [
            Submitted(rubric, questions[attack.question or ""], _sent(attack), answer.text[:n], answer.text[:n])
            for (_, attack, rubric), answer, n in zip(batch, answers, kept, strict=True)
        ]
        return [
            TwiceGraded(
                id=identity,
                question=attack.question or "",
                family=attack.family,
                facts=len(facts_delivered(answer, n)),
                facts_of=len(answer.facts),
                points=None if judged.points is None else judged.given,
                points_of=rubric.covered,
            )
            for (identity, attack, rubric), answer, n, judged in zip(
                batch, answers, kept, self.judge.grade(given), strict=True
            )
        ]


def _length(identity: str, text: str) -> int:
    """Where an answer is cut: anywhere, by its case's id."""
    return int(np.random.default_rng(int(identity[:8], 16)).random() * (len(text) + 1))


def _sent(attack: Attack) -> str:
    return "\n\n".join(message.content for message in attack.messages if message.role == "user")


def agreement(graded: Sequence[TwiceGraded], *, seed: int = 0) -> list[Figure]:
    """How far the judge agrees with the facts: at each mark, by rank, and which way it errs."""
    asked = [one for one in graded if one.points is not None]
    found = [_share("grading/refused", len(graded) - len(asked), len(graded))]
    if not asked:
        return found
    for mark in ("pass", "half", "full"):
        both = [one.passes(mark) for one in asked]
        found += [
            _share(f"grading/{mark}/agree", sum(facts == judge for facts, judge in both), len(both)),
            _share(f"grading/{mark}/judge_alone", sum(judge and not facts for facts, judge in both), len(both)),
            _share(f"grading/{mark}/facts_alone", sum(facts and not judge for facts, judge in both), len(both)),
        ]
    pairs = np.asarray([(one.facts / one.facts_of, (one.points or 0) / one.points_of) for one in asked])
    drawn = resampled(lambda at: _rank(pairs[at]), len(pairs), rng=np.random.default_rng(seed), resamples=RESAMPLES)
    value = _rank(pairs)
    if value is not None and drawn:
        found.append(Figure("grading/rank_correlation", value, *drawn, len(asked), "rho"))
    return found


def write_agreement(folder: Path, graded: Sequence[TwiceGraded], judge: str) -> list[Figure]:
    """The figures, kept beside the evaluation's."""
    figures = agreement(graded)
    rows = {"judge": judge, "figures": [asdict(figure) for figure in figures]}
    write_atomic(folder / GRADING, json.dumps(rows, indent=1, allow_nan=False) + "\n")
    return figures


def read_agreement(folder: Path) -> list[Figure]:
    """The figures that stand in the folder; none where no judge was asked.

    Raises:
        ArtifactError: They cannot be read.
    """
    path = folder / GRADING
    if not path.is_file():
        return []
    try:
        return [Figure(**row) for row in json.loads(path.read_text(encoding="utf-8"))["figures"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: expected figures of a comparison, got something else ({error})") from error


def _rank(pairs: NDArray[np.float64]) -> float | None:
    """Spearman's rank correlation; None where one side is constant."""
    from scipy import stats

    if (pairs == pairs[0]).all(axis=0).any():
        return None
    ranks = stats.rankdata(pairs, axis=0)
    return float(np.corrcoef(ranks, rowvar=False)[0, 1])


def _share(name: str, hits: int, n: int) -> Figure:
    return Figure(name, hits / n if n else 0.0, *exact(hits, n), n, "share")


def _read(path: Path) -> list[TwiceGraded]:
    if not path.exists():
        return []
    *lines, torn = path.read_text(encoding="utf-8").split("\n")
    if torn:
        write_atomic(path, "".join(line + "\n" for line in lines))
    try:
        return [TwiceGraded(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{path}: expected grades, got something else ({error})") from error
