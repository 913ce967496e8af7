"""What of one choice of an answer may leave: all its channels as one guarded text.

In: pieces of content, reasoning, refusal and tool calls in the order they came, and logits. Out: cleared pieces in
that order, score requests, a halt. A client reads every channel, and what is harmless in each can be harmful together;
so one StreamGuard reads them all, a line break between two channels. A tool's name leaves whole or not at all.
Knows no socket and no clock.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lictor.errors import UsageError
from lictor.guard import StreamGuard
from lictor.guard.stream import StreamStep
from lictor.server.upstream_wire import Piece
from lictor.types import Decision, Halted, Released, ScoreRequest

ChoiceStep = Piece | ScoreRequest | Halted


@dataclass(slots=True)
class _Entry:
    """A piece that was pushed, and how many of its characters were released."""

    piece: Piece | None
    """None: the line break between two channels."""
    length: int
    released: int = 0


class ChoiceGuard:
    """The state of one guarded choice. Drive it as a StreamGuard; without a stream scorer everything passes."""

    def __init__(self, stream: StreamGuard | None) -> None:
        self._stream = stream
        self._entries: deque[_Entry] = deque()
        self._last: tuple[str, int] | None = None
        self._called: set[int] = set()
        """Tool calls that have begun."""
        self.halted: Decision | None = None

    @property
    def decision(self) -> Decision | None:
        """The verdict, where there is one yet."""
        if self.halted or self._stream is None:
            return self.halted
        try:
            return self._stream.decision
        except UsageError:
            return None

    def after_prompt(self, prompt_score: float) -> None:
        """Let the prompt's logit count in its answer's; to be called before any logit is taken."""
        if self._stream:
            self._stream.after_prompt(prompt_score)

    def push(self, piece: Piece) -> list[ChoiceStep]:
        """Take what came next.

        Raises:
            ScoringError: The tokenizer failed; call `failed`.
        """
        if piece.channel == "tool_name":
            if not piece.text and piece.tool in self._called:
                return []  # an id that the endpoint repeats with every part of a call: it breaks no text
            self._called.add(piece.tool)
        text = piece.text
        place = (piece.channel, piece.tool)
        if self._last not in {None, place}:
            self._entries.append(_Entry(None, 1))
            text = "\n" + text
        self._last = place
        self._entries.append(_Entry(piece, len(piece.text)))
        return self._map([Released(text)] if self._stream is None else self._stream.push(text))

    def finish(self) -> list[ChoiceStep]:
        """The choice ends here.

        Raises:
            ScoringError: The tokenizer failed; call `failed`.
        """
        return self._map(self._stream.finish()) if self._stream else []

    def scored(self, request: ScoreRequest, logits: Iterable[float]) -> list[ChoiceStep]:
        """Take the logits of the oldest unanswered request.

        Raises:
            ScoringError: Not one number per token; call `failed`.
        """
        return self._map(self._stream.scored(request.view, list(logits), request.scorer)) if self._stream else []

    def failed(self, reason: str) -> list[ChoiceStep]:
        """Scoring failed: halt, or let all pass where the policy says so."""
        return self._map(self._stream.failed(reason)) if self._stream else []

    def _map(self, steps: Iterable[StreamStep]) -> list[ChoiceStep]:
        found: list[ChoiceStep] = []
        for step in steps:
            match step:
                case Released(text):
                    found += self._release(len(text))
                case Halted(decision):
                    self.halted = decision
                    self._entries.clear()
                    found.append(step)
                case ScoreRequest():
                    found.append(step)
        return found

    def _release(self, count: int) -> list[Piece]:
        """The pieces that the next `count` characters complete or carry on."""
        pieces: list[Piece] = []
        while self._entries:
            entry = self._entries[0]
            taken = min(count, entry.length - entry.released)
            pieces += _cut(entry, taken)
            count -= taken
            entry.released += taken
            if entry.released < entry.length:
                break
            self._entries.popleft()
        return pieces


def _cut(entry: _Entry, taken: int) -> list[Piece]:
    piece = entry.piece
    if piece is None:
        return []
    end = entry.released + taken
    if piece.channel == "tool_name":
        return [piece] if end == entry.length else []
    return [replace(piece, text=piece.text[entry.released : end])] if taken else []
