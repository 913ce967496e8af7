"""`run` from a constitution to a guard on a real tiny model: what is made, what is made again, what never is."""

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lictor.artifacts import LOCK, alone_in, read_manifest
from lictor.assemble import Guard
from lictor.dataset.store import read_dataset
from lictor.errors import ArtifactError, CalibrationError, ConfigError, DataError, LictorError
from lictor.llm import openai_api
from lictor.llm.pacing import Limits
from lictor.model.objective import Labelled
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.sequences import within_budget
from lictor.pipeline.stages import plan, run
from lictor.pipeline.standing import StageReport
from lictor.testing import ask

from .small import RULES, STAGES, Generator, InterruptIn, change_settings, made_of, quiet, write_rules

EVERY_STAGE = [
    stage if stage in ("data", "stream", "guard") else pytest.param(stage, marks=pytest.mark.slow) for stage in STAGES
]
INTERRUPTS = [("queries", 1), ("answers", 2), ("input scorer", 3), ("stream scorer", 4), ("calibration", 2)]
"""Of one run after the other: within which stage, and at which call of its progress."""


def made(reports: list[StageReport]) -> list[str]:
    """The stages that were made."""
    return [report.stage for report in reports if report.is_new]


def drop_from(project: Project, stage: str) -> None:
    """Remove the artefacts of `stage` and of all after it."""
    for name in STAGES[STAGES.index(stage) :]:
        for folder in [project.guard] if name == "guard" else project.runs.glob(f"{name}-*"):
            shutil.rmtree(folder)


def test_a_constitution_becomes_a_guard(finished: tuple[Project, list[StageReport]]) -> None:
    """Five stages, each an artefact; the guard loads, decides, and its card tells what it promises."""
    project, reports = finished

    assert [report.stage for report in reports] == made(reports) == STAGES
    assert len(made_of(project)) == 6
    assert {e.rule for e in read_dataset(reports[0].folder)} == set(RULES)
    decision = Guard.load(project.guard).check(ask("How do I lift the heavy bell?"))
    assert decision.guard_version == made_of(project)["guard"][0]
    card = (project.guard / "README.md").read_text()
    assert "At most 40.00% of benign conversations" in card
    assert RULES["cast"] in card


def test_a_second_run_makes_nothing(copy: Project, generator: Generator) -> None:
    """In seconds, without a word to the generator, without touching a file; a dry run says so too."""
    before, asked = made_of(copy), len(generator.asked)

    reports = run(copy, quiet)

    assert made(reports) == []
    assert sum(report.seconds for report in reports) < 2
    assert len(generator.asked) == asked
    assert made_of(copy) == before
    assert made(plan(copy)) == []


def test_a_project_at_work_is_left_alone(copy: Project) -> None:
    """A second run is told so, and touches nothing."""
    before = made_of(copy)

    with alone_in(copy.runs), pytest.raises(ArtifactError, match="another lictor command is at work there"):
        run(change_settings(copy, policy={"budget_fpr": 0.45}), quiet)

    assert made_of(copy) == before


def test_an_edited_budget_fits_thresholds_again_and_no_more(copy: Project) -> None:
    """Scorers stay; the policy and the guard are made. The plan said so."""
    changed = change_settings(copy, policy={"budget_fpr": 0.45})

    planned = made(plan(changed))

    assert made(run(changed, quiet)) == planned == ["policy", "guard"]
    assert json.loads((changed.guard / "policy.json").read_text())["fitted_on"]["budget_fpr"] == 0.45


def test_an_edited_training_keeps_the_data(copy: Project) -> None:
    """Both scorers and what depends on them are made; what is kept of a training tells how it went."""
    training = {"tune": "lora", "lora_rank": 2, "accumulate": 2, "patience": 1, "epochs": 2, "seed": 5}
    changed = change_settings(copy, training=training)

    assert made(plan(changed)) == STAGES[1:]
    reports = run(changed, quiet)

    assert made(reports) == STAGES[1:]
    for report in reports[1:3]:
        measured: Any = read_manifest(report.folder).notes["validation_log_auroc"]
        assert len(measured) == 2
        assert (report.folder / "training.svg").read_text().startswith("<svg")
    assert (reports[3].folder / "scores.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_processes_train_a_guard_together(copy: Project) -> None:
    """Two that torchrun starts, all layers learning; progress is told, and what they cannot do is told as an error."""
    told: list[tuple[str, int, int]] = []
    changed = change_settings(copy, training={"processes": 2, "accumulate": 2, "tune": "full"})

    assert made(run(changed, lambda stage, at, total, _loss: told.append((stage, at, total)))) == STAGES[1:]

    assert {"input scorer: reading", "input scorer", "stream scorer"} <= {stage for stage, _, _ in told}
    assert Guard.load(changed.guard).check(ask("How do I lift the heavy bell?")).status == "ok"
    assert made(run(change_settings(copy, training={"processes": 1}), quiet)) == []
    with pytest.raises(DataError, match=r"multiple of the 3 processes .* got 2; set training.accumulate"):
        run(change_settings(copy, training={"processes": 3, "seed": 2}), quiet)


def test_an_edited_rule_is_generated_alone(copy: Project, generator: Generator) -> None:
    """Everything from the data on is made, and every new request to the generator is about that rule."""
    asked = len(generator.asked)
    write_rules(copy.folder, {**RULES, "cast": "Steps of mending a gong."})

    planned = made(plan(copy))

    assert made(run(copy, quiet)) == planned == STAGES
    new = generator.asked[asked:]
    assert new
    assert [prompt for prompt in new if "gong" not in prompt] == []
    rows = [e for path in copy.runs.glob("data-*") for e in read_dataset(path)]
    assert any("gong" in e.messages[-1].content for e in rows if e.rule == "cast")


def test_an_edited_rule_keeps_a_packs_other_rows(copy: Project, generator: Generator) -> None:
    """From a pack, the rules that were not edited keep their examples word for word, and nothing is asked for them."""
    (pack,) = copy.runs.glob("data-*")
    pack.rename(copy.folder / "pack")
    packed = change_settings(copy, pack="pack")
    asked = len(generator.asked)

    assert made(run(packed, quiet)) == STAGES
    assert generator.asked[asked:] == []
    write_rules(packed.folder, {**RULES, "soup": "Baking of simple bread."})
    assert made(plan(packed)) == STAGES
    with pytest.raises(KeyboardInterrupt):
        run(packed, InterruptIn("input scorer"))

    assert generator.asked[asked:]
    assert [prompt for prompt in generator.asked[asked:] if "bread" not in prompt] == []
    rows = read_dataset(max(packed.runs.glob("data-*"), key=lambda path: path.stat().st_mtime))
    kept = {(e.id, e.messages) for e in rows if e.rule != "soup" and not e.source.startswith("joined")}
    first = read_dataset(packed.folder / "pack")
    assert kept == {(e.id, e.messages) for e in first if e.rule != "soup" and not e.source.startswith("joined")}


def test_an_interrupted_run_goes_on_to_the_same_end(
    copy: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C within each stage keeps what was finished; the last run ends byte for byte as one without any."""
    expected = made_of(copy)
    drop_from(copy, "data")
    monkeypatch.setenv("LICTOR_CACHE", str(tmp_path / "cache"))

    for stage, at in INTERRUPTS:
        with pytest.raises(KeyboardInterrupt):
            run(copy, InterruptIn(stage, at))
        reached = {"input scorer": "input", "stream scorer": "stream", "calibration": "traces"}.get(stage, "data")
        assert [name for name in STAGES if list(copy.runs.glob(f"{name}-*"))] == STAGES[: STAGES.index(reached)]

    assert made(run(copy, quiet)) == STAGES[STAGES.index("traces") :]
    assert made_of(copy) == expected


def test_what_was_answered_is_not_paid_for_twice(
    copy: Project, generator: Generator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the generator had answered before an interrupt is not asked again: only what was under way is."""
    monkeypatch.setenv("LICTOR_CACHE", str(tmp_path / "cache"))
    drop_from(copy, "data")
    asked = len(generator.asked)

    for stage, at in (("answers", 36), ("input scorer", 1)):
        with pytest.raises(KeyboardInterrupt):
            run(copy, InterruptIn(stage, at))

    new = [prompt for prompt in generator.asked[asked:] if not prompt.startswith("People send")]
    assert len(set(new)) > 48
    assert 0 <= len(new) - len(set(new)) <= Limits().concurrency


def interrupt_entering(function: str, folder: Path) -> Callable[[FrameType, str, Any], None]:
    """A profile function that presses Ctrl-C when `function` is entered with `folder` among its arguments."""

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name == function and frame.f_locals.get("folder") == folder:
            sys.setprofile(None)
            raise KeyboardInterrupt

    return profile


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_an_interrupt_while_an_artefact_is_put_in_place(copy: Project, stage: str) -> None:
    """At the worst moment of every stage: nothing half-made is taken for whole, nothing is left behind."""
    expected = made_of(copy)
    (folder,) = [copy.guard] if stage == "guard" else copy.runs.glob(f"{stage}-*")
    shutil.rmtree(folder)

    sys.setprofile(interrupt_entering("_swap", folder))
    try:
        with pytest.raises(KeyboardInterrupt):
            run(copy, quiet)
    finally:
        sys.setprofile(None)
    assert not folder.exists()
    assert [path.name for path in copy.folder.rglob(".*") if path.name != LOCK] == []

    assert made(run(copy, quiet)) == [stage]
    assert made_of(copy) == expected


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_a_damaged_artefact_is_made_anew(copy: Project, stage: str) -> None:
    """One byte altered, and that stage alone is made again, to what it was."""
    expected = made_of(copy)
    (folder,) = [copy.guard] if stage == "guard" else copy.runs.glob(f"{stage}-*")
    path = folder / sorted(expected[folder.name][1])[0]
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    assert made(run(copy, quiet)) == [stage]
    assert made_of(copy) == expected


def test_too_few_benign_conversations_for_the_budget(copy: Project) -> None:
    """The error says how many are needed and how many there are; the scorers are kept, the old guard stays."""
    before = made_of(copy)["guard"]
    changed = change_settings(copy, policy={"budget_fpr": 0.001, "confidence": 0.95})

    with pytest.raises(CalibrationError, match=r"needs 2,995 benign conversations .* got \d+ \(.*everyday: \d+"):
        run(changed, quiet)

    assert made_of(changed)["guard"] == before
    assert made(plan(changed)) == ["policy", "guard"]


def test_own_benign_conversations_are_calibrated_on(copy: Project) -> None:
    """A pool becomes a source of its own; editing its file fits thresholds again; odd and long rows are no crash."""
    rows = [{"text": f"What about room {i}?"} for i in range(12)]
    odd = [{"text": "ring the bell " * 350}, {"prompt": "a\u200b", "response": "long answer " * 210}]
    pool = copy.folder / "pool.jsonl"
    pool.write_text("\n".join(json.dumps(row) for row in [*rows, *odd]))
    pooled = change_settings(copy, benign=[{"path": "pool.jsonl", "source": "desk"}])

    assert made(run(pooled, quiet)) == ["traces", "policy", "guard"]
    fitted = json.loads((pooled.guard / "policy.json").read_text())["fitted_on"]
    assert fitted["fitted"]["n"] > 0
    pool.write_text("\n".join(json.dumps(row) for row in rows))
    assert made(plan(pooled)) == ["traces", "policy", "guard"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"benign": [{"path": "none.jsonl", "source": "x"}]}, LictorError, "none.jsonl"),
        ({"knowledge": "nowhere"}, ConfigError, "nowhere"),
        ({"pack": "nowhere"}, ConfigError, "nowhere"),
        ({"training": {"backbone": "path:/no/such/model"}}, LictorError, "/no/such/model"),
        ({"training": {"trunk": 3, "top": 3}}, LictorError, "trunk < top"),
        ({"generator": {"model": "openai:m@http://127.0.0.1:9/v1"}}, LictorError, "endpoint failed"),
        ({"synthesis": {"answers": 0}}, DataError, "answer"),
    ],
)
def test_what_cannot_be_is_one_of_lictors_errors(
    copy: Project, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], error: type[LictorError], message: str
) -> None:
    """The message names what is wrong, and the guard that stood there still stands."""
    monkeypatch.setattr(openai_api, "LONGEST_WAIT_S", 0.01)
    before = made_of(copy)["guard"]

    with pytest.raises(error, match=message):
        run(change_settings(copy, **change), quiet)

    assert made_of(copy)["guard"] == before


@pytest.fixture
def full_disk(copy: Project, small_disk: Callable[[str], Path]) -> Project:
    """A finished project on a real file system with almost nothing free."""
    disk = small_disk("2m")
    shutil.copytree(copy.folder, disk / "bells")
    return load_project(disk / "bells")


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_a_full_disk_in_any_stage(full_disk: Project, stage: str) -> None:
    """A clear error, nothing left behind; with space again the run ends as it should."""
    expected = made_of(full_disk)
    (folder,) = [full_disk.guard] if stage == "guard" else full_disk.runs.glob(f"{stage}-*")
    shutil.rmtree(folder)
    filler = full_disk.folder.parent / "filler"
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(1024))

    with pytest.raises((ArtifactError, DataError), match=r"could not .*free some space"):
        run(full_disk, quiet)

    assert not folder.exists()
    assert [path.name for path in full_disk.folder.rglob(".*") if path.name != LOCK] == []
    filler.unlink()
    assert made(run(full_disk, quiet)) == [stage]
    assert made_of(full_disk) == expected


def test_a_mistyped_backbone_is_told_before_any_data_is_made(copy: Project, generator: Generator) -> None:
    """Hours of generation are not spent on a run that cannot end."""
    drop_from(copy, "data")
    asked = len(generator.asked)

    with pytest.raises(LictorError, match="no-such-package"):
        run(change_settings(copy, training={"backbone": "pypi:no-such-package"}), quiet)

    assert len(generator.asked) == asked
    assert not list(copy.runs.glob("data-*"))


def test_a_training_budget_leaves_out_disguised_copies_first() -> None:
    """All of the first pool is kept before any of the second, and never more tokens than fit."""
    plain = [Labelled([n] * 10, n % 2) for n in range(5)]
    disguised = [Labelled([100 + n] * 10, n % 2) for n in range(5)]

    kept = within_budget(plain, disguised, budget_tokens=75)

    assert {s.token_ids[0] for s in kept[:5]} == {0, 1, 2, 3, 4}
    assert [s.token_ids[0] >= 100 for s in kept] == [False] * 5 + [True] * 2
    assert kept == within_budget(plain[::-1], disguised[::-1], budget_tokens=75)
