"""Stages as artefacts: made once, then left standing under the fingerprint of what they were made from.

In: a stage's name, its fingerprint, how to make it. Out: its folder, and a report of whether it was made now. Knows no
stage's work.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lictor.artifacts import fingerprint, open_artifact, read_manifest
from lictor.errors import ArtifactError
from lictor.pipeline.config import Project

StageName = Literal["data", "input", "stream", "exchange", "traces", "policy", "guard", "probe"]
REVISIONS: Mapping[StageName, int] = {
    "data": 1,
    "input": 1,
    "stream": 1,
    "exchange": 2,
    "probe": 3,
    "traces": 1,
    "policy": 1,
    "guard": 1,
}
"""What each stage computes, numbered. One more wherever a change of code makes a stage give something else for the same
settings and inputs: what was made before is then made anew, and all that depends on it."""
SYNTHESIS = 2
"""The same number of what a generator is asked and what is kept of it: it counts where data is made without a pack."""
Progress = Callable[[str, int, int, float], None]
"""Called with a stage's name, steps done, steps in all (0 = unknown), and the loss of late or NaN."""


@dataclass(frozen=True, slots=True)
class StageReport:
    """What became of one stage."""

    stage: StageName
    folder: Path
    is_new: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Out:
    """Where a stage's artefact goes, and its fingerprint."""

    folder: Path
    key: str


def stage_key(stage: StageName, *depends_on: object) -> str:
    """Fingerprint of a stage: of what it is made from, and of its revision. The first is left out: old runs stand."""
    later = [{"revision": REVISIONS[stage]}] if REVISIONS[stage] > 1 else []
    return fingerprint([stage, *depends_on, *later])


def make_stage(
    reports: list[StageReport],
    project: Project,
    stage: StageName,
    key: str,
    make: Callable[[Path, str], object],
) -> Path:
    """The folder of a stage, made if it is not there under that key; a report of it joins `reports`."""
    folder = project.runs / f"{stage}-{key}"
    started = time.monotonic()
    is_new = not is_made(folder, key)
    if is_new:
        make(folder, key)
    reports.append(StageReport(stage, folder, is_new, time.monotonic() - started))
    return folder


def is_made(folder: Path, key: str) -> bool:
    """Whether the artefact is there, whole and made from the same things; a damaged one is made anew."""
    try:
        return open_artifact(folder).fingerprint == key
    except ArtifactError:
        return False


def key_of(folder: Path) -> str:
    """Fingerprint of an artefact."""
    return read_manifest(folder).fingerprint
