"""Start the processes that train a scorer together, and pass on what they tell.

In: settings, what each process is told. Out: progress; the artefact is written by the first process. Knows no model:
the processes run `lictor.pipeline.worker`. On this machine's cores torchrun starts them, elsewhere `accelerate launch`
by its own configuration file.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lictor.errors import DataError
from lictor.pipeline.config import TrainingSection
from lictor.pipeline.standing import Progress

WORKER = "lictor.pipeline.worker"


def launch(training: TrainingSection, told: Sequence[object], folder: Path, progress: Progress) -> None:
    """Have processes train together until all have ended.

    Raises:
        DataError: One of them failed; with what it said.
    """
    command = [sys.executable, "-m", *_launcher(training, folder), "-m", WORKER, *map(str, told)]
    failure = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment(training)) as started:  # noqa: S603 - our own interpreter
        assert started.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            for line in started.stdout:
                said: Any = json.loads(line) if line.startswith("{") else {}
                if "stage" in said:
                    progress(said["stage"], said["at"], said["total"], said["loss"])
                failure = said.get("failure", failure)
        except BaseException:  # whatever ends this process ends them
            started.terminate()
            raise
    if started.returncode:
        raise DataError(f"training in several processes failed: {failure or 'see above'}")


def _launcher(training: TrainingSection, folder: Path) -> list[str]:
    if training.accelerate is not None:
        return ["accelerate.commands.launch", "--config_file", str(folder / training.accelerate)]
    return ["torch.distributed.run", "--standalone", "--nproc-per-node", str(training.processes)]


def _environment(training: TrainingSection) -> dict[str, str]:
    """This process's own, with the cores shared out among those it starts rather than fought for."""
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // training.processes)), **os.environ}
