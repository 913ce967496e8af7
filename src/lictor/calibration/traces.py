"""What the scorers of a guard said on one conversation, every stage scored whatever the others said.

In: scores. Out: `Trace`, and the numbers thresholds are fitted on. Knows no scorer, text or file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lictor.errors import DataError
from lictor.types import Bucket


class Answered(NamedTuple):
    """The scores of one answer."""

    prompt: float
    """Logit of the conversation before it; -inf where none was scored."""
    peak: float
    """Highest output threshold at which the answer alone, after the debounce, would be halted."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Scores of one conversation.

    Raises:
        DataError: A score is NaN.
    """

    conversation_id: str
    source: str
    bucket: Bucket
    is_restricted: bool
    prompt_score: float
    """Highest logit any of its user turns got from the input stage; -inf where the guard has none."""
    answers: tuple[Answered, ...] = ()
    is_unreadable: bool = False
    """Blocked at any threshold, since the policy blocks what cannot be read; no threshold is fitted to it."""

    def __post_init__(self) -> None:
        scores = [self.prompt_score, *(score for answered in self.answers for score in answered)]
        if np.isnan(scores).any():
            raise DataError(f"trace {self.conversation_id!r}: expected logits, got NaN among {scores}")


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Traces as arrays."""

    prompt: NDArray[np.float64]  # (traces,)
    restricted: NDArray[np.bool_]  # (traces,)
    source: NDArray[np.str_]  # (traces,)
    before: NDArray[np.float64]  # (answers,) the prompt logit each answer follows
    said: NDArray[np.float64]  # (answers,) the peak of each answer
    owner: NDArray[np.intp]  # (answers,) whose it is

    def answer(self, weight: float, floor: float) -> NDArray[np.float64]:
        """The output threshold at or under which each conversation would be halted; -inf without an answer.

        Args:
            weight: What each logit of the prompt above `floor` adds to its answer's.
            floor: The prompt's logit up to which it adds nothing.
        """
        above = np.where(np.isfinite(self.before), self.before - floor, 0.0).clip(0.0)
        found = np.full(self.prompt.size, -np.inf)
        np.maximum.at(found, self.owner, self.said + weight * above)
        return found  # (traces,)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Peaks":
        """The traces at `index`, in its order, each once."""
        at = np.flatnonzero(index) if index.dtype == bool else index
        place = np.full(self.prompt.size, -1)
        place[at] = np.arange(at.size)
        kept = place[self.owner] >= 0
        return Peaks(
            self.prompt[at],
            self.restricted[at],
            self.source[at],
            self.before[kept],
            self.said[kept],
            place[self.owner[kept]],
        )


def peaks(traces: Sequence[Trace]) -> Peaks:
    """The numbers of many traces as arrays."""
    answers = [(at, answered) for at, trace in enumerate(traces) for answered in trace.answers]
    return Peaks(
        prompt=np.asarray([trace.prompt_score for trace in traces], dtype=float),
        restricted=np.asarray([trace.is_restricted for trace in traces], dtype=bool),
        source=np.asarray([trace.source for trace in traces], dtype=np.str_),
        before=np.asarray([answered.prompt for _, answered in answers], dtype=float),
        said=np.asarray([answered.peak for _, answered in answers], dtype=float),
        owner=np.asarray([at for at, _ in answers], dtype=np.intp),
    )


def readable(traces: Sequence[Trace]) -> list[Trace]:
    """Those that thresholds are fitted to."""
    return [trace for trace in traces if not trace.is_unreadable]


def unreadable(traces: Sequence[Trace]) -> NDArray[np.bool_]:
    """Which of the benign ones cannot be read.  # (benign traces,)."""
    return np.array([trace.is_unreadable for trace in traces if not trace.is_restricted], dtype=bool)
