"""What a stage is kept under."""

from collections.abc import MutableMapping
from typing import cast, get_args

import pytest

from lictor.artifacts import fingerprint
from lictor.pipeline.config import Project
from lictor.pipeline.stages import plan
from lictor.pipeline.standing import REVISIONS, StageName, stage_key

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
