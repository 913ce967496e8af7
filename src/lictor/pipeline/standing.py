"""Stages as artefacts: made once, then left standing under the fingerprint of what they were made from.

In: a stage's name, its fingerprint, how to make it. Out: its folder, and a report of whether it was made now. Knows no
stage's work.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lictor.artifacts import open_artifact, read_manifest
from lictor.errors import ArtifactError
from lictor.pipeline.config import Project

StageName = Literal["data", "input", "stream", "exchange", "traces", "policy", "guard", "probe"]
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
