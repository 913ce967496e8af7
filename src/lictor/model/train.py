"""Train a head on cached trunk activations, with progress, checkpoints and exact resume.

In: a head, token sequences with labels, a configuration. Out: the head trained in place, and how its loss went.
The trunk reads every sequence once; epochs then cost only the layers above it. Knows no text and no file layout
beyond the checkpoint it is given.

Cites: CC1 section 3.4 (losses), CC2 section 5 (activations read once serve many trainings).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lictor.artifacts import fingerprint
from lictor.errors import ArtifactError, DataError
from lictor.model.backbone import Backbone, batches_by_length
from lictor.model.heads import Head
from lictor.model.losses import StreamLoss, next_token_loss, readout_loss, stream_loss

Progress = Callable[[str, int, int, float], None]
"""Called with a stage's name, steps done, steps in all, and the loss of late."""

CHECKPOINT_EVERY = 60
"""Steps between checkpoints."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a head is trained."""

    epochs: float = 3.0
    batch_tokens: int = 1024
    learning_rate: float = 8e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.06
    """Share of the steps over which the learning rate rises."""
    loss: StreamLoss = "cumulative_max"
    """Of the stream scorer."""
    next_token_weight: float = 0.1
    """Weight of the next-token term of the stream loss; the paper's lambda, whose value it does not give."""
    next_token_share: float = 0.06
    """Share of positions the next-token term is estimated on."""
    label_smoothing: float = 0.1
    """Of the readout loss alone, in 0..1."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Labelled:
    """One training sequence: what the trunk reads, and the label of the whole."""

    token_ids: Sequence[int]
    label: int


def train_head(
    head: Head,
    backbone: Backbone,
    examples: Sequence[Labelled],
    *,
    kind: Literal["input", "stream"],
    config: TrainingConfig,
    checkpoint: Path | None,
    progress: Progress,
) -> list[float]:
    """Train `head` in place; returns the loss of every step.

    A checkpoint that belongs to the same examples and configuration is taken up where it ended, bit for bit.

    Raises:
        DataError: One side has no example.
    """
    if {e.label for e in examples} != {0, 1}:
        raise DataError(f"training the {kind} scorer: expected examples of both labels, got {len(examples)} of one")
    steps = _plan(examples, config)
    key = fingerprint([kind, asdict(config), [(list(e.token_ids), e.label) for e in examples]])
    optimizer = torch.optim.AdamW(
        [
            {"params": list(head.top.parameters()), "lr": config.learning_rate},
            {"params": list(head.value.parameters()), "lr": config.head_learning_rate},
        ],
        weight_decay=config.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: _rate(at, len(steps), config.warmup))
    losses = _resume(checkpoint, key, {"head": head, "optimizer": optimizer, "schedule": schedule})
    if len(losses) == len(steps):
        return losses
    progress(f"{kind} scorer: reading", 0, len(steps), float("nan"))
    hidden = backbone.activations([e.token_ids for e in examples])
    head.train()
    is_bf16 = backbone.unembed.weight.dtype == torch.bfloat16
    for at in range(len(losses), len(steps)):
        read = [hidden[i] for i in steps[at]]
        batch = [examples[i] for i in steps[at]]
        with torch.autocast(backbone.device.type, torch.bfloat16, enabled=is_bf16):
            if kind == "input":
                loss = _input_loss(head, read, batch, config.label_smoothing)
            else:
                terms = _StreamTerms(at / len(steps), config, backbone.unembed.weight)
                loss = _stream_loss(
                    head, read, batch, terms, torch.Generator().manual_seed(config.seed * 1_000_003 + at)
                )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        progress(f"{kind} scorer", at + 1, len(steps), sum(losses[-20:]) / len(losses[-20:]))
        if checkpoint is not None and (at + 1) % CHECKPOINT_EVERY == 0:
            parts: dict[str, Any] = {"head": head, "optimizer": optimizer, "schedule": schedule}
            _save(checkpoint, {"key": key, "losses": losses, **{n: part.state_dict() for n, part in parts.items()}})
    head.eval()
    return losses


def _plan(examples: Sequence[Labelled], config: TrainingConfig) -> list[list[int]]:
    """The batches of every step: of like length, in random order, for `epochs` epochs."""
    rng = torch.Generator().manual_seed(config.seed)
    whole = batches_by_length([len(e.token_ids) for e in examples], config.batch_tokens)
    steps: list[list[int]] = []
    while len(steps) < config.epochs * len(whole):
        steps += [whole[i] for i in torch.randperm(len(whole), generator=rng).tolist()]
    return steps[: max(1, round(config.epochs * len(whole)))]


def _input_loss(head: Head, hidden: Sequence[Tensor], examples: Sequence[Labelled], smoothing: float) -> Tensor:
    padded, mask = _pad(hidden)
    final = head.layers(padded, mask)
    last = mask.sum(-1) - 1
    logits = head.read(final[torch.arange(len(examples)), last])
    return readout_loss(logits, torch.tensor([e.label for e in examples], device=logits.device), smoothing)


class _StreamTerms(NamedTuple):
    """What weighs in the stream loss at one step."""

    progress: float
    config: TrainingConfig
    unembedding: Tensor


def _stream_loss(
    head: Head, hidden: Sequence[Tensor], examples: Sequence[Labelled], terms: _StreamTerms, rng: torch.Generator
) -> Tensor:
    padded, mask = _pad(hidden)
    final = head.layers(padded, mask)
    mask = mask.to(final.device)
    labels = torch.tensor([e.label for e in examples], device=final.device)
    answer = mask.clone()
    answer[:, 0] = 0  # the start token is no part of the answer
    loss = stream_loss(terms.config.loss, head.read(final), labels, answer, progress=terms.progress)
    if terms.config.next_token_weight <= 0:
        return loss
    ids = torch.zeros_like(mask)
    for row, example in enumerate(examples):
        ids[row, : len(example.token_ids)] = torch.tensor(example.token_ids, device=ids.device)
    count = max(1, round(terms.config.next_token_share * mask.numel()))
    at = torch.randperm(mask.numel(), generator=rng)[:count].to(mask.device)
    return loss + terms.config.next_token_weight * next_token_loss(final, terms.unembedding, ids, mask, at)


def _pad(hidden: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    padded = torch.nn.utils.rnn.pad_sequence(list(hidden), batch_first=True).float()  # (batch, seq, hidden)
    mask = torch.zeros(padded.shape[:2], dtype=torch.long)
    for row, h in enumerate(hidden):
        mask[row, : len(h)] = 1
    return padded, mask


def _rate(at: int, steps: int, warmup: float) -> float:
    """Linear rise, then linear fall to a tenth."""
    rise = max(1, round(steps * warmup))
    return (at + 1) / rise if at < rise else 1 - 0.9 * (at - rise) / max(1, steps - rise)


def _save(path: Path, state: dict[str, object]) -> None:
    staging, data = path.with_suffix(f".{os.getpid()}.tmp"), BytesIO()
    torch.save(state, data)
    try:
        staging.write_bytes(data.getvalue())
        staging.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: could not write the checkpoint ({error.strerror}); free some space") from error
    finally:
        staging.unlink(missing_ok=True)


def _resume(path: Path | None, key: str, parts: Mapping[str, Any]) -> list[float]:
    if path is None or not path.is_file():
        return []
    try:
        kept: Any = torch.load(path, weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError):
        return []  # cut short by a full disk or a crash: training starts anew
    if kept["key"] != key:
        return []
    for name, part in parts.items():
        part.load_state_dict(kept[name])
    return list(kept["losses"])
