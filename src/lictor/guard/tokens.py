"""Cut text into segments and tokens at places that depend on the text alone.

In: text in arbitrary chunks, and a tokenizer. Out: segments, each with its tokens and the characters they clear.
Knows no score and no policy.

A segment ends before a whitespace character that follows a non-whitespace character, and after
`SEGMENT_CHARS` characters at the latest, so that base64, Chinese or a run of spaces is not held back without bound.
Each segment is tokenised on its own: the token sequence is then the same under any chunking and for any tokenizer.
"""

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from lictor.errors import ScoringError
from lictor.types import Tokenizer

SEGMENT_CHARS = 32
"""Longest segment, in characters; at most one fewer are ever waiting for the end of their segment."""

_WORD = re.compile(r"\s*\S+|\s+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class CommittedToken(NamedTuple):
    """A token whose place in the text is final."""

    id: int
    start: int
    """Character up to which all is cleared once every token before this one is."""
    end: int
    """Character up to which all is cleared once this one is too; equals `start` inside a character."""


class Segment(NamedTuple):
    """A piece of text whose end is known, with its tokens."""

    text: str
    start: int
    tokens: list[CommittedToken]

    @property
    def end(self) -> int:
        """Character after its last one."""
        return self.start + len(self.text)


def segments(text: str) -> list[str]:
    """The segments of a whole text; joined, they are the text."""
    return list(_cut(text))


def tokenise(tokenizer: Tokenizer, segment: str, start: int = 0) -> list[CommittedToken]:
    """Tokens of one segment that starts at character `start`. Lone surrogates reach the tokenizer as U+FFFD.

    Raises:
        ScoringError: The tokenizer broke its contract: no token, or ends that decrease or stop short.
    """
    tokens = tokenizer.encode(_SURROGATE.sub("\ufffd", segment))
    ends = [token.end for token in tokens]
    if not ends or ends != sorted(ends) or ends[0] < 0 or ends[-1] != len(segment):
        raise ScoringError(
            f"tokenizer: expected non-decreasing token ends up to {len(segment)} for a segment, got {ends[-5:]}; "
            "fix its encode()"
        )
    committed: list[CommittedToken] = []
    cleared = 0
    for token, following in zip(tokens, [*ends[1:], None], strict=True):
        # Several tokens may end at one character (the bytes of an emoji): only the last of them clears it.
        end = cleared if following == token.end else token.end
        committed.append(CommittedToken(token.id, start + cleared, start + end))
        cleared = end
    return committed


def encode(tokenizer: Tokenizer, text: str) -> list[CommittedToken]:
    """Tokens of a whole text, exactly those a stream of it commits.

    Raises:
        ScoringError: The tokenizer broke its contract.
    """
    committer = Committer(tokenizer)
    return [token for segment in (*committer.push(text), *committer.finish()) for token in segment.tokens]


class Committer:
    """Reads text in chunks and commits every segment as soon as its end is known."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pieces: deque[str] = deque()
        self._start = 0

    @property
    def pending(self) -> str:
        """Text not committed: at most `SEGMENT_CHARS - 1` characters once `push` was read to its end."""
        return "".join(self._pieces)

    @property
    def pending_start(self) -> int:
        """Character where `pending` starts."""
        return self._start

    def push(self, text: str) -> Iterator[Segment]:
        """Segments that `text` ended; read them all before the next call.

        Raises:
            ScoringError: The tokenizer broke its contract; the text not committed stays `pending`.
        """
        self._pieces = deque(_cut(self.pending + text))
        while len(self._pieces) > 1 or (self._pieces and len(self._pieces[0]) == SEGMENT_CHARS):
            yield self._commit()

    def finish(self) -> Iterator[Segment]:
        """The last segment, if one is waiting. Text pushed later starts a new one.

        Raises:
            ScoringError: The tokenizer broke its contract; the text not committed stays `pending`.
        """
        while self._pieces:
            yield self._commit()

    def _commit(self) -> Segment:
        piece = self._pieces[0]
        segment = Segment(piece, self._start, tokenise(self._tokenizer, piece, self._start))
        self._pieces.popleft()
        self._start += len(piece)
        return segment


def _cut(text: str) -> Iterator[str]:
    for word in _WORD.finditer(text):
        for start in range(word.start(), word.end(), SEGMENT_CHARS):
            yield text[start : min(start + SEGMENT_CHARS, word.end())]
