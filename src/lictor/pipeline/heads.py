"""A trained head as an artefact. In: a head, what it learnt from. Out: its folder, with lineage. Trains nothing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lictor.artifacts import Manifest, write_artifact
from lictor.assemble import HeadKind, save_head
from lictor.model.heads import Head
from lictor.model.train import Labelled

HEAD = "head.safetensors"


class Learnt(NamedTuple):
    """What a head was trained on, and the loss of every step."""

    sequences: Sequence[Labelled]
    losses: Sequence[float]


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
        (staging / "losses.json").write_text(json.dumps(learnt.losses), encoding="utf-8")
        tokens, late = sum(len(s.token_ids) for s in learnt.sequences), learnt.losses[-20:]
        return {"sequences": len(learnt.sequences), "tokens": tokens, "last_loss": sum(late) / len(late)}

    return write_artifact(folder, fill, kind=f"{kind}-scorer", key=key, parents=parents, config=config)
