"""Where a training stands, on disk: taken up where it ended, bit for bit, by as many processes as there then are.

In: a model and its optimizer, as they train. Out: one file, and both as they were. Knows no loss and no data.
"""

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from lictor.errors import ArtifactError

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
"""Of a model sharded over processes, the first holds all of it."""


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all weights, in the first process; every process must ask."""
    found = cast("dict[str, Tensor]", get_model_state_dict(model, options=WHOLE))
    return {name: t.clone() for name, t in found.items()}


def state(model: nn.Module, optimizer: Optimizer) -> dict[str, object]:
    """What both need to go on, in the first process; every process must ask."""
    return {
        "model": get_model_state_dict(model, options=WHOLE),
        "optimizer": get_optimizer_state_dict(model, optimizer, options=WHOLE),
    }


def restore(model: nn.Module, optimizer: Optimizer, kept: Mapping[str, Any]) -> None:
    """Put both back to what `state` told; every process must."""
    set_model_state_dict(model, kept["model"], options=WHOLE)
    set_optimizer_state_dict(model, optimizer, kept["optimizer"], options=WHOLE)


def save(path: Path, kept: Mapping[str, object]) -> None:
    """Write a checkpoint: whoever dies in between leaves the last one.

    Raises:
        ArtifactError: The disk refused.
    """
    staging, data = path.with_suffix(f".{os.getpid()}.tmp"), BytesIO()
    torch.save(dict(kept), data)
    try:
        staging.write_bytes(data.getvalue())
        staging.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: could not write the checkpoint ({error.strerror}); free some space") from error
    finally:
        staging.unlink(missing_ok=True)


def load(path: Path | None, key: str) -> Mapping[str, Any] | None:
    """The checkpoint of that key; None where there is none, it is another's, or it was cut short."""
    if path is None or not path.is_file():
        return None
    try:
        kept: Any = torch.load(path, weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError):
        return None  # cut short by a full disk or a crash: training starts anew
    return kept if kept["key"] == key else None
