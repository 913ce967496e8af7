"""What a probe said of an answer while the model wrote it, ready for the guard to ask.

In: logits with the places in the text they speak for. Out: one logit for each token the guard cuts the text into; its
tokens need not be the model's. Knows no model.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from lictor.errors import ScoringError
from lictor.server.upstream_wire import ReadTo


@dataclass
class Heard:
    """Of one choice."""

    _ends: list[int] = field(default_factory=list[int])
    _logits: list[float] = field(default_factory=list[float])
    _asked: int = 0
    """Up to here the guard has asked."""

    def __bool__(self) -> bool:
        """Whether anything was said at all."""
        return bool(self._ends)

    def add(self, read: Sequence[ReadTo]) -> None:
        """Take what came next."""
        for end, logit in read:
            self._ends.append(end)
            self._logits.append(logit)

    def logits(self, ends: Sequence[int]) -> list[float]:
        """For each further token, given where it ends: the highest logit that speaks for any of its characters.

        Raises:
            ScoringError: Nothing was said of some of it.
        """
        found: list[float] = []
        for end in ends:
            first = bisect_right(self._ends, self._asked)
            last = bisect_left(self._ends, end)
            if last >= len(self._ends):
                raise ScoringError("the probe has not read all of the text that came", reason="probe_behind")
            found.append(max(self._logits[min(first, last) : last + 1]))
            self._asked = max(self._asked, end)
        return found
