"""What a head learns by: batches of trunk activations to a loss, or, once it is to be judged, to a score a sequence.

In: a head, activations, labelled sequences. Out: a scalar to descend in training, logits in evaluation. One module,
so that whatever spreads training over processes wraps all that has weights. Knows no optimizer and no file.

Cites: CC1 section 3.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lictor.model.heads import Head, HeadKind
from lictor.model.losses import (
    StreamLoss,
    inference_window,
    next_token_loss,
    readout_loss,
    sliding_mean,
    stream_loss,
)


@dataclass(frozen=True)
class TrainingConfig:
    """How a head is trained."""

    epochs: float = 3.0
    batch_tokens: int = 1024
    accumulate: int = 1
    """Batches whose gradients make one step, over all processes."""
    learning_rate: float = 8e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.06
    """Share of the steps over which the learning rate rises."""
    lora_rank: int = 0
    """Rank of the adapters that learn in place of the layers; 0: the layers themselves do."""
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


class Objective(nn.Module):
    """A head with its loss: in training the loss of a batch, in evaluation the score of each of its sequences."""

    def __init__(self, head: Head, kind: HeadKind, config: TrainingConfig, unembedding: Tensor) -> None:
        super().__init__()
        self.head = head
        self.kind: HeadKind = kind
        self._config = config
        self._unembedding = (unembedding,)  # in a tuple: it is the backbone's, and learns nothing
        self._no_split_modules = getattr(head.top.decoder, "_no_split_modules", None)  # read by FSDP's wrapping

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._unembedding[0].device

    def forward(self, hidden: Sequence[Tensor], batch: Sequence[Labelled], progress: float, number: int) -> Tensor:
        """The loss, a scalar, or the scores, (batch,).

        Args:
            hidden: Trunk activations of each sequence, (its length, hidden).
            batch: The sequences.
            progress: How far training is, 0..1.
            number: Of this batch among all; decides which positions the next-token term is estimated on.
        """
        (unembedding,) = self._unembedding
        with torch.autocast(unembedding.device.type, torch.bfloat16, enabled=unembedding.dtype == torch.bfloat16):
            padded, mask = _pad(hidden)
            final = self.head.layers(padded, mask)
            mask = mask.to(final.device)
            if not self.training:
                return self._scores(final, mask)
            labels = torch.tensor([e.label for e in batch], device=final.device)
            if self.kind != "stream":
                return readout_loss(self._last(final, mask), labels, self._config.label_smoothing)
            loss = stream_loss(self._config.loss, self.head.read(final), labels, _answer(mask), progress=progress)
            return loss + self._next_token_term(final, mask, batch, number)

    def _last(self, final: Tensor, mask: Tensor) -> Tensor:
        return self.head.read(final[torch.arange(len(final)), mask.sum(-1) - 1])

    def _scores(self, final: Tensor, mask: Tensor) -> Tensor:
        if self.kind != "stream":
            return self._last(final, mask)
        answer = _answer(mask)
        logits = sliding_mean(self.head.read(final), answer, inference_window(self._config.loss))
        return logits.masked_fill(answer == 0, -torch.inf).amax(-1)

    def _next_token_term(self, final: Tensor, mask: Tensor, batch: Sequence[Labelled], number: int) -> Tensor | float:
        config = self._config
        if config.next_token_weight <= 0:
            return 0.0
        ids = torch.zeros_like(mask)
        for row, example in enumerate(batch):
            ids[row, : len(example.token_ids)] = torch.tensor(example.token_ids, device=ids.device)
        count = max(1, round(config.next_token_share * mask.numel()))
        rng = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        at = torch.randperm(mask.numel(), generator=rng)[:count].to(mask.device)
        return config.next_token_weight * next_token_loss(final, self._unembedding[0], ids, mask, at)


def _answer(mask: Tensor) -> Tensor:
    """The mask without the start token, which is no part of the answer."""
    answer = mask.clone()
    answer[:, 0] = 0
    return answer


def _pad(hidden: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    padded = torch.nn.utils.rnn.pad_sequence(list(hidden), batch_first=True).float()  # (batch, seq, hidden)
    mask = torch.zeros(padded.shape[:2], dtype=torch.long)
    for row, h in enumerate(hidden):
        mask[row, : len(h)] = 1
    return padded, mask
