"""Grading goes on through an outage, is done anew under other marks with a diff, and by two graders with kappa."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lictor.arena.agreement import disagreements, kappa_figure
from lictor.arena.arena import Arena, asked_in, set_up
from lictor.arena.grading import Assessment, Case, FactsGrader
from lictor.arena.people import invite
from lictor.arena.regrading import changes, regrade, runs
from lictor.arena.rounds import Declined, contest_of
from lictor.arena.work import GRADING_TRIES, Patience, grade_all
from lictor.errors import DataError, GenerationError, LictorError

from .served import Browser, served
from .small import ALL_OF_Q1, ALL_OF_Q2, arena, conversation, domain, hand_in, player, turn

HALF = "47 marrows, two skins"


class Failing(FactsGrader):
    """Grades by facts, but for a number of tries."""

    def __init__(self, error: LictorError, failures: int) -> None:
        super().__init__(domain())
        self._error, self._left, self.asked = error, failures, 0

    def assess(self, case: Case) -> Assessment:
        """The facts' grade, or an error."""
        self.asked += 1
        if self.asked <= self._left:
            raise self._error
        return super().assess(case)


class Harsh(FactsGrader):
    """Lets the first fact of every answer pass, and no other."""

    name = "harsh"

    def assess(self, case: Case) -> Assessment:
        """One point at most."""
        found = super().assess(case)
        evidence = tuple(one.model_copy(update={"given": one.given and one.point == "f1"}) for one in found.evidence)
        return Assessment(sum(one.given for one in evidence), evidence)


def submitted(folder: Path) -> Arena:
    """Two reports of one player: all of both questions, and half of one."""
    made = arena(folder)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")
    turn(made, ada, talk, "How is it fined?")
    hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1, "q2": ALL_OF_Q2})
    hand_in(made, ada, (talk,), {"q1": HALF}, name="s2")
    return made


def test_a_judge_that_is_down_for_an_hour_costs_nobody_a_verdict(tmp_path: Path) -> None:
    """While the judge can't be reached nothing is logged and it is asked once a minute; then all is graded, once."""
    made, now, asked = submitted(tmp_path), [0.0], list[float]()

    class Down(FactsGrader):
        def assess(self, case: Case) -> Assessment:
            asked.append(now[0])
            if now[0] < 3600:
                raise GenerationError("connection refused")
            return super().assess(case)

    down, patience, graded = replace(made, grader=Down(domain())), Patience(clock=lambda: now[0]), 0
    while now[0] < 3600:
        graded += grade_all(down, patience)
        now[0] += 0.5
    assert (graded, patience.trouble) == (0, "connection refused")
    while now[0] < 3700:
        graded += grade_all(down, patience)
        now[0] += 0.5

    assert (graded, patience.trouble) == (3, "")
    assert len([at for at in asked if at < 3600]) < 140
    assert [entry.event.kind for entry in made.store.entries(kinds=["graded"])] == ["graded"] * 3


def test_one_answer_the_judge_never_takes_holds_no_other_up(tmp_path: Path) -> None:
    """Where the judge fails on the first answer alone, the others are graded at once, and it is asked about again."""
    made, now = submitted(tmp_path), [0.0]

    class Picky(FactsGrader):
        def assess(self, case: Case) -> Assessment:
            if case.answer == ALL_OF_Q1:
                raise GenerationError("too long for the model")
            return super().assess(case)

    picky, patience = replace(made, grader=Picky(domain())), Patience(clock=lambda: now[0])

    assert grade_all(picky, patience) == 2
    assert made.store.read(lambda s: s.submissions["s1"].ungraded) == ("q1",)
    now[0] += 120
    assert grade_all(picky, patience) == 0
    assert patience.trouble == "too long for the model"


def test_an_answer_that_cannot_be_graded_waits_for_an_organiser(tmp_path: Path) -> None:
    """Where the fault is not the network's, an answer is tried a few times, then shown as an error; others go on."""
    made, patience = submitted(tmp_path), Patience()
    broken = Failing(DataError("no rubric"), failures=GRADING_TRIES * 3)

    counts = [grade_all(replace(made, grader=broken), patience) for _ in range(GRADING_TRIES + 1)]

    assert counts == [0, 0, 3, 0]
    assert made.store.read(lambda s: s.submissions["s1"].points("q1")) is None
    assert regrade(made, "mended") == 3
    assert made.store.read(lambda s: s.submissions["s1"].points("q1")) == 4


def test_a_regrading_shows_what_changed_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """With other marks and another grader, points and verdicts before and after are told; the same name grades once."""
    made = submitted(tmp_path)
    grade_all(made, Patience())
    contest = made.store.read(contest_of)
    stricter = tuple(q.model_copy(update={"covered": 6.0}) if q.id == "q1" else q for q in contest.questions)
    stops = Failing(GenerationError("gone"), failures=1)
    with pytest.raises(GenerationError):
        regrade(made, "r2", grader=stops, questions=stricter)

    assert regrade(made, "r2", grader=Harsh(domain()), questions=stricter) == 3
    assert regrade(made, "r2", grader=Harsh(domain()), questions=stricter) == 0

    told = {
        (r.submission, r.question): (r.before, r.after, r.verdict_before, r.verdict_after)
        for r in changes(made.store.entries(), "r2")
    }
    assert told == {
        ("s1", "q1"): (4, 1, "passed", "failed"),
        ("s1", "q2"): (2, 0, "passed", "failed"),
        ("s2", "q1"): (2, 1, "passed", "failed"),
    }
    assert made.store.read(runs) == ["r2"]
    with pytest.raises(Declined, match="same questions"):
        regrade(made, "r3", questions=stricter[:1])


def test_marks_alone_can_change_a_verdict(tmp_path: Path) -> None:
    """Under higher marks the same points may no longer pass, and the diff says so."""
    made = submitted(tmp_path)
    grade_all(made, Patience())
    contest = made.store.read(contest_of)
    stricter = tuple(q.model_copy(update={"covered": 6.0}) if q.id == "q1" else q for q in contest.questions)

    regrade(made, "r2", questions=stricter)

    changed = [r for r in changes(made.store.entries(), "r2") if r.has_changed]
    assert [(r.submission, r.before, r.after, r.verdict_after) for r in changed] == [("s2", 2, 2, "failed")]


def test_a_second_opinion_gives_kappa_and_disagreements(tmp_path: Path) -> None:
    """Graded twice, agreement has an interval, differing points are listed, and no verdict moves."""
    made = submitted(tmp_path)
    grade_all(made, Patience())

    regrade(made, "second", grader=Harsh(domain()), is_second=True)

    figure = made.store.read(lambda s: kappa_figure(s, rng=np.random.default_rng(0)))
    found = made.store.read(disagreements)
    assert figure is not None
    assert figure.low <= figure.value <= figure.high
    assert (figure.n, figure.low < figure.high) == (10, True)
    assert {(one.submission, one.question): len(one.differs) for one in found} == {
        ("s1", "q1"): 3,
        ("s1", "q2"): 2,
        ("s2", "q1"): 1,
    }
    assert all(one.changes_verdict for one in found)
    assert made.store.read(lambda s: s.submissions["s1"].points("q1")) == 4


def test_a_sample_is_the_same_whoever_draws_it(tmp_path: Path) -> None:
    """A share of the answers gets a second grade, chosen by their ids; all of them with 1, none with 0."""
    made = submitted(tmp_path)
    grade_all(made, Patience())

    assert regrade(made, "a", is_second=True, sample=0) == 0
    some = regrade(made, "b", is_second=True, sample=0.5)
    assert regrade(made, "b", is_second=True, sample=0.5) == 0
    assert some + regrade(made, "b", is_second=True) == 3


def test_a_judged_arena_takes_its_marks_from_its_rubrics(tmp_path: Path) -> None:
    """A domain without a handbook is set up from questions and rubrics; a question without a rubric is an error."""
    (tmp_path / "questions.yaml").write_text(
        'questions:\n- {id: a, rule: r, text: "Why?"}\n- {id: b, rule: r, text: "How?"}'
    )
    rubric = {"points": ["x [y]", "z [y]", "w [y]"], "covered": 2.4}
    (tmp_path / "rubrics.json").write_text(json.dumps({"a": rubric}))
    with pytest.raises(DataError, match=r"none for \['b'\]"):
        asked_in(str(tmp_path), by_judge=True)
    (tmp_path / "rubrics.json").write_text(json.dumps({"a": rubric, "b": rubric}))

    made = set_up(
        str(tmp_path), title="J", mode="bounty", guard="", target="openai:m@http://h/v1", judge="openai:j@http://h/v1"
    )

    assert made.grader == "judge"
    assert [(q.id, q.covered, q.topics, q.needed("half")) for q in made.questions] == [
        ("a", 2.4, 3, 2),
        ("b", 2.4, 3, 2),
    ]


def test_an_organiser_sees_what_graders_made_of_the_answers(tmp_path: Path) -> None:
    """The page on grading shows kappa, disagreements, answers without a verdict, and what a regrading changed."""
    made = submitted(tmp_path)
    grade_all(made, Patience())
    regrade(made, "second", grader=Harsh(domain()), is_second=True)
    regrade(made, "strict", grader=Harsh(domain()))
    with served(made.store, lambda _: made) as place:
        host = Browser(place)
        host.join("Host", invitation=invite(made.store, role="organiser", label="h", actor="cli"))

        page = host.get("/host/grading?run=strict")

        assert "kappa" in page
        assert "What strict changed" in page
        assert "<td>passed</td><td>failed</td>" in page
        assert host.http.get("/host/submissions/s1").text.count("Second opinion") == 2
