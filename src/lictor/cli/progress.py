"""Progress of long work: what runs, how far, how long it has left. In: stage, steps, loss. Out: a line on stderr."""

import sys
import time
from math import isnan


class StageProgress:
    """Prints at most one line a second on a terminal, and one every ten seconds elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._stage = ""
        self._started = self._last = 0.0
        self._first = 0
        self._is_terminal = sys.stderr.isatty()

    @property
    def tail(self) -> str:
        """What else is to be said of a step that has no loss."""
        return ""

    def __call__(self, stage: str, at: int, total: int, loss: float = float("nan")) -> None:
        """Note that `at` of `total` steps of `stage` are done."""
        if self._quiet:
            return
        now = time.monotonic()
        is_new = stage != self._stage
        if is_new:
            self._stage, self._started, self._first = stage, now, at - 1 if at else 0
        if is_new or at >= total or now - self._last >= (1 if self._is_terminal else 10):
            self._last = now
            self._print(at, total, loss, now)

    def _print(self, at: int, total: int, loss: float, now: float) -> None:
        spent = now - self._started
        done = at - self._first  # a resumed stage does not begin at its first step
        left = f", {spent / done * (total - at):.0f} s left" if spent and done and at < total else ""
        tail = self.tail if isnan(loss) else f", loss {loss:.3f}"
        end = "\r" if self._is_terminal and at < total else "\n"
        print(
            f"  {self._stage}: {at}/{total}, {spent:.0f} s{left}{tail}".ljust(78), end=end, file=sys.stderr, flush=True
        )
