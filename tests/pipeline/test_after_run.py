"""What is done with a finished project: other budgets, its own traffic, cases its guard was wrong about."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.artifacts import read_manifest
from lictor.assemble import Guard, read_policy
from lictor.calibration.regression import Change
from lictor.cli.main import app
from lictor.dataset.store import read_dataset
from lictor.errors import CalibrationError, DataError
from lictor.pipeline.adapting import MEASURED_EVERY, VARIANTS, Case, Outcome, adapt, why_shut
from lictor.pipeline.calibrating import Recalibrated, Taken, points_of, recalibrate
from lictor.pipeline.config import Project
from lictor.pipeline.stages import run
from lictor.pipeline.standing import StageReport
from lictor.testing import ask

from .small import change_settings, made_of, quiet


def test_a_budget_has_its_operating_point_or_a_reason(finished: tuple[Project, list[StageReport]]) -> None:
    """A larger budget stops no less; one the data cannot promise says what is missing."""
    wide, narrow, none = points_of(finished[0], [0.4, 0.3, 0.0001])

    assert wide.fit is not None
    assert narrow.fit is not None
    in_use = read_policy(finished[0].guard / "policy.json")
    assert replace(wide.fit.policy, fitted_on={}) == replace(in_use, fitted_on={})
    assert wide.fit.policy.input_threshold <= narrow.fit.policy.input_threshold
    assert none.fit is None
    assert "needs" in (none.reason or "")


def test_traffic_joins_the_calibration_and_the_guard_is_fitted_anew(copy: Project, tmp_path: Path) -> None:
    """Scorers stay; the same traffic again changes nothing; too little of it leaves the project as it was."""
    log = tmp_path / "log.jsonl"
    copy = change_settings(copy, policy={"budget_fpr": 0.2})
    run(copy, quiet)
    before, scorers = made_of(copy)["guard"], [f.name for f in copy.runs.glob("[is]*-*")]

    def take(count: int) -> Recalibrated:
        log.write_text("".join(json.dumps({"prompt": f"What herb suits {i} soups?"}) + "\n" for i in range(count)))
        return recalibrate(copy, [log], quiet, source="shop", stopped=None)

    with pytest.raises(CalibrationError, match="pool:shop: 1"):
        take(1)
    assert made_of(copy)["guard"] == before
    assert not list(copy.traffic.iterdir())

    done = take(30)

    assert done.taken == Taken(kept=30, restricted=0, empty=0)
    assert [(d.stage, d.n) for d in done.drift] == [("input", 30)]
    assert made_of(copy)["guard"] != before
    assert [f.name for f in copy.runs.glob("[is]*-*")] == scorers
    after = made_of(copy)["guard"]
    assert take(30).before == done.after
    assert made_of(copy)["guard"] == after


def test_a_case_learnt_makes_a_guard_beside_the_one_in_use(copy: Project, tmp_path: Path) -> None:
    """Its heads are new, its lineage names the old guard; what is told is what both guards do."""
    old, before = Guard.load(copy.guard), made_of(copy)["guard"]
    assert old.input_scorer
    restricted = [e.prompt for e in read_dataset(next(copy.runs.glob("data-*"))) if e.prompt_label == 1]
    surest = max(restricted, key=old.input_scorer.score)
    assert old.check(surest).action == "block"

    done = adapt(copy, [Case(surest, "cast", is_restricted=True)], tmp_path / "adapted", quiet)

    assert (done.reasons, done.guard) == ([], tmp_path / "adapted")
    assert done.cases == [Outcome(is_restricted=True, n=1, stopped_before=1, stopped_after=1)]
    assert sum(v.n for v in done.variants) == VARIANTS // MEASURED_EVERY
    assert [c.of for c in done.held_out] == ["restricted", "benign"]
    assert done.fitted_upper <= copy.config.policy.budget_fpr
    new = Guard.load(tmp_path / "adapted")
    assert new.check(surest).action == "block"
    assert (new.policy.input_threshold, new.policy.output_threshold) == done.after != done.before
    assert read_manifest(tmp_path / "adapted").parents["guard"] == before[0]
    assert made_of(copy)["guard"] == before


def test_a_case_that_is_not_learnt_shuts_the_gate(copy: Project, tmp_path: Path) -> None:
    """A model of random weights sees nothing in it: exit code 1, the reason, and no guard."""
    cases = tmp_path / "missed.jsonl"
    cases.write_text(json.dumps({"prompt": "Which bell hums lowest in the quiet hall?", "rule": "cast"}) + "\n")

    command = ["adapt", str(copy.folder), "--missed", str(cases), "--json"]
    result = CliRunner().invoke(app, command)

    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["reasons"] == ["cases still wrong: 1 of 1 restricted pass"]
    assert told["guard"] is None
    assert not (copy.folder / "guard-adapted").exists()


@pytest.mark.parametrize(("rule", "restricted"), [("soup", True), ("cast", False), ("none", True)])
def test_a_case_must_fall_under_a_rule_of_its_side(copy: Project, rule: str, restricted: bool) -> None:
    """The error names the rules there are."""
    with pytest.raises(DataError, match=r"expected a case under a .* rule \(.*\), got rule"):
        adapt(copy, [Case(ask("Which bell?"), rule, is_restricted=restricted)], copy.folder / "out", quiet)


def test_a_case_too_long_to_learn_is_told(copy: Project) -> None:
    """It would leave the guard as it is."""
    with pytest.raises(DataError, match=r"longer than training\.max_tokens \(160\)"):
        adapt(copy, [Case(ask("bell " * 300), "cast", is_restricted=True)], copy.folder / "out", quiet)


def test_the_gate_is_shut_by_a_case_still_wrong_and_by_a_loss_elsewhere() -> None:
    """Either is a reason; a case of each side that is right, and a change that chance makes, are none."""
    right = [Outcome(is_restricted=True, n=2, stopped_before=0, stopped_after=2), Outcome(False, 1, 1, 0)]
    chance, loss = (Change("restricted", 90, 40, 40 - n, 0, n, p_worse=2.0**-n) for n in (2, 9))

    assert why_shut(right, [chance]) == []
    assert len(why_shut(right, [loss])) == 1
    assert why_shut([*right, Outcome(False, 3, 3, 1)], [chance]) == ["cases still wrong: 1 of 3 permitted are stopped"]
