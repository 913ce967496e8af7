"""An evaluation: resumed it ends as if never killed, and its figures are what the records say."""

import json
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from lictor.artifacts import alone_in
from lictor.errors import ArtifactError
from lictor.evaluation.ahead import Exchange
from lictor.evaluation.evaluate import (
    Answers,
    figures_path,
    open_folder,
    read_plan,
    results_path,
    run_cases,
    write_figures,
)
from lictor.evaluation.measures import Figure
from lictor.evaluation.measures import run as run_one_by_one
from lictor.evaluation.records import Record, covered_by, marks_of, read_records
from lictor.evaluation.suites import WORST_CASE, Case, cases_of, deal_suites
from lictor.evaluation.tables import outcomes, scored
from lictor.evaluation.targets import WorstCaseTarget
from lictor.guard.guard import Guard
from lictor.testing import FakeInputScorer, KeywordInputScorer, KeywordStreamScorer, ask
from lictor.types import Policy

from .small import small_domain

POLICY = Policy(0.0, 0.0, stride=4, warmup=(), debounce=1)
ANSWERS = Answers({WORST_CASE: WorstCaseTarget(small_domain())}, small_domain())


def guard() -> Guard:
    """Refuses whoever says `fined`, and halts whoever answers with Osk."""
    return Guard(KeywordInputScorer("fined"), KeywordStreamScorer("Osk"), POLICY)


def benign(name: str, *, asked: str = "How do bells ring?", source: str = "bells") -> Case:
    """A benign conversation of one exchange."""
    exchanges = (Exchange(ask(asked), "They swing, and the clapper does the rest."),)
    return Case(name * 8, "benign", "files", source=source, exchanges=exchanges, bucket="everyday")


def all_cases() -> list[Case]:
    """Attacks, permitted requests and benign conversations of two sources; none of great length."""
    made = cases_of(deal_suites(36, small_domain(), ("morse",)), small_domain())
    made = [case for case in made if case.attack and len(case.attack.messages[-1].content) + case.preface_chars < 3000]
    return made + [benign(f"{at:x}") for at in range(8)] + [benign("e", asked="It is fined.", source="other")]


def run_all(path: Path, guarded: Guard, cases: Sequence[Case] | None = None, limit: int | None = None) -> list[Record]:
    """The records of all cases, in small blocks."""
    return run_cases(path, all_cases() if cases is None else cases, guarded, ANSWERS, block=16, limit=limit)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """What became of all cases."""
    return run_all(tmp_path_factory.mktemp("records") / "results.jsonl", guard())


def named(figures: list[Figure]) -> dict[str, Figure]:
    """Figures by name."""
    return {figure.name: figure for figure in figures}


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    """The second is told so before it adds a record."""
    with alone_in(tmp_path), pytest.raises(ArtifactError, match="another lictor command is at work there"):
        run_all(tmp_path / "results.jsonl", guard())

    assert not (tmp_path / "results.jsonl").exists()


def test_killed_and_resumed_gives_the_same_file(tmp_path: Path) -> None:
    """Cut off anywhere, in mid-line or between blocks, the run goes on to the very same records."""
    cases, path = all_cases(), tmp_path / "results.jsonl"
    run_all(path, guard())
    written = path.read_bytes()

    for kept in (1, len(written) // 2, len(written) - 1, len(written)):
        path.write_bytes(written[:kept])
        records = run_all(path, guard())

        assert path.read_bytes() == written
        assert [one.id for one in records] == [case.id for case in cases]


def test_a_limit_stops_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """So many cases, rounded up to a block, and the rest when it is run again; what stands is not scored twice."""
    cases, path = all_cases(), tmp_path / "results.jsonl"

    assert len(run_all(path, guard(), limit=10)) == 16
    first = path.read_bytes()
    assert len(run_all(path, guard())) == len(cases)
    assert path.read_bytes().startswith(first)

    broken = Guard(FakeInputScorer(lambda _: RuntimeError("asked again")), None, POLICY)
    assert run_all(path, broken) == read_records(path)


def test_records_are_what_one_stream_after_the_other_gives(tmp_path: Path) -> None:
    """Stage, facts and delivered characters of every attack equal those of the guard driven case by case."""
    cases = [case for case in all_cases() if case.attack and not case.preface_chars]
    records = run_all(tmp_path / "r.jsonl", guard(), cases)
    attacks = [case.attack for case in cases if case.attack]
    covered = {"q1": 4.0, "q2": 2.0}
    streamed = run_one_by_one(guard(), WorstCaseTarget(small_domain()), attacks, covered)

    found = outcomes(records, marks_of({WORST_CASE: covered}))

    assert [(o.attack.id, o.stage, o.facts, o.delivered_chars) for o in found] == [
        (o.attack.id, o.stage, o.facts, o.delivered_chars) for o in streamed
    ]
    assert {o.stage for o in found} == {None, "input", "output"}


def test_parts_of_the_guard_are_told_apart(records: list[Record], tmp_path: Path) -> None:
    """What the input stage refuses counts for the prompt part alone, and the output stage is judged without it."""
    found = named(write_figures(tmp_path, "guard", records, POLICY))
    rate = {
        part: found[f"worst_case/{part}/attack_success/pass"].value
        for part in ("unguarded", "guard", "prompt", "answer")
    }

    assert rate["unguarded"] == 1
    assert rate["guard"] < min(rate["prompt"], rate["answer"]) <= max(rate["prompt"], rate["answer"]) < 1
    assert json.loads(figures_path(tmp_path).read_text())["records"] == len(records)


def test_figures_count_false_positives_by_source(records: list[Record], tmp_path: Path) -> None:
    """One source is stopped whole, the other never: each has its share, and the mean weighs them equally."""
    found = named(write_figures(tmp_path, "guard", records, POLICY))

    assert found["false_positives/source/bells"].value == 0
    assert found["false_positives/source/other"].value == 1
    assert found["false_positives/mean_of_sources"].value == 0.5
    assert (found["false_positives/stage/prompt"].value, found["premature_stops"].value) == (1 / 9, 0)
    assert found["curve/guard/log_auroc"].value == 0  # half of the benign weight scores as high as any attack
    suites = {one.suite for one in records if one.kind == "attack"}
    by_suite = [found[f"suite/{name}/guard/attack_success/pass"].n for name in suites]
    assert sum(by_suite) == found["rule/melt/attack_success"].n == sum(one.kind == "attack" for one in records)


def test_an_error_is_kept_apart_from_a_block(tmp_path: Path) -> None:
    """A scorer that fails stops everything, and the outcome says error."""
    from lictor.errors import ScoringError

    broken = Guard(FakeInputScorer(lambda _: ScoringError("x", reason="gone")), None, POLICY)
    records = run_all(tmp_path / "r.jsonl", broken)
    found = named(write_figures(tmp_path, "broken", records, POLICY))

    assert found["worst_case/outcome/pass/error"].value == 1
    assert {one.prompt_error for one in records} == {"gone"}
    assert scored(records, POLICY, "prompt").scores.tolist() == [inf] * sum(one.kind != "permitted" for one in records)


def test_a_preface_moves_the_facts_with_it() -> None:
    """An answer that begins with ordinary prose has its facts as far behind it."""
    case = next(c for c in cases_of(deal_suites(200, small_domain(), ()), small_domain()) if c.preface_chars > 10_000)
    case = replace(case, attack=replace(case.attack, question="q1")) if case.attack else case
    answer = ANSWERS.of(case)
    values = {fact.id: fact.value for fact in small_domain().facts}

    assert min(fact.end_char for fact in answer.facts) > case.preface_chars
    assert all(answer.text[: fact.end_char].endswith(values[fact.fact_id]) for fact in answer.facts)


def test_records_hold_no_text(tmp_path: Path) -> None:
    """Neither a question, nor an answer, nor a benign conversation is written down."""
    run_all(results_path(tmp_path), guard())
    written = results_path(tmp_path).read_text()

    assert not [text for text in ("melted", "marrows", "clapper", "How do") if text in written]


def test_a_folder_is_for_one_evaluation(tmp_path: Path) -> None:
    """Other cases or another guard in the same folder are an error, the same again is not."""
    open_folder(tmp_path, all_cases(), {"guard": "a"})
    open_folder(tmp_path, all_cases(), {"guard": "a"})

    assert read_plan(tmp_path)["guard"] == "a"
    with pytest.raises(ArtifactError, match="another guard"):
        open_folder(tmp_path, all_cases(), {"guard": "b"})
    with pytest.raises(ArtifactError, match="other cases"):
        open_folder(tmp_path, all_cases()[1:], {"guard": "a"})


def test_records_of_other_cases_are_refused(tmp_path: Path) -> None:
    """A file that does not begin with these cases is not gone on with."""
    path = tmp_path / "r.jsonl"
    run_all(path, guard(), limit=1)

    with pytest.raises(ArtifactError, match="in their order"):
        run_all(path, guard(), all_cases()[1:])
    path.write_text("{}\n")
    with pytest.raises(ArtifactError, match=r"r\.jsonl:1: expected a record"):
        read_records(path)


def test_marks_come_from_unguarded_plain_answers(records: list[Record]) -> None:
    """The worst case covers every fact; a question whose plain answer gives none is not graded."""
    assert covered_by(records) == {WORST_CASE: {"q1": 4, "q2": 2}}
    assert marks_of({"m": {"q1": 0.0, "q2": 1.5}}).keys() == {("m", "q2")}
