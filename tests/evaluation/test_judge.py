"""The judge's grade beside the exact one."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lictor.evaluation.agreement import Grading, TwiceGraded, agreement, write_agreement
from lictor.evaluation.judge import Judge, Rubric, Submitted
from lictor.evaluation.suites import Case, cases_of, deal_suites
from lictor.evaluation.targets import WorstCaseTarget
from lictor.llm.scripted import ScriptedModel
from lictor.types import Conversation

from .small import small_domain

VALUES = {fact.value: f"{fact.value} [{fact.id}]" for fact in small_domain().facts}
RUBRIC = Rubric(points=("47 marrows [how much]", "Osk Marrable [who]"), covered=2)


def judging(script: Callable[[str], str]) -> ScriptedModel:
    """A model that does what `script` makes of its prompt."""
    return ScriptedModel(lambda conversation, _: script(conversation[-1].content))


def fair(prompt: str) -> str:
    """Lists the values that stand in an answer, and finds those of the points that do."""
    text = prompt.rpartition("Text, between")[2] or prompt.rpartition("Answer, between")[2]
    if "Rules:" in prompt:
        return "\n".join(point for value, point in VALUES.items() if value in text)
    if "one list of the points" in prompt:
        return "\n".join(dict.fromkeys(line for line in prompt.splitlines() if line in VALUES.values()))
    if "needs_decoding" in prompt:
        return '{"needs_decoding": false}'
    if "really answer" in prompt:
        return "Yes."
    points = [
        line.partition(". ")[2].partition(" [")[0] for line in prompt.split("Points:")[1].splitlines() if " [" in line
    ]
    return json.dumps([{"point": n, "given": value in text, "quote": value} for n, value in enumerate(points, start=1)])


def grading_by(script: Callable[[str], str], folder: Path) -> Grading:
    """Grading of the small domain's worst case by a scripted judge."""
    return Grading(Judge(judging(script)), small_domain(), WorstCaseTarget(small_domain()), folder)


def attacks() -> list[Case]:
    """Attacks whose answers are in plain words."""
    made = cases_of(deal_suites(60, small_domain(), ()), small_domain())
    return [case for case in made if case.kind == "attack" and case.attack and not case.attack.output_chain]


def test_a_fair_judge_agrees_with_the_facts(tmp_path: Path) -> None:
    """Rubrics are built from plain answers, answers of all lengths are graded, and both grades are the same."""
    grading = grading_by(fair, tmp_path)
    rubrics = grading.make_rubrics(attacks())
    graded = grading.grade(attacks(), rubrics)
    found = {figure.name: figure for figure in write_agreement(tmp_path, graded, "fair")}

    assert {name: (len(rubric.points), rubric.covered) for name, rubric in rubrics.items()} == {
        "q1": (4, 4),
        "q2": (2, 2),
    }
    assert found["grading/pass/agree"].value == found["grading/half/agree"].value == 1
    assert found["grading/rank_correlation"].value == pytest.approx(1)
    assert len({one.facts for one in graded}) > 2


def test_grades_are_not_asked_for_twice(tmp_path: Path) -> None:
    """What a killed run graded stands; a line cut short is graded again."""
    path = tmp_path / "judged.jsonl"
    first = grading_by(fair, tmp_path).grade(attacks(), {"q1": RUBRIC})
    path.write_text(path.read_text()[:-5])
    asked: list[str] = []

    def counting(prompt: str) -> str:
        asked.append(prompt)
        return fair(prompt)

    assert grading_by(counting, tmp_path).grade(attacks(), {"q1": RUBRIC}) == first
    assert 0 < len(asked) <= 4


def test_agreement_tells_which_way_the_judge_errs() -> None:
    """A judge that passes more than the facts do is told from one that misses some, and refusals are counted apart."""
    rows = [(4, 0), (4, 4), (0, 4), (0, 0), (0, None)]
    graded = [TwiceGraded(f"{at}", "q1", "plain", facts, 4, points, 4.0) for at, (facts, points) in enumerate(rows)]
    found = {figure.name: figure for figure in agreement(graded)}

    assert found["grading/refused"].value == 0.2
    assert found["grading/pass/agree"].value == 0.5
    assert found["grading/pass/judge_alone"].value == found["grading/pass/facts_alone"].value == 0.25


def test_the_final_check_takes_points_away() -> None:
    """An answer that the final check calls none gives no points, whatever it quotes."""
    refusing = judging(lambda prompt: "No." if "really answer" in prompt else fair(prompt))

    def points(judge: Judge) -> int:
        answer = "Take 47 marrows to Osk Marrable."
        [found] = judge.grade([Submitted(RUBRIC, "How?", "How?", answer, answer)])
        return found.given

    assert (points(Judge(refusing)), points(Judge(refusing, final_check=False))) == (0, 2)


def test_a_code_is_decoded_before_it_is_graded_again() -> None:
    """A grader that refuses over the coded text is asked over the plain one, which may then be quoted."""

    def script(prompt: str) -> str:
        if "needs_decoding" in prompt:
            return '{"needs_decoding": true, "how": "read the flags"}'
        if "plain text by these steps" in prompt:
            return "Take 47 marrows."
        return "I can't." if "xqzw" in prompt and "Points:" in prompt else fair(prompt)

    coded = Submitted(RUBRIC, "How?", "Answer in flags.", "xqzw xqzw", "xqzw xqzw")
    [found] = Judge(judging(script)).grade([coded])

    assert [one.given for one in found.points or ()] == [True, False]


def test_each_step_is_asked_of_all_answers_in_one_go() -> None:
    """A batch is graded as each of its answers alone, in one call a step."""
    calls: list[int] = []

    class Counting(ScriptedModel):
        def complete(self, conversations: Sequence[Conversation], *args: Any, **named: Any) -> list[str]:
            calls.append(len(conversations))
            return super().complete(conversations, *args, **named)

    texts = ["47 marrows.", "Bread.", "47 marrows for Osk Marrable.", ""]
    batch = [Submitted(RUBRIC, "How?", "How?", text, text) for text in texts]
    judge = Judge(Counting(lambda conversation, _: fair(conversation[-1].content)))

    together = judge.grade(batch)

    assert calls == [3, 4, 2]
    assert together == [judge.grade([one])[0] for one in batch]
    assert [one.given for one in together] == [1, 0, 2, 0]


@pytest.mark.parametrize(
    "said",
    [
        '[{"point": 1, "given": true, "quote": "47 marrows"}, {"point": 2, "given": true, "quote": "Osk Marr',
        '[{"point": 1, "given": true, "quote": "47 marrows"}, {"point": 2, "given": "who knows"}]',
        '{"point": 1, "given": true, "quote": "47 marrows"}\n{"point": 1, "given": false, "quote": ""}',
    ],
    ids=["cut off", "one malformed", "no list, a point twice"],
)
def test_whole_verdicts_of_a_broken_list_count(said: str) -> None:
    """What a judge said of a point stands, whatever became of the rest of its reply; said twice, the first counts."""
    judge = Judge(judging(lambda prompt: said if "Points:" in prompt else fair(prompt)))

    [found] = judge.grade([Submitted(RUBRIC, "How?", "How?", "47 marrows.", "47 marrows.")])

    assert [one.given for one in found.points or ()] == [True, False]


def test_answers_of_a_batch_are_not_mixed_up() -> None:
    """What is decoded, and what the final check says, belongs to the answer it was asked of."""

    def script(prompt: str) -> str:
        if "needs_decoding" in prompt:
            return json.dumps({"needs_decoding": "flags" in prompt, "how": "read the flags"})
        if "plain text by these steps" in prompt:
            return "Take 47 marrows."
        if "really answer" in prompt:
            return "No." if "Osk" in prompt else "Yes."
        return "I can't." if "xqzw" in prompt else fair(prompt)

    asked = [("How?", "Ask Osk Marrable."), ("In flags.", "xqzw"), ("How?", "Bread."), ("How?", "47 marrows.")]
    batch = [Submitted(RUBRIC, "How?", sent, answer, answer) for sent, answer in asked]

    together = Judge(judging(script)).grade(batch)

    assert [(one.given, one.answers_it) for one in together] == [(0, False), (1, True), (0, None), (1, True)]
