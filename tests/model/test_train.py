"""Training: it learns, it resumes bit for bit, and it refuses what teaches nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from lictor.errors import DataError
from lictor.model.backbone import Backbone, Cut
from lictor.model.heads import Head, readout_head, value_head
from lictor.model.train import CHECKPOINT_EVERY, Labelled, TrainingConfig, train_head

Kind = Literal["input", "stream"]
KINDS: tuple[Kind, ...] = ("input", "stream")
CONFIG = TrainingConfig(epochs=6, batch_tokens=40, learning_rate=2e-3, head_learning_rate=1e-2)


@pytest.fixture(scope="module")
def backbone(tiny: str) -> Backbone:
    """The tiny model in fp32, with one layer to train."""
    return Backbone(tiny, Cut(2, 3), "fp32")


def toy(count: int = 60) -> list[Labelled]:
    """Sequences of one label open with token 100, those of the other with 200; random ones follow."""
    rng = torch.Generator().manual_seed(5)
    made: list[Labelled] = []
    for i in range(count):
        filler = torch.randint(10, 90, (4 + i % 7,), generator=rng).tolist()
        made.append(Labelled([1, 100 + 100 * (i % 2), *filler], i % 2))
    return made


def fresh(kind: Kind, backbone: Backbone) -> Head:
    """An untrained head, the same each time."""
    torch.manual_seed(0)
    return readout_head(backbone) if kind == "input" else value_head(backbone)


def quiet(stage: str, at: int, total: int, loss: float) -> None:
    """Progress nobody watches."""


class InterruptAt:
    """Progress that is interrupted, as by Ctrl-C, once step `at` is done."""

    def __init__(self, at: int) -> None:
        self._at = at

    def __call__(self, stage: str, at: int, total: int, loss: float) -> None:
        """Raise at the step."""
        if at == self._at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls_on_what_can_be_told_apart(backbone: Backbone, kind: Kind) -> None:
    """On separable sequences the last steps' loss is under a third of the first steps'."""
    config = replace(CONFIG, next_token_weight=0.0)

    losses = train_head(
        fresh(kind, backbone), backbone, toy(), kind=kind, config=config, checkpoint=None, progress=quiet
    )

    assert len(losses) > 60
    assert sum(losses[-10:]) < sum(losses[:10]) / 3


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_bit_for_bit_the_same(backbone: Backbone, kind: Kind, tmp_path: Path) -> None:
    """Interrupted after its checkpoint and started again, it gives the weights and losses of one that was not."""
    straight, resumed = fresh(kind, backbone), fresh(kind, backbone)
    expected = train_head(straight, backbone, toy(), kind=kind, config=CONFIG, checkpoint=None, progress=quiet)
    checkpoint = tmp_path / "c"
    stop_at = CHECKPOINT_EVERY + 3
    assert len(expected) > stop_at

    with pytest.raises(KeyboardInterrupt):
        train_head(
            fresh(kind, backbone),
            backbone,
            toy(),
            kind=kind,
            config=CONFIG,
            checkpoint=checkpoint,
            progress=InterruptAt(stop_at),
        )
    steps: list[int] = []
    losses = train_head(
        resumed,
        backbone,
        toy(),
        kind=kind,
        config=CONFIG,
        checkpoint=checkpoint,
        progress=lambda _stage, at, _total, _loss: steps.append(at),
    )

    assert steps[1] == CHECKPOINT_EVERY + 1
    assert losses == expected
    for (name, a), (_, b) in zip(straight.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_checkpoint_of_other_data_is_not_taken_up(backbone: Backbone, tmp_path: Path) -> None:
    """With another example the training starts afresh."""
    checkpoint = tmp_path / "c"
    train_head(
        fresh("input", backbone), backbone, toy(), kind="input", config=CONFIG, checkpoint=checkpoint, progress=quiet
    )
    assert checkpoint.is_file()
    steps: list[int] = []

    train_head(
        fresh("input", backbone),
        backbone,
        toy(62),
        kind="input",
        config=CONFIG,
        checkpoint=checkpoint,
        progress=lambda _stage, at, _total, _loss: steps.append(at),
    )

    assert steps[:2] == [0, 1]


def test_a_damaged_checkpoint_is_not_taken_up(backbone: Backbone, tmp_path: Path) -> None:
    """A checkpoint cut short, or of nothing, is made anew; the training ends as if there had been none."""
    expected = train_head(
        fresh("input", backbone), backbone, toy(), kind="input", config=CONFIG, checkpoint=None, progress=quiet
    )
    checkpoint = tmp_path / "c"
    train_head(
        fresh("input", backbone), backbone, toy(), kind="input", config=CONFIG, checkpoint=checkpoint, progress=quiet
    )
    whole = checkpoint.read_bytes()
    for damaged in (b"", b"not a checkpoint", whole[: len(whole) // 2], whole[:-200]):
        checkpoint.write_bytes(damaged)

        losses = train_head(
            fresh("input", backbone),
            backbone,
            toy(),
            kind="input",
            config=CONFIG,
            checkpoint=checkpoint,
            progress=quiet,
        )

        assert losses == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", [0, 1, None])
def test_examples_of_one_label_teach_nothing(backbone: Backbone, kind: Kind, label: int | None) -> None:
    """One side missing, or both, is an error that says so."""
    examples = [example for example in toy() if example.label == label]

    with pytest.raises(DataError, match=f"{kind} scorer: expected examples of both labels, got {len(examples)}"):
        train_head(fresh(kind, backbone), backbone, examples, kind=kind, config=CONFIG, checkpoint=None, progress=quiet)


def test_the_seed_decides_the_weights(backbone: Backbone) -> None:
    """Equal seeds give equal losses, another seed others."""
    runs = [
        train_head(
            fresh("stream", backbone),
            backbone,
            toy(20),
            kind="stream",
            config=replace(CONFIG, epochs=2, seed=seed),
            checkpoint=None,
            progress=quiet,
        )
        for seed in (1, 1, 2)
    ]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
