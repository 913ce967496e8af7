"""A finished project's guard with a probe on the protected model."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.artifacts import read_manifest
from lictor.assemble import Guard, read_policy
from lictor.cli.main import app
from lictor.errors import UsageError
from lictor.model.probing import ProbeScorer
from lictor.model.train_probe import Answered, ProbeConfig
from lictor.pipeline.config import Project
from lictor.pipeline.probing import ProbeSettings, make_probe, probe_folder, within
from lictor.pipeline.stages import run
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


def test_a_budget_keeps_earlier_pools_first() -> None:
    """Plain answers before disguised ones, none beyond the budget."""
    plain = [Answered((), [n] * 10, 0) for n in range(3)]
    disguised = [Answered((), [50 + n] * 10, 1) for n in range(3)]
    kept = within(45, plain, disguised)

    assert [answer.label for answer in kept] == [0, 0, 0, 1]
