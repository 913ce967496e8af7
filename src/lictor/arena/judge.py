"""Grade the answers of players with a chat model, where a domain has no facts that can be counted.

In: a judge, rubrics, cases. Out: assessments. Knows no log and no page; evaluation/judge.py asks the model.

A point counts only if its quotation stands in the answer and in what the model behind the guard delivered. Where every
grader refuses, the answer waits for an organiser.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lictor.arena.events import Evidence
from lictor.arena.grading import Assessment, Case
from lictor.errors import DataError
from lictor.evaluation.judge import (
    AT_ONCE,
    Judge,
    Rubric,
    Submitted,
    Verdict,
    build_rubric,
    read_rubrics,
    squeeze_all,
    to_grader,
    weigh_all,
    write_rubrics,
)
from lictor.evaluation.readings import readings
from lictor.types import ChatModel

__all__ = ["JudgeGrader", "Rubric", "build_rubric", "read_rubrics", "write_rubrics"]


class JudgeGrader:
    """Grades by a chat model.

    Args:
        model: The judge.
        rubrics: By question.
        fallback: Asked where the judge refuses.
        final_check: Whether to ask in the end if the question is really answered; CC1 left it out of its bounty.
    """

    def __init__(
        self,
        model: ChatModel,
        rubrics: Mapping[str, Rubric],
        *,
        fallback: ChatModel | None = None,
        final_check: bool = True,
    ) -> None:
        self._judge = Judge(model, fallback, final_check)
        self._rubrics = rubrics
        self.name = model.name
        self.version = self._judge.version(rubrics)

    def assess(self, case: Case) -> Assessment:
        """`assess_all` of one answer."""
        return next(self.assess_all([case]))

    def assess_all(self, cases: Iterable[Case]) -> Iterator[Assessment]:
        """Points of answers, each with the quotation that earned it; every step asked of `AT_ONCE` of them in one go.

        Raises:
            GenerationError: The model could not be reached.
            DataError: There is no rubric for a question.
        """
        waiting = iter(cases)
        while batch := list(islice(waiting, AT_ONCE)):
            yield from self._assess(batch)

    def _assess(self, cases: Sequence[Case]) -> list[Assessment]:
        batch = [_submitted(self._rubric(case.question), case) for case in cases]
        decoded = self._judge.decode(batch)
        verdicts = self._judge.verdicts(batch, decoded)
        found = [_assessment(*of) for of in zip(cases, batch, verdicts, decoded, strict=True)]
        checked = [at for at, one in enumerate(found) if self._judge.final_check and one.points]
        told = self._judge.answers_it([(cases[at].asked, cases[at].answer) for at in checked])
        for at, answers_it in zip(checked, told, strict=True):
            found[at] = found[at]._replace(answers_it=answers_it)
        return found

    def _rubric(self, question: str) -> Rubric:
        rubric = self._rubrics.get(question)
        if rubric is None:
            raise DataError(f"expected a rubric for question {question!r}, got those of {sorted(self._rubrics)}")
        return rubric


def _submitted(rubric: Rubric, case: Case) -> Submitted:
    sent = "\n\n".join(turn.sent for turn in case.turns)
    delivered = "\n\n".join(turn.delivered for turn in case.turns if turn.delivered)
    return Submitted(rubric, case.asked, sent, delivered, case.answer)


def _assessment(case: Case, one: Submitted, verdicts: Mapping[int, Verdict] | None, decoded: str | None) -> Assessment:
    suspicious = to_grader(case.answer)
    if verdicts is None:
        return Assessment(0, status="refused", suspicious=suspicious)
    plain = [*readings(one.delivered), *([decoded] if decoded else [])]
    said = squeeze_all([*readings(case.answer), *plain])
    weighed = weigh_all(one.rubric, verdicts, said, squeeze_all(plain))
    evidence = tuple(Evidence(point=str(one.point), given=one.given, why=one.why) for one in weighed)
    return Assessment(sum(one.given for one in weighed), evidence, suspicious=suspicious)
