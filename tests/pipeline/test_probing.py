"""A finished project's guard with a probe on the protected model."""

import json
import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.artifacts import read_manifest
from lictor.assemble import Guard, HeadKind, ProbeAbout, load_probed, read_policy
from lictor.augment import PlanConfig, augment
from lictor.cli.main import app
from lictor.dataset.store import read_dataset
from lictor.errors import ArtifactError, UsageError
from lictor.llm.local import shared_model
from lictor.model.backbone import Cut
from lictor.model.probing import ProbeScorer
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.probing import ProbeSettings, Texts, make_probe, probe_folder
from lictor.pipeline.stages import policy_template, run
from lictor.pipeline.standing import StageReport
from lictor.testing import ask
from lictor.types import Message

from .small import change_settings, quiet

STAGES = ["probe", "traces", "policy", "guard"]


@pytest.fixture(scope="module")
def settings(tiny: str) -> ProbeSettings:
    """A probe on three layers of the tiny model."""
    return ProbeSettings(tiny, layers=(1, 2, 4))


@pytest.fixture(scope="module")
def made(
    finished: tuple[Project, list[StageReport]], settings: ProbeSettings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, list[StageReport]]:
    """The finished project with a probe, and what making it reported. Not to be changed: take `probed`."""
    folder = Path(shutil.copytree(finished[0].folder, tmp_path_factory.mktemp("probed") / "bells"))
    project = load_project(folder)
    return project, make_probe(project, settings, quiet)


@pytest.fixture
def probed(made: tuple[Project, list[StageReport]], tmp_path: Path) -> Project:
    """A project with a probe, of the test's own."""
    return load_project(Path(shutil.copytree(made[0].folder, tmp_path / "bells")))


def test_a_probe_is_made_once_and_guards(
    finished: tuple[Project, list[StageReport]], made: tuple[Project, list[StageReport]], settings: ProbeSettings
) -> None:
    """Its folder is a guard like any other, beside the project's own; what stands is not made again."""
    project, reports = made
    again = make_probe(project, settings, quiet)

    assert [(r.stage, r.is_new) for r in reports] == [(stage, True) for stage in STAGES]
    assert [r.is_new for r in again] == [False] * 4
    assert read_manifest(project.guard).fingerprint == read_manifest(finished[0].guard).fingerprint
    guard = Guard.load(probe_folder(project))
    assert isinstance(guard.stream_scorer, ProbeScorer)
    assert guard.stream_scorer.reader.layers == (1, 2, 4)
    talk = (*ask("How do I warm the old bell?"), Message("assistant", "Take the small one. " * 6))
    assert guard.check(talk).status == "ok"
    manifest = read_manifest(probe_folder(project))
    assert set(manifest.parents) == {"policy", "input", "probe"}


def test_another_budget_fits_the_thresholds_anew_and_trains_nothing(probed: Project, settings: ProbeSettings) -> None:
    """The scores stand; so does the probe."""
    before = read_policy(probe_folder(probed) / "policy.json")
    changed = change_settings(probed, policy={"budget_fpr": 0.3})
    with pytest.raises(UsageError, match="up to date"):
        make_probe(changed, settings, quiet)
    run(changed, quiet)

    reports = make_probe(changed, settings, quiet)

    assert [r.stage for r in reports if r.is_new] == ["policy", "guard"]
    assert read_policy(probe_folder(probed) / "policy.json") != before


def test_the_command_says_what_it_made(probed: Project, tiny: str) -> None:
    """As JSON a row a stage; layers that are no numbers are refused."""
    command = ["probe", str(probed.folder), "--model", tiny]
    done = CliRunner().invoke(app, [*command, "--layers", "1,2,4", "--json"])
    wrong = CliRunner().invoke(app, [*command, "--layers", "three"])

    assert (done.exit_code, wrong.exit_code) == (0, 2)
    rows = json.loads(done.stdout)
    assert [(row["stage"], row["made"]) for row in rows] == [(stage, False) for stage in STAGES]
    assert Path(rows[-1]["folder"]).name == "probe"


def test_a_probe_of_other_layers_is_refused(made: tuple[Project, list[StageReport]], tiny: str) -> None:
    """A guard folder that says it reads more layers than the weights are for."""
    project, _ = made
    weights = next(project.runs.glob("probe-*/probe.safetensors"))
    files: dict[HeadKind, Path] = {"input": next(project.runs.glob("input-*")) / "head.safetensors", "stream": weights}
    about = ProbeAbout(model=tiny, precision="fp32", layers=(1, 2))
    with pytest.raises(ArtifactError, match="expected a probe on 2 layers"):
        load_probed(tiny, Cut(2, 3), files, "fp32", window=8, probe=about)


def test_some_answers_follow_anothers_prompt(finished: tuple[Project, list[StageReport]], tiny: str) -> None:
    """About three in ten, the same ones for the same seed; every answer keeps its label."""
    examples = [
        e for e in read_dataset(next(finished[0].runs.glob("data-*"))) if e.answer and e.answer_label is not None
    ]
    model = shared_model(tiny, "fp32")
    first, again = (Texts(model, 10_000, random.Random(3)).answered(examples) for _ in range(2))

    assert first == again
    moved = sum(answer.conversation != e.prompt for answer, e in zip(first, examples, strict=True))
    assert 0.15 < moved / len(examples) < 0.45
    assert [answer.label for answer in first] == [e.answer_label for e in examples]


def test_settings_decide_when_the_first_token_leaves(copy: Project) -> None:
    """The policy of a project has its warm-up, by default after one token."""
    assert policy_template(copy).warmup == (1, 8)
    assert policy_template(change_settings(copy, policy={"warmup": [3]})).warmup == (3,)


def test_a_probe_learns_disguised_copies_too(finished: tuple[Project, list[StageReport]], tiny: str) -> None:
    """Where plain answers alone would use the budget up, half of the tokens are of disguised copies."""
    examples = [e for e in read_dataset(next(finished[0].runs.glob("data-*"))) if e.split == "train"]
    model, plan, budget = shared_model(tiny, "fp32"), PlanConfig(per_example=1, depth=1), 2_000
    texts, again = (Texts(model, 160, random.Random(0)) for _ in range(2))
    plain, disguised = again.answered(examples), again.answered(augment(examples, plan))

    found = texts.plain_and_disguised(examples, plan, budget)

    assert sum(len(answer.token_ids) for answer in plain) > budget
    for pool in (plain, [answer for answer in disguised if answer not in plain]):
        assert budget / 3 < sum(len(answer.token_ids) for answer in found if answer in pool) < 2 * budget / 3
