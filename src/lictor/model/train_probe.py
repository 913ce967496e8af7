"""Train a probe on activations of answers that a model reads once, in their conversations.

In: a reader, answers with labels for training and for validation. Out: the probe that told validation answers apart
best. Knows no text and no file.

Cites: CC2 section 5 (sliding-window mean of logits in training, softmax weights over windows). Activations are kept
rather than made anew each epoch, as CC2 does: on a processor reading costs more than memory, and answers here are few.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from lictor.errors import DataError
from lictor.model.backbone import batches_by_length
from lictor.model.losses import inference_window, sliding_mean, sliding_window_loss
from lictor.model.probe import Probe
from lictor.model.probing import AnswerReader
from lictor.types import Conversation

READ_WINDOW = inference_window("sliding_window")
"""Logits averaged where a probe is read: to pick its best epoch as in the guard."""
Progress = Callable[[str, int, int, float], None]
"""Called with a stage's name, steps done, steps in all, and the validation measure of late."""


@dataclass(frozen=True)
class ProbeConfig:
    """How a probe is trained."""

    epochs: int = 6
    batch_tokens: int = 4096
    learning_rate: float = 1e-4
    weight_decay: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer in its conversation, as token ids, and its label: 1 = restricted."""

    conversation: Conversation
    token_ids: Sequence[int]
    label: int


class Trained(NamedTuple):
    """A probe, and how well it told validation answers apart after each epoch: areas under the curve."""

    probe: Probe
    auroc: list[float]


def train_probe(
    reader: AnswerReader,
    training: Sequence[Answered],
    validation: Sequence[Answered],
    config: ProbeConfig,
    progress: Progress,
) -> Trained:
    """A probe fitted to `training`, stopped where it is best on `validation`.

    Raises:
        DataError: One side has no example in either.
    """
    for name, part in (("training", training), ("validation", validation)):
        if {answer.label for answer in part} != {0, 1}:
            raise DataError(f"probe: expected {name} answers of both labels, got {len(part)} of one")
    learnt, held = _activations(reader, training, progress), _activations(reader, validation, progress)
    probe = Probe(len(reader.layers), learnt[0].shape[-1])
    probe.standardise(*_scale(learnt))
    auroc = _fit(probe, (learnt, training), (held, validation), config, progress)
    probe.fold()
    return Trained(probe.eval(), auroc)


def _fit(
    probe: Probe,
    training: tuple[Sequence[Tensor], Sequence[Answered]],
    validation: tuple[Sequence[Tensor], Sequence[Answered]],
    config: ProbeConfig,
    progress: Progress,
) -> list[float]:
    activations, answers = training
    rng = torch.Generator().manual_seed(config.seed)
    batches = batches_by_length([len(a) for a in activations], config.batch_tokens)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=config.epochs * len(batches))
    best, auroc = {name: t.clone() for name, t in probe.state_dict().items()}, list[float]()
    for epoch in range(config.epochs):
        for at in torch.randperm(len(batches), generator=rng).tolist():
            batch = batches[at]
            padded, mask = _pad([activations[i] for i in batch])
            loss = sliding_window_loss(probe(padded), torch.tensor([answers[i].label for i in batch]), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        auroc.append(_auroc(probe, *validation))
        progress("probe: training", epoch + 1, config.epochs, auroc[-1])
        if auroc[-1] == max(auroc):
            best = {name: t.clone() for name, t in probe.state_dict().items()}
    probe.load_state_dict(best)
    return auroc


def _activations(reader: AnswerReader, answers: Sequence[Answered], progress: Progress) -> list[Tensor]:
    """Of every answer, in bf16: (its tokens, layers, hidden)."""
    found: dict[int, Tensor] = {}

    def take(at: int, activations: Tensor) -> None:
        found[at] = activations.to("cpu", torch.bfloat16, copy=True)
        progress("probe: reading", len(found), len(answers), float("nan"))

    reader.read_many([(answer.conversation, answer.token_ids) for answer in answers], take)
    return [found[at] for at in range(len(answers))]


def _scale(activations: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of every feature over all tokens: two (layers, hidden)."""
    count = sum(len(a) for a in activations)
    centre = torch.stack([a.float().sum(0) for a in activations]).sum(0) / count
    square = torch.stack([(a.float() - centre).square().sum(0) for a in activations]).sum(0)
    return centre, (square / count).sqrt().clamp(min=1e-6)


@torch.inference_mode()
def _auroc(probe: Probe, activations: Sequence[Tensor], answers: Sequence[Answered]) -> float:
    """How well the highest mean logit of an answer, as the guard will read it, tells restricted from permitted ones."""
    peaks: list[float] = []
    for one in activations:
        mask = torch.ones(1, len(one))
        peaks.append(float(sliding_mean(probe(one)[None], mask, READ_WINDOW).max()))
    return float(roc_auc_score([answer.label for answer in answers], peaks))


def _pad(activations: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    padded = torch.nn.utils.rnn.pad_sequence(list(activations), batch_first=True)
    mask = torch.zeros(padded.shape[:2])
    for row, one in enumerate(activations):
        mask[row, : len(one)] = 1
    return padded, mask
