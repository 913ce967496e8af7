"""Clients whose requests look like a search for the guard's edge.

In: decisions, by client and time. Out: whether a client has just come to look like a campaign: many requests blocked
or close under a threshold within a window. A sign for people to look at; nothing is blocked for it. Knows no clock.
"""

from collections import deque
from dataclasses import dataclass, field

from lictor.server.settings import ProbesSection
from lictor.types import Decision


@dataclass
class ProbeWatch:
    """Remembers, of every client, when its near requests came."""

    section: ProbesSection
    _seen: dict[str, deque[float]] = field(default_factory=dict[str, deque[float]])

    def see(self, client: str, decision: Decision, now: float) -> bool:
        """Take one decision; True when it makes a campaign. Then the count begins anew."""
        if decision.status != "ok" or decision.score < decision.threshold - self.section.margin:
            return False
        times = self._seen.setdefault(client, deque())
        times.append(now)
        while times[0] < now - self.section.window_s:
            times.popleft()
        if len(times) < self.section.count:
            return False
        times.clear()
        return True
