"""How scorers make one score: the prompt's suspicion, and whom an answer is escalated to, summed in logit space.

In: a policy, the logit of a prompt, logits of answer tokens. Out: what is added to every logit of an answer, which of
its tokens the exchange scorer is to read, and what both scorers' logits come to. Knows no scorer and no stream.

Only suspicion counts: a prompt that looks harmless takes nothing off, or an attack could buy itself room by hiding.
An answer is escalated by its prompt, or from the first token on that the stream scorer finds suspicious; it stays so.
A token before that keeps the stream scorer's logit, so that one over the halting threshold halts whoever has read it.

Cites: CC2 sections 4 and 6 (a cheap scorer on everything, a better one on what that finds suspicious, and a weighted
sum of both logits).
"""

from collections.abc import Sequence
from math import isfinite
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lictor.types import Cascade, Policy

Logit = TypeVar("Logit", float, NDArray[np.float64])


def suspicion(policy: Policy, prompt_score: float) -> float:
    """What a prompt of this logit adds to every logit of its answer, at least 0; an infinite one speaks for itself."""
    return policy.prompt_weight * max(0.0, prompt_score - policy.prompt_floor) if isfinite(prompt_score) else 0.0


class Escalation:
    """Whether one text is escalated, and what of it the exchange scorer has not read."""

    def __init__(self, cascade: Cascade | None) -> None:
        self._cascade = cascade
        self._unread: list[int] = []
        self.is_open = False
        """Whether what comes next is read by the exchange scorer."""

    def take(self, token_ids: Sequence[int], logits: Sequence[float], *, at_once: bool) -> list[bool]:
        """Of the next tokens, which are escalated: all where the prompt asks for it, else by the stream scorer."""
        if self._cascade is None:
            return [False] * len(logits)
        self._unread += token_ids
        escalated: list[bool] = []
        for logit in logits:
            self.is_open = self.is_open or at_once or logit >= self._cascade.answer_escalation
            escalated.append(self.is_open)
        return escalated

    def hand_over(self, count: int) -> tuple[int, ...]:
        """The tokens before the last `count` that were not handed over, now that these are."""
        said, self._unread = tuple(self._unread[:-count]), []
        return said


def combined(cascade: Cascade, stream: Logit, exchange: Logit) -> Logit:
    """The score of escalated tokens, from the logits of both scorers."""
    return (1 - cascade.weight) * stream + cascade.weight * (cascade.scale * exchange + cascade.shift)
