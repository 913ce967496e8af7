"""Losses on per-token logits. In: logits, labels, masks. Out: scalars. Knows no model and no data.

Cites: CC1 section 3.4 (annealed cumulative maximum with a next-token term); CC2 section 5 (sliding-window mean with
softmax weights).
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

StreamLoss = Literal["cumulative_max", "sliding_window", "token", "last_token"]
WINDOW = 16
"""Tokens of the sliding window; CC2 found both shorter and longer ones worse."""

ANNEAL_UNTIL = 0.75
"""Share of training after which the cumulative maximum alone counts (CC1 section 3.4)."""


def maximum_weight(progress: float) -> float:
    """Weight of the cumulative maximum at `progress` (0..1) through training: 0 at the start, 1 from three quarters."""
    return min(1.0, progress / ANNEAL_UNTIL)


def annealed_maximum_loss(logits: Tensor, labels: Tensor, mask: Tensor, weight: float) -> Tensor:
    """Binary cross-entropy of every prefix's blended probability with the whole sequence's label.

    `p_t = (1 - w) sigmoid(z_t) + w max_{s <= t} sigmoid(z_s)`: the head learns directly at first, and towards the end
    as it is used, where one token over the threshold stops a stream for good. The paper sums over prefixes; here
    the mean over a batch's tokens is taken, so that the step does not grow with length.

    Args:
        logits: (batch, seq) logits of restrictedness.
        labels: (batch,) of 0 or 1.
        mask: (batch, seq), 1 = a token of the answer.
        weight: `w`, in 0..1.

    Cites: CC1 section 3.4.
    """
    p = torch.sigmoid(logits.float()) * mask
    blended = (1 - weight) * p + weight * p.cummax(dim=-1).values
    blended = blended.clamp(1e-6, 1 - 1e-6)
    target = labels.float()[:, None].expand_as(blended)
    loss = functional.binary_cross_entropy(blended, target, reduction="none")
    per_sequence = (loss * mask).sum(-1) / mask.sum(-1).clamp(min=1)
    return per_sequence.mean()


def sliding_mean(logits: Tensor, mask: Tensor, window: int = WINDOW) -> Tensor:
    """Mean of the last `window` logits of the answer at every token, of fewer near its start.  # (batch, seq)."""
    sums, counts = ((part * mask).cumsum(-1) for part in (logits.float(), torch.ones_like(logits, dtype=torch.float32)))

    def recent(total: Tensor) -> Tensor:
        return total - functional.pad(total, (window, 0))[:, : total.shape[1]]

    return recent(sums) / recent(counts).clamp(min=1)


def sliding_window_loss(logits: Tensor, labels: Tensor, mask: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Cross-entropy of every full window's mean logit, windows of high logits weighing most.

    `w_t = softmax_t(z_t / temperature)` over the means `z_t`: the harmless beginning of a restricted answer costs next
    to nothing, one confident false alarm in a permitted one costs much. An answer shorter than a window has one
    prediction, at its end. Shapes as in `annealed_maximum_loss`.

    Cites: CC2 section 5.
    """
    means = sliding_mean(logits, mask)
    place = mask.cumsum(-1) * mask  # (batch, seq), from 1
    counts = place >= mask.sum(-1, keepdim=True).clamp(max=WINDOW).clamp(min=1)
    weights = torch.softmax((means / temperature).masked_fill(~counts, -torch.inf), dim=-1)
    target = labels.float()[:, None].expand_as(means)
    loss = functional.binary_cross_entropy_with_logits(means, target, reduction="none")
    return (weights * loss).sum(-1).mean()


def token_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of every token's logit with the whole answer's label; a baseline."""
    target = labels.float()[:, None].expand_as(logits)
    loss = functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return ((loss * mask).sum(-1) / mask.sum(-1).clamp(min=1)).mean()


def last_token_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the answer's last logit; a baseline."""
    place = torch.arange(mask.shape[1], device=mask.device)
    last = (place * mask).argmax(-1)
    return readout_loss(logits[torch.arange(len(last), device=last.device), last], labels)


def inference_window(kind: StreamLoss) -> int:
    """How many logits are averaged when a head that learnt by this loss is read; 1: none but the last.

    Half the window of training: on the starter's validation and calibration
    splits, looked at together, it told answers apart as well as the whole one, some tokens earlier.
    """
    return WINDOW // 2 if kind == "sliding_window" else 1


def stream_loss(kind: StreamLoss, logits: Tensor, labels: Tensor, mask: Tensor, *, progress: float) -> Tensor:
    """The loss of that kind at `progress` (0..1) through training. Shapes as in `annealed_maximum_loss`."""
    match kind:
        case "cumulative_max":
            return annealed_maximum_loss(logits, labels, mask, maximum_weight(progress))
        case "sliding_window":
            return sliding_window_loss(logits, labels, mask)
        case "token":
            return token_loss(logits, labels, mask)
        case "last_token":
            return last_token_loss(logits, labels, mask)


def readout_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Binary cross-entropy of one logit per sequence. Shapes: (batch,), (batch,).

    With `smoothing` the targets are that share of the way to one half: a logit then has an end it may reach, and the
    hardest permitted prompts do not run far above the easier restricted ones.
    """
    target = labels.float() * (1 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(logits.float(), target)


def next_token_loss(hidden: Tensor, unembedding: Tensor, token_ids: Tensor, mask: Tensor, at: Tensor) -> Tensor:
    """Cross-entropy of the next token at the positions `at` (flat indices into batch x seq, a sample of them).

    The full vocabulary at every position would cost more than the layers being trained; a random sample of
    positions estimates the same mean.

    Args:
        hidden: (batch, seq, hidden) after the final norm.
        unembedding: (vocabulary, hidden).
        token_ids: (batch, seq).
        mask: (batch, seq), 1 = a token.
        at: (n,) flat indices; those whose next position is padding count nothing.
    """
    following = functional.pad(token_ids[:, 1:], (0, 1)).flatten()[at]
    is_known = functional.pad(mask[:, 1:], (0, 1)).flatten()[at].float()
    scores = hidden.flatten(0, 1)[at].float() @ unembedding.float().T  # (n, vocabulary)
    loss = functional.cross_entropy(scores, following, reduction="none")
    return (loss * is_known).sum() / is_known.sum().clamp(min=1)
