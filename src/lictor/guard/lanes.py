"""The token streams of one guarded answer: the text itself, and one for each view of it.

In: committed segments of the text. Out: tokens to be scored, and how far into the text each stream has cleared.
Knows no event, policy or driver. All offsets are characters of the answer, whatever the lane reads.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

from lictor.errors import ScoringError
from lictor.guard.debounce import Debounce
from lictor.guard.tokens import CommittedToken, Committer, Segment
from lictor.guard.views.protocol import Decoded, View
from lictor.types import Tokenizer


class LaneToken(NamedTuple):
    """A token and the part of the answer it speaks for."""

    id: int
    start: int
    """Nothing from here on may leave while this token is in a run."""
    end: int
    """Up to here a lane of the text itself is cleared once this token is."""
    place: int
    """Its place in its own lane, from 0."""


@dataclass(slots=True)
class Batch:
    """What one lane has to have scored in one round."""

    view: str | None
    items: list[LaneToken | None]
    """Tokens in order; None stands where a disguise, or the answer, ended, and with it the chance of a run to grow."""
    limit: int | None
    """Character beyond which this lane had not read the text when the batch was made; None: it had read all."""
    debounce: Debounce[LaneToken]
    logits: Sequence[float] | None = None

    @property
    def token_ids(self) -> tuple[int, ...]:
        """What the session of this lane has to score."""
        return tuple(item.id for item in self.items if item is not None)

    @property
    def is_answered(self) -> bool:
        """Whether nothing of it waits to be scored."""
        return self.logits is not None or not self.token_ids

    def answer(self, logits: Sequence[float]) -> None:
        """Take the scores of `token_ids`.

        Raises:
            ScoringError: Not one number per token.
        """
        expected = len(self.token_ids)
        if len(logits) != expected:
            raise ScoringError(
                f"scorer: expected {expected} logits for a batch of view {self.view!r}, got {len(logits)}"
            )
        if any(isnan(logit) for logit in logits):
            raise ScoringError(f"scorer: expected logits, got NaN in a batch of view {self.view!r}")
        self.logits = logits

    def decide(self) -> None:
        """Let the scores count, in order."""
        logits = iter(self.logits or ())
        for item in self.items:
            if item is None:
                self.debounce.close()
            else:
                self.debounce.read(next(logits), item)

    @property
    def cleared(self) -> int | None:
        """Character up to which this lane lets text leave after `decide`; None: it holds nothing back."""
        first = self.debounce.first
        bounds = [bound for bound in (self.limit, first.start if first else None) if bound is not None]
        return min(bounds, default=None)


class TextLane:
    """The answer itself."""

    def __init__(self, debounce: Debounce[LaneToken]) -> None:
        self._debounce = debounce
        self._items: list[LaneToken | None] = []
        self._ends: deque[int] = deque()
        self._first_index = 0
        self.count = 0
        """Tokens committed so far."""
        self._cleared = 0

    @property
    def debounce(self) -> Debounce[LaneToken]:
        """Its run state."""
        return self._debounce

    def add(self, token: CommittedToken) -> None:
        """Commit one more token."""
        self._items.append(LaneToken(*token, place=self.count))
        self._ends.append(token.end)
        self.count += 1
        self._cleared = token.end

    def batch(self, *, final: bool) -> Batch:
        """Everything committed since the last batch."""
        items, self._items = self._items, []
        return Batch(None, [*items, None] if final else items, self._cleared, self._debounce)

    def forget(self, released: int) -> None:
        """Drop what is known of tokens whose text has left."""
        while self._ends and self._ends[0] <= released:
            self._ends.popleft()
            self._first_index += 1

    def index_at(self, offset: int) -> int:
        """Index of the answer token that the character at `offset` belongs to, of those not released yet."""
        before = sum(1 for end in self._ends if end <= offset)
        return max(0, min(self._first_index + before, self.count - 1))


class ViewLane:
    """The answer as one view reads it."""

    def __init__(self, view: View, tokenizer: Tokenizer, debounce: Debounce[LaneToken]) -> None:
        self._view = view
        self._committer = Committer(tokenizer)
        self._debounce = debounce
        self._items: list[LaneToken | None] = []
        self._sources: deque[tuple[int, int]] = deque()
        """Where pieces start: in the decoded text, and in the answer."""
        self._decoded = 0
        self._is_open = False
        self._count = 0

    @property
    def debounce(self) -> Debounce[LaneToken]:
        """Its run state."""
        return self._debounce

    def push(self, segment: str) -> None:
        """Read on."""
        self._take(self._view.push(segment))
        if self._view.pending_start is None:
            self._close()

    def finish(self) -> None:
        """The answer ends here."""
        self._take(self._view.finish())
        self._close()

    def batch(self) -> Batch:
        """Everything decoded and committed since the last batch."""
        items, self._items = self._items, []
        starts = [self._view.pending_start, self._pending_source()]
        limit = min((start for start in starts if start is not None), default=None)
        return Batch(self._view.name, items, limit, self._debounce)

    def _take(self, pieces: list[Decoded]) -> None:
        for piece in pieces:
            text = piece.text
            if piece.opens:
                self._close()
                text = "\n" + text if self._decoded else text
            self._is_open = True
            self._sources.append((self._decoded, piece.start))
            self._decoded += len(text)
            self._commit(self._committer.push(text))

    def _close(self) -> None:
        if self._is_open:
            self._commit(self._committer.finish())
            self._items.append(None)
            self._is_open = False

    def _commit(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            for token in segment.tokens:
                source = self._source(token.start)
                self._items.append(LaneToken(token.id, source, source, place=self._count))
                self._count += 1

    def _source(self, decoded: int) -> int:
        while len(self._sources) > 1 and self._sources[1][0] <= decoded:
            self._sources.popleft()
        return self._sources[0][1]

    def _pending_source(self) -> int | None:
        return self._source(self._committer.pending_start) if self._committer.pending else None
