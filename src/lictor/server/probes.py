"""Clients whose requests look like a search for the guard's edge.

In: decisions, by client and time, and the questions they were about. Out: a campaign, when a client has just come to
look like one: many of its requests blocked or close under a threshold, or several of those rewordings of one another.
Knows no clock, and keeps no text.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

from lictor.server.settings import ProbesSection
from lictor.types import Decision

CampaignKind = Literal["edge", "variants"]
_SHINGLE = 5
_SKETCH = 64
"""Smallest hashes kept of a prompt's groups of characters: enough to tell how much two prompts share."""
_KEPT = 1_000
"""Near requests remembered of a client."""

Sketch = frozenset[int]


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a client did within the window."""

    client: str
    kind: CampaignKind
    requests: int
    near: int
    """Of these, blocked or close under a threshold."""
    variants: int
    """Of these, rewordings of the last one."""


@dataclass(slots=True)
class _Seen:
    minutes: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])
    """Requests of each minute."""
    near: deque[tuple[float, Sketch]] = field(default_factory=lambda: deque[tuple[float, Sketch]](maxlen=_KEPT))


@dataclass
class ProbeWatch:
    """Remembers of every client when its requests came, and how those near the edge were spelled."""

    section: ProbesSection
    _seen: dict[str, _Seen] = field(default_factory=dict[str, _Seen])

    def see(self, client: str, decision: Decision, prompt: str, now: float) -> Campaign | None:
        """Take one request; what it makes, if anything. Then the count begins anew."""
        seen = self._seen.setdefault(client, _Seen())
        _count(seen.minutes, int(now // 60), int((now - self.section.window_s) // 60))
        if not self._is_near(decision):
            return None
        sketch = sketch_of(prompt)
        while seen.near and seen.near[0][0] < now - self.section.window_s:
            seen.near.popleft()
        variants = sum(1 for _, other in seen.near if self.section.similarity <= likeness(sketch, other) < 1)
        seen.near.append((now, sketch))
        campaign = self._judge(client, seen, variants)
        if campaign:
            seen.near.clear()
        return campaign

    def _is_near(self, decision: Decision) -> bool:
        return decision.status == "ok" and decision.score >= decision.threshold - self.section.margin

    def _judge(self, client: str, seen: _Seen, variants: int) -> Campaign | None:
        requests, near = sum(count for _, count in seen.minutes), len(seen.near)
        if variants >= self.section.variants:
            return Campaign(client, "variants", requests, near, variants)
        if near >= self.section.count and near >= self.section.share * requests:
            return Campaign(client, "edge", requests, near, variants)
        return None


def sketch_of(text: str) -> Sketch:
    """The smallest hashes of a text's groups of characters, letters and digits in small alone."""
    return frozenset(sorted(set(_hashes("".join(filter(str.isalnum, text.lower())))))[:_SKETCH])


def likeness(one: Sketch, other: Sketch) -> float:
    """How much of what either of two texts has they share, about; 1 for the same text."""
    smallest = set(sorted(one | other)[:_SKETCH])
    return len(smallest & one & other) / len(smallest) if smallest else 1.0


def _hashes(text: str) -> Iterator[int]:
    for at in range(max(1, len(text) - _SHINGLE + 1)):
        yield crc32(text[at : at + _SHINGLE].encode("utf-8", "surrogatepass"))


def _count(minutes: deque[tuple[int, int]], minute: int, oldest: int) -> None:
    last = minutes.pop() if minutes and minutes[-1][0] == minute else (minute, 0)
    minutes.append((minute, last[1] + 1))
    while minutes[0][0] < oldest:
        minutes.popleft()
