"""Replay the stream guard's decision over scores that are already there.

In: the logits of every token of one answer (views taken as the maximum per token), and a policy. Out: where the
stream halts, or the highest threshold at which it would. Knows no scorer, text or clock.

A stream halts at the first run of `debounce` consecutive tokens at or over the threshold. A shorter run that the
answer ends with halts it too: nothing can follow that would clear it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lictor.errors import ScoringError
from lictor.types import Policy

Scores = NDArray[np.floating] | Sequence[float]


def run_peak(scores: Scores, debounce: int) -> float:
    """Highest threshold at which an answer with these token logits halts; -inf for an empty answer.

    `run_peak(scores, debounce) >= threshold` exactly when `replay` halts under that threshold, so thresholds can be
    fitted on one number per answer.

    Args:
        scores: One logit per answer token, in order.
        debounce: Consecutive tokens at or over the threshold that halt a stream, at least 1.

    Raises:
        ScoringError: A score is not a number.
    """
    values = _checked(scores)
    if values.size == 0:
        return -np.inf
    return float(_runs(values, debounce).min(axis=1).max())


def replay(scores: Scores, policy: Policy) -> int | None:
    """Index of the first token of the run that halts the answer under `policy`; None when nothing does.

    Raises:
        ScoringError: A score is not a number.
    """
    values = _checked(scores)
    if values.size == 0:
        return None
    halting = _runs(values, policy.debounce).min(axis=1) >= policy.output_threshold
    return int(halting.argmax()) if halting.any() else None


def _runs(values: NDArray[np.floating], debounce: int) -> NDArray[np.floating]:
    """Every run of `debounce` values, the answer's end counting as over any threshold."""
    padded = np.concatenate([values, np.full(debounce - 1, np.inf)])
    return sliding_window_view(padded, debounce)  # (tokens, debounce)


def _checked(scores: Scores) -> NDArray[np.floating]:
    values = np.asarray(scores, dtype=float)
    if np.isnan(values).any():
        raise ScoringError(f"expected a logit per token, got NaN at token {int(np.isnan(values).argmax())}")
    return values
