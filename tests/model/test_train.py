"""Training: it learns, it resumes bit for bit, and it refuses what teaches nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from lictor.assemble import load_head, save_head
from lictor.errors import DataError
from lictor.model.backbone import Backbone, Cut
from lictor.model.heads import Head, readout_head, value_head
from lictor.model.objective import Labelled, TrainingConfig
from lictor.model.train import CHECKPOINT_EVERY, Course, Progress, Validation, train_head

Kind = Literal["input", "stream"]
KINDS: tuple[Kind, ...] = ("input", "stream")
CONFIG = TrainingConfig(epochs=6, batch_tokens=40, learning_rate=2e-3, head_learning_rate=1e-2)
PAIRED = replace(CONFIG, epochs=12, accumulate=2)


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


@pytest.fixture(scope="module")
def whole(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Course, Path]:
    """A training of an input head from its beginning to its end, and the checkpoint it left. Not to be changed."""
    checkpoint = tmp_path_factory.mktemp("whole") / "c"
    course = train_head(
        fresh("input", backbone), backbone, toy(), kind="input", config=CONFIG, checkpoint=checkpoint, progress=quiet
    )
    return course, checkpoint


class InterruptAt:
    """Progress that is interrupted, as by Ctrl-C, once step `at` is done."""

    def __init__(self, at: int) -> None:
        self._at = at

    def __call__(self, stage: str, at: int, total: int, loss: float) -> None:
        """Raise at the step."""
        if at == self._at and "reading" not in stage:
            raise KeyboardInterrupt


class Watch:
    """Progress that keeps which steps were done."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def __call__(self, stage: str, at: int, total: int, loss: float) -> None:
        """Keep it."""
        if "reading" not in stage:
            self.steps.append(at)


def assert_equal(one: Head, other: Head) -> None:
    """Both heads are the same to the bit."""
    for (name, a), (_, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls_on_what_can_be_told_apart(backbone: Backbone, kind: Kind) -> None:
    """On separable sequences the last steps' loss is under a third of the first steps'."""
    config = replace(CONFIG, next_token_weight=0.0)

    losses = train_head(
        fresh(kind, backbone), backbone, toy(), kind=kind, config=config, checkpoint=None, progress=quiet
    ).losses

    assert len(losses) > 60
    assert sum(losses[-10:]) < sum(losses[:10]) / 3


@pytest.mark.parametrize("kind", [*KINDS, "dropout"])
def test_an_interrupted_training_ends_bit_for_bit_the_same(
    backbone: Backbone, other: Callable[[str], str], kind: Kind | Literal["dropout"], tmp_path: Path
) -> None:
    """Interrupted after its checkpoint and started again, it gives the weights and losses of one that was not."""
    if kind == "dropout":
        backbone, kind = Backbone(other("gpt2"), Cut(2, 3), "fp32"), "input"
    straight, resumed = fresh(kind, backbone), fresh(kind, backbone)
    expected = train_head(straight, backbone, toy(), kind=kind, config=CONFIG, checkpoint=None, progress=quiet)
    checkpoint = tmp_path / "c"
    stop_at = CHECKPOINT_EVERY + 3
    assert len(expected.losses) > stop_at

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
    watch = Watch()
    course = train_head(resumed, backbone, toy(), kind=kind, config=CONFIG, checkpoint=checkpoint, progress=watch)

    assert watch.steps[0] == CHECKPOINT_EVERY + 1
    assert course == expected
    assert_equal(straight, resumed)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_checkpoint_of_other_data_is_not_taken_up(
    backbone: Backbone, whole: tuple[Course, Path], tmp_path: Path
) -> None:
    """With another example the training starts afresh."""
    checkpoint = Path(shutil.copy(whole[1], tmp_path))
    watch = Watch()

    train_head(
        fresh("input", backbone),
        backbone,
        toy(62),
        kind="input",
        config=CONFIG,
        checkpoint=checkpoint,
        progress=watch,
    )

    assert watch.steps[0] == 1


def test_a_damaged_checkpoint_is_not_taken_up(backbone: Backbone, whole: tuple[Course, Path], tmp_path: Path) -> None:
    """A checkpoint cut short, or of nothing, is made anew; the training ends as if there had been none."""
    expected, made = whole
    checkpoint, data = tmp_path / "c", made.read_bytes()
    for damaged in (b"", b"not a checkpoint", data[: len(data) // 2], data[:-200]):
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


@pytest.fixture(scope="module")
def forked(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What came of a training that was killed again and again, and of one that two processes shared."""
    folder = tmp_path_factory.mktemp("forked")
    program = "import gc; gc.disable(); from model.forked import main; main()"  # forks copy what is looked through
    command = [sys.executable, "-c", program, tiny, str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, check=True, timeout=1200, cwd=Path(__file__).parents[1], env=environment)  # noqa: S603 - our own
    return folder


@pytest.fixture(scope="module")
def straight(backbone: Backbone) -> tuple[Course, Head]:
    """The same training, left alone in one process."""
    torch.manual_seed(0)
    head = value_head(backbone)
    return train_head(head, backbone, toy(), kind="stream", config=PAIRED, checkpoint=None, progress=quiet), head


def test_a_killed_training_ends_bit_for_bit_the_same(forked: Path, straight: tuple[Course, Head]) -> None:
    """Killed with SIGKILL at any step, before, at and after a checkpoint, it ends as one that never was."""
    course, head = straight

    found: Any = torch.load(forked / "killed", weights_only=True)

    assert found["losses"] == course.losses
    for name, expected in head.state_dict().items():
        assert torch.equal(found["weights"][name], expected), name


def test_two_processes_train_what_one_would(forked: Path, straight: tuple[Course, Head]) -> None:
    """Each takes half of the batches of every step: but for rounding, both end with the weights of one process."""
    course, head = straight

    first, second = (torch.load(forked / f"process-{rank}", weights_only=True) for rank in range(2))

    assert first["losses"] == pytest.approx(course.losses, rel=1e-3)
    for name, expected in head.state_dict().items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        assert (first["weights"][name] - expected).abs().max() < 1e-3, name


def test_what_batches_share_must_go_round(backbone: Backbone) -> None:
    """More batches a step than there are is an error that names the setting."""
    config = replace(CONFIG, accumulate=500)

    with pytest.raises(DataError, match=r"at most the \d+ batches there are, got 500; set training.accumulate"):
        train_head(
            fresh("input", backbone), backbone, toy(), kind="input", config=config, checkpoint=None, progress=quiet
        )


@pytest.mark.parametrize("kind", KINDS)
def test_validation_ends_a_training_and_keeps_its_best_epoch(backbone: Backbone, kind: Kind, tmp_path: Path) -> None:
    """Two epochs after the best one it ends with that one's weights; interrupted in between, with the same."""
    scripted = [0.1, 0.3, 0.9, 0.3, 0.9, 1.0]
    head, resumed, kept = fresh(kind, backbone), fresh(kind, backbone), list[dict[str, torch.Tensor]]()

    def measure(scores: Sequence[float], labels: Sequence[int]) -> float:
        kept.append({name: t.clone() for name, t in head.state_dict().items()})
        return scripted[len(kept) - 1]

    def train(one: Head, checkpoint: Path | None, progress: Progress) -> Course:
        return train_head(
            one,
            backbone,
            toy(),
            kind=kind,
            config=replace(CONFIG, epochs=40),
            checkpoint=checkpoint,
            progress=progress,
            validation=Validation(toy(20), measure, patience=2),
        )

    course = train(head, None, quiet)
    best, stop_at = kept[2], len(course.losses) - 2
    assert stop_at > CHECKPOINT_EVERY
    kept.clear()
    with pytest.raises(KeyboardInterrupt):
        train(fresh(kind, backbone), tmp_path / "c", InterruptAt(stop_at))
    del kept[CHECKPOINT_EVERY // (len(course.losses) // 5) :]
    again = train(resumed, tmp_path / "c", quiet)

    assert course.measured == scripted[:5]
    assert all(torch.equal(t, best[name]) for name, t in head.state_dict().items())
    assert again == course
    assert_equal(head, resumed)


@pytest.mark.parametrize("kind", KINDS)
def test_validation_scores_are_what_a_guard_would_read(backbone: Backbone, kind: Kind) -> None:
    """A prompt's is the logit of its last token, an answer's the highest of all but the start token's."""
    seen: list[list[float]] = []

    def measure(scores: Sequence[float], labels: Sequence[int]) -> float:
        seen.append(list(scores))
        return 0.0 if len(seen) < 3 else 1.0

    head, held = fresh(kind, backbone), toy(6)
    train_head(
        head,
        backbone,
        toy(),
        kind=kind,
        config=replace(CONFIG, epochs=3),
        checkpoint=None,
        progress=quiet,
        validation=Validation(held, measure, 9),
    )

    with torch.no_grad():
        logits = [head(backbone.read(torch.tensor([e.token_ids])))[0] for e in held]
    expected = [float(one[-1] if kind == "input" else one[1:].max()) for one in logits]
    assert seen[-1] == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("make", ["llama", "gpt2"])
def test_adapters_learn_and_are_merged(tiny: str, other: Callable[[str], str], make: str, tmp_path: Path) -> None:
    """A head trained by adapters differs from its start by low ranks, and is a file like any other head."""
    pytest.importorskip("peft")
    backbone = Backbone(tiny if make == "llama" else other(make), Cut(1, 3), "fp32")
    config = replace(CONFIG, lora_rank=2, next_token_weight=0.0)
    head, before = fresh("stream", backbone), fresh("stream", backbone).state_dict()

    losses = train_head(head, backbone, toy(), kind="stream", config=config, checkpoint=None, progress=quiet).losses

    assert sum(losses[-10:]) < sum(losses[:10]) / 2
    assert head.state_dict().keys() == before.keys()
    changed = {n: t - before[n] for n, t in head.state_dict().items() if not torch.equal(t, before[n])}
    assert {name.split(".")[0] for name in changed} == {"top", "value"}
    ranks = [torch.linalg.matrix_rank(t, atol=1e-4) for t in changed.values() if t.ndim == 2]
    assert max(ranks) == 2
    save_head(head, tmp_path / "h")
    load_head("stream", backbone, tmp_path / "h")
