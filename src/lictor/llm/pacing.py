"""When a request may go: requests and tokens per minute, spread evenly, without a clock of its own.

In: limits, and what a request weighs. Out: how long it has to wait. Knows no network.

Cites: the generic cell rate algorithm (ITU-T I.371): a bucket that leaks evenly, kept as one time stamp.
"""

import threading
from dataclasses import dataclass

BURST_S = 5.0
"""Seconds' worth of a limit that may go at once, after a pause or at the start."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an endpoint is asked for at most."""

    concurrency: int = 16
    """Requests under way at once."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    """Tokens of prompts and of the most an answer may hold."""
    timeout_s: float = 120.0
    """Longest wait for one answer; it then counts as failed, and is asked for again."""
    attempts: int = 6
    """Times a request is made before it counts as failed for good."""


class Pace:
    """One limit; safe to share between threads."""

    def __init__(self, per_minute: float) -> None:
        self._seconds_each = 60.0 / per_minute
        self._empty_at = float("-inf")
        self._lock = threading.Lock()

    def book(self, amount: float, now: float) -> float:
        """Seconds that a request of this weight has to wait from `now`; its place is taken by asking."""
        with self._lock:
            starts = max(self._empty_at, now)
            self._empty_at = starts + amount * self._seconds_each
            return max(0.0, starts - now - BURST_S)
