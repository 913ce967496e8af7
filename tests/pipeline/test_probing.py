"""A finished project's guard with a probe on the protected model."""

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.artifacts import read_manifest
from lictor.assemble import Guard, HeadKind, ProbeAbout, load_probed, read_policy
from lictor.cli.main import app
from lictor.dataset.store import read_dataset
from lictor.errors import ArtifactError, UsageError
from lictor.llm.local import shared_model
from lictor.model.backbone import Cut
from lictor.model.probing import ProbeScorer
from lictor.model.train_probe import Answered, ProbeConfig
from lictor.pipeline.config import Project
from lictor.pipeline.probing import ProbeSettings, Texts, make_probe, probe_folder, within
from lictor.pipeline.stages import policy_template, run
from lictor.pipeline.standing import StageReport
from lictor.testing import ask
from lictor.types import Message

from .small import change_settings, quiet

STAGES = ["probe", "traces", "policy", "guard"]


def _settings(tiny: str) -> ProbeSettings:
    return ProbeSettings(tiny, "fp32", layers=(1, 2, 4), training=ProbeConfig(epochs=3))


def test_a_probe_is_made_once_and_guards(copy: Project, tiny: str) -> None:
    """Its folder is a guard like any other, beside the project's own; what stands is not made again."""
    own = read_manifest(copy.guard).fingerprint
    made = make_probe(copy, _settings(tiny), quiet)
    again = make_probe(copy, _settings(tiny), quiet)

    assert [(r.stage, r.is_new) for r in made] == [(stage, True) for stage in STAGES]
    assert [r.is_new for r in again] == [False] * 4
    assert read_manifest(copy.guard).fingerprint == own
    guard = Guard.load(probe_folder(copy))
    assert isinstance(guard.stream_scorer, ProbeScorer)
    assert guard.stream_scorer.reader.layers == (1, 2, 4)
    talk = (*ask("How do I warm the old bell?"), Message("assistant", "Take the small one. " * 6))
    assert guard.check(talk).status == "ok"
    manifest = read_manifest(probe_folder(copy))
    assert set(manifest.parents) == {"policy", "input", "probe"}


def test_another_budget_fits_the_thresholds_anew_and_trains_nothing(copy: Project, tiny: str) -> None:
    """The scores stand; so does the probe."""
    make_probe(copy, _settings(tiny), quiet)
    before = read_policy(probe_folder(copy) / "policy.json")
    changed = change_settings(copy, policy={"budget_fpr": 0.3})
    with pytest.raises(UsageError, match="up to date"):
        make_probe(changed, _settings(tiny), quiet)
    run(changed, quiet)

    reports = make_probe(changed, _settings(tiny), quiet)

    assert [r.stage for r in reports if r.is_new] == ["policy", "guard"]
    assert read_policy(probe_folder(copy) / "policy.json") != before


def test_the_command_says_what_it_made(copy: Project, tiny: str) -> None:
    """As JSON a row a stage; layers that are no numbers are refused."""
    make_probe(copy, ProbeSettings(tiny, layers=(3,)), quiet)
    command = ["probe", str(copy.folder), "--model", tiny]
    done = CliRunner().invoke(app, [*command, "--layers", "3", "--json"])
    wrong = CliRunner().invoke(app, [*command, "--layers", "three"])

    assert (done.exit_code, wrong.exit_code) == (0, 2)
    rows = json.loads(done.stdout)
    assert [(row["stage"], row["made"]) for row in rows] == [(stage, False) for stage in STAGES]
    assert Path(rows[-1]["folder"]).name == "probe"


def test_a_probe_of_other_layers_is_refused(copy: Project, tiny: str) -> None:
    """A guard folder that says it reads more layers than the weights are for."""
    make_probe(copy, _settings(tiny), quiet)
    weights = next(copy.runs.glob("probe-*")) / "probe.safetensors"
    files: dict[HeadKind, Path] = {"input": next(copy.runs.glob("input-*")) / "head.safetensors", "stream": weights}
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


def test_a_budget_keeps_earlier_pools_first() -> None:
    """Plain answers before disguised ones, none beyond the budget."""
    plain = [Answered((), [n] * 10, 0) for n in range(3)]
    disguised = [Answered((), [50 + n] * 10, 1) for n in range(3)]
    kept = within(45, plain, disguised)

    assert [answer.label for answer in kept] == [0, 0, 0, 1]
