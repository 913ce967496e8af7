"""Turn a run of token scores into a verdict, one token at a time.

In: logits in token order. Out: where a run over the threshold starts, whether it halts, the score that decided.
Knows no text. guard/replay.py is the same rule over a recorded trace; tests/properties hold the two together.

The rule: a token at or over the threshold starts or continues a run; a run of `length` consecutive tokens halts.
At the end of the text a shorter trailing run halts too: nobody can show that it would have ended (fail closed).
The score of a trace is the highest level which `length` consecutive tokens, or the last token, all reached; a trace
halts exactly when that score is at or over the threshold.
"""

from collections import deque
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")


class Debounce(Generic[T]):
    """The run state of one token stream; `T` is whatever names a token."""

    def __init__(self, threshold: float, length: int) -> None:
        self._threshold = threshold
        self._last: deque[float] = deque(maxlen=length)
        self._run = 0
        self.first: T | None = None
        """The token that started the run that is open or that halted; None when no run is."""
        self.peak = -inf
        """The score so far; at or over the threshold exactly when `halted`."""
        self.halted = False

    def read(self, logit: float, token: T) -> None:
        """Take the next token's logit. After a halt nothing changes any more."""
        if self.halted:
            return
        self._last.append(logit)
        if len(self._last) == self._last.maxlen:
            self.peak = max(self.peak, min(self._last))
        if logit < self._threshold:
            self._run, self.first = 0, None
            return
        self.first = token if self._run == 0 else self.first
        self._run += 1
        self.halted = self._run == self._last.maxlen

    def close(self) -> None:
        """The text ends here: an open run halts, and the next token starts afresh."""
        if self.halted or not self._last:
            return
        self.peak = max(self.peak, self._last[-1])
        self._last.clear()
        self.halted = self._run > 0
