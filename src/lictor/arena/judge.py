"""Grade the answers of players with a chat model, where a domain has no facts that can be counted.

In: a judge, rubrics, cases. Out: assessments. Knows no log and no page; evaluation/judge.py asks the model.

A point counts only if its quotation stands in the answer and in what the model behind the guard delivered. Where every
grader refuses, the answer waits for an organiser.
"""

from collections.abc import Mapping

from lictor.arena.events import Evidence
from lictor.arena.grading import Assessment, Case
from lictor.errors import DataError
from lictor.evaluation.judge import (
    Judge,
    Rubric,
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
        """Points of one answer, each with the quotation that earned it.

        Raises:
            GenerationError: The model could not be reached.
            DataError: There is no rubric for the question.
        """
        rubric = self._rubrics.get(case.question)
        if rubric is None:
            raise DataError(f"expected a rubric for question {case.question!r}, got those of {sorted(self._rubrics)}")
        suspicious = to_grader(case.answer)
        delivered = "\n\n".join(turn.delivered for turn in case.turns if turn.delivered)
        decoded = self._judge.decode("\n\n".join(turn.sent for turn in case.turns), delivered)
        verdicts = self._judge.verdicts(rubric, case.asked, case.answer, decoded)
        if verdicts is None:
            return Assessment(0, status="refused", suspicious=suspicious)
        plain = [*readings(delivered), *([decoded] if decoded else [])]
        said = squeeze_all([*readings(case.answer), *plain])
        weighed = weigh_all(rubric, verdicts, said, squeeze_all(plain))
        evidence = tuple(Evidence(point=str(one.point), given=one.given, why=one.why) for one in weighed)
        points = sum(one.given for one in weighed)
        is_checked = self._judge.final_check and points
        answers_it = self._judge.answers_it(case.asked, case.answer) if is_checked else None
        return Assessment(points, evidence, answers_it=answers_it, suspicious=suspicious)
