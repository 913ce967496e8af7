"""Who may call, how often, and how much at once.

In: keys, counts, the time. Out: a slot, or a typed refusal. Only hashes of keys are known. Decides without a clock.
"""

import hashlib
import hmac
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

from lictor.server.capacity import Capacity
from lictor.server.errors import BusyError, RequestError
from lictor.server.settings import KeySection

ANONYMOUS = KeySection(name="anonymous", sha256="0" * 64)


def client_of(authorization: str | None, api_key: str | None, keys: Sequence[KeySection]) -> KeySection:
    """The client that a request's headers name; everybody is anonymous where no key is listed.

    Raises:
        RequestError: No key, or one that is not listed (HTTP 401).
    """
    if not keys:
        return ANONYMOUS
    scheme, _, token = (authorization or "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else api_key or ""
    digest = hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()
    found = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    if not given or not found:
        raise RequestError("expected a valid API key in the Authorization header", "invalid_api_key", status=401)
    return found[0]


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


@dataclass
class Gate:
    """Counts what is under way, and what was spent."""

    streams: int
    """Answers at once, over all clients."""
    retry_after_s: int
    capacity: Capacity = field(default_factory=lambda: Capacity(None))
    """Answers at once that scores can be had for in time."""
    open: int = 0
    most: int = 1
    """Answers that were open at once: as many are held again without more memory."""
    _open_by_client: dict[str, int] = field(default_factory=dict[str, int])
    _buckets: dict[str, _Bucket] = field(default_factory=dict[str, _Bucket])
    _throttled: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    """Requests a minute, and until when."""
    _day: str = ""
    _tokens: dict[str, int] = field(default_factory=dict[str, int])
    """Of this day."""

    def spend(self, client: KeySection, now: float, at: datetime) -> None:
        """Count one request against the client's rate and look at its budget; `now` runs evenly, `at` is the time.

        Raises:
            BusyError: Its minute or its day is spent.
        """
        budget = client.tokens_per_day
        if budget is not None and self._tokens_of(client.name, at) >= budget:
            wait_s = 86_400 - (at.hour * 3_600 + at.minute * 60 + at.second)
            raise BusyError(f"expected at most {budget} tokens a day", "budget_exhausted", wait_s)
        rate, code = self._rate(client, now)
        if rate is None:
            return
        bucket = self._buckets.setdefault(client.name, _Bucket(rate, now))
        bucket.left = min(rate, bucket.left + (now - bucket.at) * rate / 60)
        bucket.at = now
        if bucket.left < 1:
            wait_s = max(1, ceil((1 - bucket.left) * 60 / rate))
            raise BusyError(f"expected at most {rate} requests a minute", code, wait_s)
        bucket.left -= 1

    def charge(self, client: str, tokens: int, at: datetime) -> None:
        """Count tokens against a client's day."""
        self._tokens[client] = self._tokens_of(client, at) + tokens

    def throttle(self, client: str, rate: int, until: float) -> None:
        """Let a client make at most `rate` requests a minute for a while."""
        self._throttled[client] = (rate, until)

    @property
    def room(self) -> int:
        """Answers that may be open at once as things are."""
        return int(min(self.streams, self.capacity.answers))

    def note_wait(self, waited_s: float, now: float) -> None:
        """An answer got a score after so long."""
        self.capacity.note(waited_s, self.open, now)

    def _rate(self, client: KeySection, now: float) -> tuple[int | None, str]:
        rate = client.requests_per_minute
        slow, until = self._throttled.get(client.name, (0, now))
        if now < until and (rate is None or slow < rate):
            return slow, "throttled"
        return rate, "rate_limit_exceeded"

    def _tokens_of(self, client: str, at: datetime) -> int:
        day = at.strftime("%Y-%m-%d")
        if day != self._day:
            self._day = day
            self._tokens.clear()
        return self._tokens.get(client, 0)

    @contextmanager
    def slots(self, client: KeySection, count: int, *, is_memory_low: bool = False) -> Generator[None]:
        """Room for `count` answers, given back at the end.

        Raises:
            BusyError: There is none.
        """
        mine = self._open_by_client.get(client.name, 0)
        if self.open + count > self.streams:
            raise BusyError("the service is at its limit of open streams", "overloaded", self.retry_after_s)
        if self.open and not self.capacity.holds(self.open + count):
            raise BusyError("the service guards as many answers as it can", "overloaded", self.retry_after_s)
        if is_memory_low and self.open + count > self.most:
            raise BusyError("the service has no memory for more streams", "overloaded", self.retry_after_s)
        if client.streams is not None and mine + count > client.streams:
            raise BusyError("this key is at its limit of open streams", "too_many_streams", self.retry_after_s)
        self.open += count
        self.most = max(self.most, self.open)
        self._open_by_client[client.name] = mine + count
        try:
            yield
        finally:
            self.open -= count
            self._open_by_client[client.name] -= count
