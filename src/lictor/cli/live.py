"""A guarded stream shown as it runs: text as it is released, then the score of every token and where it halted.

In: a guard, a chat model, a conversation. Out: lines on the terminal, and a record for `--json`. Decides nothing.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lictor.cli.check import decision_row, describe
from lictor.guard.guard import Guard
from lictor.types import (
    ChatModel,
    Conversation,
    Decision,
    Halted,
    Refused,
    Released,
    Sampling,
)

BARS = " ▁▂▃▄▅▆▇█"


@dataclass
class Shown:
    """What a guarded turn came to."""

    outcome: str
    """`answered`, `refused` or `halted`."""
    delivered: str
    produced: str
    """What the model wrote, the withheld part too."""
    decision: Decision
    scores: list[float] = field(default_factory=list[float])
    """What every answer token read counts for, as it is held against the threshold."""

    def row(self) -> dict[str, object]:
        """As a JSON object."""
        return {
            "outcome": self.outcome,
            "delivered": self.delivered,
            "produced_chars": len(self.produced),
            "scores": [round(s, 3) for s in self.scores],
            "decision": decision_row(self.decision),
        }


def show_turn(
    guard: Guard,
    model: ChatModel,
    seen: Conversation,
    sampling: Sampling,
    *,
    private: Conversation = (),
    write: Callable[[str], None],
) -> Shown:
    """Let `model` answer `seen` behind `guard`, writing text as it is released.

    `private` turns go to the model alone: what an application adds behind the guard.
    """
    shown = Shown("answered", "", "", Decision("allow", None, None, 0.0, 0.0))
    session = guard.open(seen, on_score=shown.scores.append)
    for event in session.settle():
        if isinstance(event, Refused):
            shown.outcome = "refused"
    if not session.ended:
        for chunk in model.stream((*private, *seen), sampling):
            shown.produced += chunk
            _take([*session.push(chunk), *session.settle()], shown, write)
            if session.ended:
                break
        else:
            _take([*session.finish(), *session.settle()], shown, write)
    shown.decision = session.decision
    return shown


def writer(quiet: bool) -> Callable[[str], None]:
    """What shows a piece of text as it is released; nothing does when `quiet`."""

    def write(piece: str) -> None:
        if not quiet:
            sys.stdout.write(piece)
            sys.stdout.flush()

    return write


def summary(shown: Shown, threshold: float) -> list[str]:
    """What happened, and the scores as a bar a token; a bar of full height is at or over the threshold."""
    lines = [f"[{shown.outcome}] {describe(shown.decision)}"]
    if shown.scores:
        low = min(*shown.scores, threshold - 1)
        bars = "".join(BARS[round(min(1.0, (s - low) / (threshold - low)) * (len(BARS) - 1))] for s in shown.scores)
        lines.append(f"scores, a bar a token: {bars}")
    return lines


def _take(events: Sequence[object], shown: Shown, write: Callable[[str], None]) -> None:
    for event in events:
        match event:
            case Released(text):
                shown.delivered += text
                write(text)
            case Halted():
                shown.outcome = "halted"
            case _:
                pass
