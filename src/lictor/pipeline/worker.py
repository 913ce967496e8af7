"""One of several processes that train a scorer together; `lictor.pipeline.launching` starts them.

In: a project's folder, the data, which scorer, and where its artefact goes, as arguments. Out: the artefact, written
by the first process, which tells how far it is, a JSON object a line.
"""

import json
import sys
from pathlib import Path

import torch
from accelerate import PartialState

from lictor.errors import LictorError
from lictor.model.heads import HeadKind
from lictor.pipeline.config import load_project
from lictor.pipeline.standing import Out
from lictor.pipeline.training import train_scorer


def main() -> int:
    """Train, and return what the process ends with."""
    project, data, kind, folder, key = sys.argv[1:]
    kinds: dict[str, HeadKind] = {"input": "input", "stream": "stream", "exchange": "exchange"}
    state = PartialState(cpu=not torch.cuda.is_available())  # before any weights: it picks this process's GPU
    try:
        train_scorer(
            load_project(Path(project)),
            Path(data),
            kinds[kind],
            Out(Path(folder), key),
            _tell if state.is_main_process else _say_nothing,
            writes=state.is_main_process,
        )
    except LictorError as error:
        print(json.dumps({"failure": str(error)}), flush=True)  # noqa: T201 - what the parent reads
        return error.exit_code
    state.destroy_process_group()
    return 0


def _tell(stage: str, at: int, total: int, loss: float) -> None:
    print(json.dumps({"stage": stage, "at": at, "total": total, "loss": loss}), flush=True)  # noqa: T201 - as above


def _say_nothing(stage: str, at: int, total: int, loss: float) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
