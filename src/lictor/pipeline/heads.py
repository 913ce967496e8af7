"""A trained head as an artefact. In: a head, what it learnt from. Out: its folder, with lineage. Trains nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lictor.artifacts import Manifest, write_artifact
from lictor.assemble import HeadKind, save_head
from lictor.evaluation.plots import draw_course
from lictor.model.heads import Head
from lictor.model.objective import Labelled
from lictor.model.train import Course

HEAD = "head.safetensors"


class Learnt(NamedTuple):
    """What a head was trained on, and how that went."""

    sequences: Sequence[Labelled]
    course: Course


def write_head(
    folder: Path,
    head: Head,
    *,
    kind: HeadKind,
    key: str,
    learnt: Learnt,
    parents: Mapping[str, str],
    config: Mapping[str, object] | None = None,
) -> Manifest:
    """Write a trained head as an artefact."""

    def fill(staging: Path) -> Mapping[str, object]:
        save_head(head, staging / HEAD)
        course = learnt.course
        (staging / "losses.json").write_text(json.dumps(course.losses), encoding="utf-8")
        if picture := draw_course(course.losses, course.measured):
            (staging / "training.svg").write_text(picture, encoding="utf-8")
        tokens, late = sum(len(s.token_ids) for s in learnt.sequences), course.losses[-20:]
        notes = {"sequences": len(learnt.sequences), "tokens": tokens, "last_loss": sum(late) / len(late)}
        return {**notes, "validation_log_auroc": course.measured} if course.measured else notes

    return write_artifact(folder, fill, kind=f"{kind}-scorer", key=key, parents=parents, config=config)
