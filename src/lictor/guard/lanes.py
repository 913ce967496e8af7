"""The token streams of one guarded answer: the text itself, one for each view of it, and for views of what they decode.

In: committed segments of the text. Out: tokens to be scored, and how far into the text each stream has cleared.
Knows no event, policy or driver. All offsets are characters of the answer, whatever the lane reads.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

from lictor.errors import ScoringError
from lictor.guard.cascade import Escalation, combined
from lictor.guard.debounce import Debounce
from lictor.guard.legible import Spans, words
from lictor.guard.tokens import CommittedToken, Committer, Segment
from lictor.guard.views import DEPTH, Decoded, View, Views
from lictor.types import Cascade, Tokenizer


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
    escalation: Escalation
    logits: Sequence[float] | None = None
    escalated: Sequence[bool] = ()
    """Which tokens the exchange scorer has still to read."""

    @property
    def token_ids(self) -> tuple[int, ...]:
        """What the session of this lane has to score."""
        return tuple(item.id for item in self.items if item is not None)

    @property
    def ends(self) -> tuple[int, ...]:
        """Where each of these ends in the answer, if this is the text itself."""
        return tuple(item.end for item in self.items if item is not None) if self.view is None else ()

    @property
    def is_answered(self) -> bool:
        """Whether nothing of it waits to be scored."""
        return (self.logits is not None and not any(self.escalated)) or not self.token_ids

    def answer(self, logits: Sequence[float], *, at_once: bool = False) -> bool:
        """Take the stream scorer's logits of `token_ids`; whether the exchange scorer is to read these too.

        Args:
            logits: One for each.
            at_once: Whether the answer is escalated whatever they are.

        Raises:
            ScoringError: Not one number per token.
        """
        self._refuse_unless_numbers(logits, len(self.token_ids))
        self.logits = logits
        self.escalated = self.escalation.take(self.token_ids, logits, at_once=at_once)
        return any(self.escalated)

    def answer_in_context(self, cascade: Cascade, logits: Sequence[float]) -> None:
        """Take the exchange scorer's logits of those of `token_ids` that are escalated, the last ones.

        Raises:
            ScoringError: Not one number per token.
        """
        self._refuse_unless_numbers(logits, sum(self.escalated))
        stream = self.logits or ()
        late = len(stream) - len(logits)
        summed = [combined(cascade, cheap, dear) for cheap, dear in zip(stream[late:], logits, strict=True)]
        self.logits = [*stream[:late], *summed]
        self._refuse_unless_numbers(self.logits, len(self.token_ids))
        self.escalated = ()

    def _refuse_unless_numbers(self, logits: Sequence[float], expected: int) -> None:
        if len(logits) != expected:
            raise ScoringError(
                f"scorer: expected {expected} logits for a batch of view {self.view!r}, got {len(logits)}"
            )
        if any(isnan(logit) for logit in logits):
            raise ScoringError(f"scorer: expected logits, got NaN in a batch of view {self.view!r}")

    def decide(self, suspicion: float) -> None:
        """Let the scores count, in order, each with what the prompt adds."""
        logits = iter(self.logits or ())
        for item in self.items:
            if item is None:
                self.debounce.close()
            else:
                self.debounce.read(next(logits) + suspicion, item)

    @property
    def cleared(self) -> int | None:
        """Character up to which this lane lets text leave after `decide`; None: it holds nothing back."""
        first = self.debounce.first
        bounds = [bound for bound in (self.limit, first.start if first else None) if bound is not None]
        return min(bounds, default=None)


class Make(NamedTuple):
    """What lanes of views are made with."""

    views: Views
    tokenizer: Tokenizer
    debounce: Callable[[], Debounce[LaneToken]]
    escalation: Callable[[], Escalation]
    tells_words: bool = False
    """Whether `ViewLane.read` is kept."""


class TextLane:
    """The answer itself."""

    def __init__(self, debounce: Debounce[LaneToken], escalation: Escalation) -> None:
        self._debounce = debounce
        self.escalation = escalation
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
        return Batch(None, [*items, None] if final else items, self._cleared, self._debounce, self.escalation)

    def forget(self, released: int) -> None:
        """Drop what is known of tokens whose text has left."""
        while self._ends and self._ends[0] <= released:
            self._ends.popleft()
            self._first_index += 1

    def before(self, offset: int, count: int) -> int:
        """End of the token `count` tokens before the last one to end by `offset`; 0: it has left already."""
        if count == 0:
            return offset
        at = bisect_right(self._ends, offset) - count
        return self._ends[at - 1] if at > 0 else 0

    def index_at(self, offset: int) -> int:
        """Index of the answer token that the character at `offset` belongs to, of those not released yet."""
        before = sum(1 for end in self._ends if end <= offset)
        return max(0, min(self._first_index + before, self.count - 1))


class ViewLane:
    """A text as one view reads it, and as other views read what this one decoded."""

    def __init__(
        self,
        path: str,
        make: Make,
        *,
        depth: int = DEPTH,
        locate: Callable[[int], int] = lambda offset: offset,
    ) -> None:
        self.path = path
        """Name of its view, after those of the views it reads the output of."""
        self._make = make
        self._depth = depth
        self._locate = locate
        self._view: View | None = None
        self._base = 0
        """Where the text that the view reads starts, in the text of the lane above."""
        self._committer = Committer(make.tokenizer)
        self.debounce = make.debounce()
        self.escalation = make.escalation()
        self._items: list[LaneToken | None] = []
        self._decoded_starts: list[int] = []
        self._sources: list[int] = []
        """Where the pieces of the open disguise start, in the decoded text and in the answer."""
        self._decoded = 0
        self._count = 0
        self.is_open = False
        """Whether a disguise is open that something was decoded of."""
        self.read = Spans()
        """The parts of the answer of which it made text that can be read."""
        self._read_to = -1
        self._inner: list[ViewLane] = []

    @property
    def pending_start(self) -> int | None:
        """Character of the answer from which this lane has not read it; None when it has read all."""
        start = self._view.pending_start if self._view else None
        source = None if start is None else self._locate(self._base + start)
        if not self.is_open or not self._committer.pending:
            return source
        committed = self._source(self._committer.pending_start)
        return committed if source is None else min(source, committed)

    def awake(self) -> list["ViewLane"]:
        """Of this lane and those that read what it decodes, all that ever had something to score, or hold back now."""
        is_quiet = self._count == 0 and (self._view is None or self._view.pending_start is None)
        inner = [lane for below in self._inner for lane in below.awake()]
        return inner if is_quiet else [self, *inner]

    def push(self, segment: str, start: int) -> None:
        """Read on: a segment and where it starts in the text of the lane above."""
        if self._view is None:
            self._view, self._base = self._make.views[self.path.rpartition("/")[2]](), start
        pieces = self._view.push(segment)
        if pieces:
            self._take(pieces)
        if self.is_open and self._view.pending_start is None:
            self._close()

    def finish(self) -> None:
        """The text above, or its disguise, ends here; one that is pushed later is another one."""
        if self._view:
            self._take(self._view.finish())
            self._view = None
        self._close()

    def batch(self) -> Batch:
        """Everything decoded and committed since the last batch."""
        items, self._items = self._items, []
        return Batch(self.path, items, self.pending_start, self.debounce, self.escalation)

    def _take(self, pieces: list[Decoded]) -> None:
        for piece in pieces:
            text = piece.text
            if piece.opens:
                self._close()
                text = "\n" + text if self._decoded else text
            if not self.is_open:
                self._open()
            self._decoded_starts.append(self._decoded)
            self._sources.append(self._locate(self._base + piece.start))
            self._decoded += len(text)
            self._commit(self._committer.push(text))

    def _open(self) -> None:
        self.is_open = True
        if self._depth > 1 and not self._inner:
            paths = [f"{self.path}/{name}" for name in self._make.views]
            self._inner = [ViewLane(path, self._make, depth=self._depth - 1, locate=self._source) for path in paths]

    def _close(self) -> None:
        if not self.is_open:
            return
        self._commit(self._committer.finish())
        self._items.append(None)
        for lane in self._inner:
            lane.finish()
        self._decoded_starts.clear()
        self._sources.clear()
        self._read_to = -1
        self.is_open = False

    def _commit(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            for token in segment.tokens:
                source = self._source(token.start)
                self._items.append(LaneToken(token.id, source, source, place=self._count))
                self._count += 1
            if self._make.tells_words and not any(word.is_spelt for word in words(segment)):
                self.read.add(
                    self._source(segment.start), self._source(segment.end - 1), joins=segment.start == self._read_to
                )
                self._read_to = segment.end
            for lane in self._inner:
                lane.push(segment.text, segment.start)

    def _source(self, decoded: int) -> int:
        """Where in the answer a character of the decoded text was read from."""
        return self._sources[max(0, bisect_right(self._decoded_starts, decoded) - 1)]
