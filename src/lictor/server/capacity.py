"""How many answers at once this machine guards without holding them up, found out while it serves.

In: how long answers wait for their scores. Out: a number of answers. It grows while the waits are short and is all
taken, and shrinks while they are long: additive increase, multiplicative decrease, as TCP finds out what a line
carries (Chiu and Jain, 1989). Before anybody waited, a trial batch tells how many there may be. Decides without a
clock.
"""

from dataclasses import dataclass
from math import inf

SHRINK = 0.5, 0.9
"""Bounds of what is left after one wait that was too long."""
WAIT_OF_A_BATCH = 1.5
"""What asks for scores at any time waits for half a batch that is being read, and for its own."""


@dataclass
class Capacity:
    """Answers that may be open at once; without `wait_s`, any number."""

    wait_s: float | None
    """Wait for a score above which there are too many."""
    answers: float = inf
    _shrunk_at: float = -inf

    def start(self, answers: int, took_s: float) -> None:
        """A trial batch of so many answers took so long."""
        if self.wait_s is not None and took_s > 0:
            self.answers = max(1.0, answers * self.wait_s / (WAIT_OF_A_BATCH * took_s))

    def note(self, waited_s: float, open_: int, now: float) -> None:
        """An answer got a score after so long, while `open_` answers were under way."""
        if self.wait_s is None:
            return
        if waited_s > self.wait_s:
            # Once for all that waited together: they are one batch, and one piece of news.
            if now - self._shrunk_at > 2 * self.wait_s:
                self._shrunk_at = now
                least, most = SHRINK
                left = min(most, max(least, self.wait_s / waited_s))
                self.answers = max(1.0, min(self.answers, float(open_)) * left)
        elif open_ + 1 > self.answers:
            self.answers += 1 / self.answers

    def holds(self, open_: int) -> bool:
        """Whether so many answers may be open; one always may."""
        return self.wait_s is None or open_ <= max(1.0, self.answers)
