"""Trainings that are killed, and that two processes share; a program, since it forks and must own its threads.

python forked.py MODEL FOLDER
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import torch

from lictor.model.backbone import Backbone, Cut
from lictor.model.heads import value_head
from lictor.model.train import Course, train_head

from .test_train import PAIRED, toy

KILLED_AT = (1, 60, 61)
KILLED_AFTER_S = (0.1, 0.3)


def train(model: str, checkpoint: Path | None, kill_at: int | None = None) -> dict[str, object]:
    """The weights and losses of a training, which dies at a step if told to."""

    def progress(stage: str, at: int, total: int, loss: float) -> None:
        if at == kill_at and "reading" not in stage:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.manual_seed(0)
    backbone = Backbone(model, Cut(2, 3), "fp32")
    head = value_head(backbone)
    course: Course = train_head(
        head, backbone, toy(), kind="stream", config=PAIRED, checkpoint=checkpoint, progress=progress
    )
    return {"losses": course.losses, "weights": head.state_dict()}


def killed_again_and_again(model: str, checkpoint: Path) -> dict[str, object]:
    """Killed at chosen steps, then at whatever it is doing, it is started again each time, and ends."""
    for kill_at in KILLED_AT:
        child = os.fork()
        if not child:
            train(model, checkpoint, kill_at)
            os._exit(0)  # never reached: it was killed
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    for seconds in KILLED_AFTER_S:
        child = os.fork()
        if not child:
            train(model, checkpoint)
            os._exit(0)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return train(model, checkpoint)


def together(model: str, folder: Path) -> None:
    """Two processes train one head and keep what each then holds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children: list[int] = []
    for rank in range(2):
        children.append(os.fork())
        if not children[-1]:
            ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
            os.environ.update({"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in ranks.items()}})
            torch.save(train(model, folder / "shared"), folder / f"process-{rank}")
            torch.distributed.destroy_process_group()
            os._exit(0)
    assert all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)


def main() -> None:
    """Write what came of each way of training."""
    model, folder = sys.argv[1], Path(sys.argv[2])
    together(model, folder)
    torch.save(killed_again_and_again(model, folder / "checkpoint"), folder / "killed")


if __name__ == "__main__":
    main()
