"""What a stage is kept under."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import cast, get_args

import pytest

from lictor.artifacts import fingerprint
from lictor.pipeline import stages
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.stages import plan
from lictor.pipeline.standing import REVISIONS, StageName, stage_key
from lictor.starter.templates import read_constitution, read_project

from .small import STAGES

NUMBERS = cast("MutableMapping[StageName, int]", REVISIONS)


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_computes_something_else_is_run_again(
    copy: Project, stage: StageName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage of a later revision is made anew, and all that depends on it; nothing else."""
    assert not any(report.is_new for report in plan(copy))

    monkeypatch.setitem(NUMBERS, stage, REVISIONS[stage] + 1)

    after = [one for one in STAGES[STAGES.index(stage) :] if (stage, one) != ("input", "stream")]
    assert [report.stage for report in plan(copy) if report.is_new] == after


def test_data_is_written_anew_where_other_things_are_asked_of_a_generator(
    copy: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack is as it is, whatever a generator would be asked today."""
    (tmp_path / "constitution.yaml").write_text(read_constitution("emberglass"))
    (tmp_path / "lictor.yaml").write_text(read_project("emberglass"))
    packed = stages.read_inputs(load_project(tmp_path))
    before = stages._data_key(packed)  # pyright: ignore[reportPrivateUsage] -- plan() tells no key of data that is to be made

    monkeypatch.setattr(stages, "SYNTHESIS", stages.SYNTHESIS + 1)

    assert plan(copy)[0].is_new
    assert packed.pack is not None
    assert stages._data_key(packed) == before  # pyright: ignore[reportPrivateUsage] -- as above


def test_a_first_revision_leaves_runs_alone_that_knew_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no part of the fingerprint; every stage has a number, and each of them counts."""
    assert set(REVISIONS) == set(get_args(StageName))
    for stage in REVISIONS:
        keys: list[str] = []
        for revision in (1, 2, 3):
            monkeypatch.setitem(NUMBERS, stage, revision)
            keys.append(stage_key(stage, "x", 7))
        assert keys[0] == fingerprint([stage, "x", 7])
        assert len(set(keys)) == 3
