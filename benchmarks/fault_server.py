"""`lictor serve` with a guard that minds one word, fails on others when it reads them, and a clock that can be moved.

In: the settings of `lictor serve` as environment variables; SIGUSR1 has the clock read anew how far it is off, from the
file in FAULT_CLOCK. Out: the server itself, everything but its scorers the real thing. These scorers remember nothing,
so that the memory of thousands of requests is the server's own.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lictor.errors import ScoringError
from lictor.guard import Guard
from lictor.server.run import run_server
from lictor.server.settings import load_settings
from lictor.testing import PieceTokenizer, piece_text
from lictor.types import Context, Conversation, Policy

MARKER = "melt"
"""The word nobody may read."""
CRASHES: dict[str, type[BaseException]] = {
    "brittle": RuntimeError,
    "faulty": ScoringError,
    "leaving": SystemExit,
    "hungry": MemoryError,
}
"""Words on which the stream scorer raises."""


class _WordSession:
    """Reads one answer; its logit is 10 from the marker on."""

    def __init__(self) -> None:
        self._tail = ""
        self._logit = -10.0

    def score(self, token_ids: Sequence[int]) -> list[float]:
        """One logit a token."""
        logits: list[float] = []
        for token_id in token_ids:
            self._tail = (self._tail + piece_text(token_id))[-16:]
            for word, error in CRASHES.items():
                if word in self._tail:
                    raise error(MARKER)
            if MARKER in self._tail:
                self._logit = 10.0
            logits.append(self._logit)
        return logits


class WordScorer:
    """Both scorers."""

    def __init__(self) -> None:
        self.tokenizer = PieceTokenizer(bytewise=True)
        self.context: Context = "answer"

    def open(self, conversation: Conversation) -> _WordSession:
        """A session."""
        del conversation
        return _WordSession()

    def score(self, conversation: Conversation) -> float:
        """10 where the marker is asked for."""
        return 10.0 if any(MARKER in message.content for message in conversation) else -10.0


def main() -> None:
    """Serve."""
    _move_clock(os.environ.get("FAULT_CLOCK"))
    scorer = WordScorer()
    settings = load_settings(None, os.environ, overrides={"port": 0})
    run_server(settings, sys.stdout, guard=Guard(scorer, scorer, Policy(0.0, 0.0), version="words"))


def _move_clock(path: str | None) -> None:
    """Have the clock of this process be off by the seconds in a file."""
    if path is None:
        return
    real, off = time.time, [0.0]

    def read_anew(*_: object) -> None:
        off[0] = float(Path(path).read_text(encoding="utf-8"))

    signal.signal(signal.SIGUSR1, read_anew)
    time.time = lambda: real() + off[0]


if __name__ == "__main__":
    main()
