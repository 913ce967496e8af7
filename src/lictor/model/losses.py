"""Losses on per-token logits. In: logits, labels, masks. Out: scalars. Knows no model and no data.

Cites: CC1 section 3.4 (annealed cumulative maximum with a next-token term).
"""

import torch
from torch import Tensor
from torch.nn import functional

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
