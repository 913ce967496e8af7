"""What the scorers of a guard said on one conversation, every stage scored whatever the others said.

In: scores. Out: `Trace`, and the two numbers thresholds are fitted on. Knows no scorer, text or file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lictor.errors import DataError
from lictor.guard.replay import run_peak
from lictor.types import Bucket


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Scores of one conversation.

    Raises:
        DataError: A score is NaN, or the answer's scores are not one number per token.
    """

    conversation_id: str
    source: str
    bucket: Bucket
    is_restricted: bool
    prompt_score: float
    """Highest logit any of its user turns got from the input stage; -inf where the guard has none."""
    answer_scores: NDArray[np.floating] | None
    """Logit of each answer token, views included as the maximum; None for a prompt without an answer.  # (tokens,)

    An array of one number stands for an answer whose debounced score the guard itself has worked out.
    """

    def __post_init__(self) -> None:
        answer = np.empty(0) if self.answer_scores is None else self.answer_scores
        if np.isnan(self.prompt_score) or answer.ndim != 1 or np.isnan(answer).any():
            raise DataError(
                f"trace {self.conversation_id!r}: expected a prompt logit and one logit per answer token, got "
                f"{self.prompt_score} and an array of shape {answer.shape} with {int(np.isnan(answer).sum())} NaN"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Traces as two numbers each: the thresholds at or under which the input and the output stage would block."""

    prompt: NDArray[np.float64]  # (traces,)
    answer: NDArray[np.float64]  # (traces,)
    restricted: NDArray[np.bool_]  # (traces,)
    source: NDArray[np.str_]  # (traces,)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Peaks":
        """The traces at `index`."""
        return Peaks(self.prompt[index], self.answer[index], self.restricted[index], self.source[index])


def peaks(traces: Sequence[Trace], debounce: int) -> Peaks:
    """The two numbers of every trace, the answer's by the stream guard's own decision."""
    return Peaks(
        prompt=np.asarray([trace.prompt_score for trace in traces], dtype=float),
        answer=np.asarray(
            [-np.inf if t.answer_scores is None else run_peak(t.answer_scores, debounce) for t in traces], dtype=float
        ),
        restricted=np.asarray([trace.is_restricted for trace in traces], dtype=bool),
        source=np.asarray([trace.source for trace in traces], dtype=np.str_),
    )
