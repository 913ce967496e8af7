"""Combine the logits of a cheap scorer and a dearer one.

In: logits. Out: one logit, or whether to ask the dearer scorer. Knows no scorer, threshold fit or stream.
"""

from collections.abc import Sequence

from lictor.errors import UsageError


def combine_logits(logits: Sequence[float], weights: Sequence[float]) -> float:
    """Weighted sum of logits, in logit space.

    Raises:
        UsageError: Not one weight per logit.

    Cites: Constitutional Classifiers++, arXiv:2601.04603, section 6: 0.55 probe + 0.45 exchange classifier.
    """
    if len(logits) != len(weights):
        raise UsageError(f"combine_logits: expected one weight per logit ({len(logits)}), got {len(weights)}")
    return sum(weight * logit for weight, logit in zip(weights, logits, strict=True))


def escalates(logit: float, escalate_at: float) -> bool:
    """Whether a cheap scorer's `logit` asks for the dearer scorer; a NaN does, since nothing is known then."""
    return not logit < escalate_at


def cascade_logit(cheap: float, dear: float | None, *, weight: float) -> float:
    """The final logit: `cheap` alone, or `weight * cheap + (1 - weight) * dear` where the dearer scorer ran."""
    return cheap if dear is None else combine_logits((cheap, dear), (weight, 1 - weight))
