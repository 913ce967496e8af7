"""What each filter of synthesis let through. In: counts of a run's report. Out: kept and of how many, by filter."""

from collections.abc import Mapping
from typing import NamedTuple

_STAGES = {
    "queries: usable": ("queries generated", "queries asked for"),
    "twins: usable": ("twins kept", "twins asked for"),
    "dialogues: usable": ("dialogues kept", "dialogues asked for"),
    "rewritings: usable": ("rewritings kept", "rewritings asked for"),
    "answers: usable": ("answers kept", "answers asked for"),
}
_DROPS = {
    "answers dropped: ": "answers asked for",
    "queries dropped: near-duplicate": "queries compared",
    "queries dropped: outvoted": "queries put to the vote",
    "answers dropped: outvoted": "answers put to the vote",
}


class KeepRate(NamedTuple):
    """How much came through a filter."""

    filter: str
    kept: int
    of: int

    @property
    def share(self) -> float:
        """Kept, of all."""
        return self.kept / max(1, self.of)


def keep_rates(counts: Mapping[str, int]) -> list[KeepRate]:
    """One for each stage, filter and judge that had anything before it."""
    rates = [KeepRate(name, counts.get(kept, 0), counts.get(of, 0)) for name, (kept, of) in _STAGES.items()]
    for name, count in sorted(counts.items()):
        what, _, reason = name.partition(" dropped: ")
        of = _DROPS.get(name) or _DROPS.get(f"{what} dropped: ")
        if reason and of:
            rates.append(KeepRate(f"{what}: not {reason}", counts.get(of, 0) - count, counts.get(of, 0)))
        if name.startswith("votes: "):
            judged = "answers" if "reply" in name else "queries"
            rates.append(KeepRate(name, count, counts.get(f"{judged} put to the vote", 0)))
    return [rate for rate in rates if rate.of]
