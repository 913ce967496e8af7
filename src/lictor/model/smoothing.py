"""The mean of an answer's last logits, token by token, for heads that learnt by a loss over such means.

In: the logits of an answer, in pieces. Out: as many means. Knows no model. What a token gets depends on the logits up
to it alone, never on how they were cut into pieces.

Cites: CC2 section 5 (a sliding-window mean in training, an exponential one at inference).
"""

from collections import deque
from collections.abc import Sequence


class SlidingMean:
    """The state of one answer."""

    def __init__(self, window: int) -> None:
        self._last: deque[float] = deque(maxlen=window)

    def read(self, logits: Sequence[float]) -> list[float]:
        """For every further logit, the mean of it and those before it, `window` at most."""
        means: list[float] = []
        for logit in logits:
            self._last.append(logit)
            means.append(sum(self._last) / len(self._last))
        return means
