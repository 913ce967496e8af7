"""Tell text that a scorer can read from text that it cannot: what no view decodes, and a language it does not know.

In: segments with their tokens, and the parts that views have read. Out: where text nobody can read begins. Knows no
score, no policy and no view.

A tokenizer was fitted to the text its model learned from. A word of it is a token or two; what the model has hardly
seen, a cipher or another script, is spelt in pieces of one or two letters. One spelt word means nothing, a name is
one; text in which nearly every word is spelt is text the scorer was never taught to read. Numbers say nothing.
"""

import unicodedata
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from lictor.guard.tokens import CommittedToken, Committer, Segment
from lictor.types import Tokenizer

WINDOW = 16
"""Words in a row that are looked at together."""

SPELT = 12
"""How many of them are spelt where nobody can read them."""

LETTERS_A_TOKEN = 5
"""A word has one token, and another for every so many letters, before it counts as spelt."""


class Word(NamedTuple):
    """A run of letters, or a run of signs without any letter or digit, of two characters or more."""

    start: int
    end: int
    is_spelt: bool


class Legibility:
    """How well one text can be read, as it is written."""

    def __init__(self) -> None:
        self._words: deque[Word] = deque()
        self._window: deque[Word] = deque(maxlen=WINDOW)

    def add(self, segment: Segment) -> None:
        """Take the next segment."""
        self._words.extend(words(segment))

    def judge(self, bound: int | None, read: "Spans | Together") -> int | None:
        """Where the first stretch that nobody can read begins; None if there is none up to `bound`.

        Args:
            bound: Character up to which the views have read the text; None: all of it.
            read: What views made readable text of.
        """
        while self._words and (bound is None or self._words[0].end <= bound):
            word = self._words.popleft()
            self._window.append(word._replace(is_spelt=word.is_spelt and not read.has(word.start)))
            if sum(one.is_spelt for one in self._window) >= SPELT:
                return next(one.start for one in self._window if one.is_spelt)
        return None


class Spans:
    """Parts of a text, from the first to the last, each of them from its first character to its last piece's first."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int, *, joins: bool) -> None:
        """One more part, which does not begin before the last; with `joins`, the last goes on to its end."""
        if joins and self._starts:
            self._ends[-1] = max(end, self._ends[-1])
        else:
            self._starts.append(start)
            self._ends.append(end)

    def has(self, at: int) -> bool:
        """Whether the character at `at` lies in one of them."""
        before = bisect_right(self._starts, at) - 1
        return before >= 0 and at <= self._ends[before]


class Together(NamedTuple):
    """Parts of a text that any of several readers has read."""

    parts: Sequence[Spans]

    def has(self, at: int) -> bool:
        """Whether the character at `at` lies in one of them."""
        return any(spans.has(at) for spans in self.parts)


def words(segment: Segment) -> Iterator[Word]:
    """The words of one segment; its numbers, single letters and single signs are none."""
    runs = list(_runs(segment.text))
    if not runs and not any(char.isdigit() for char in segment.text):
        text = segment.text.strip()
        start = segment.text.find(text)
        runs = [(start, start + len(text))]
    for start, end in runs:
        if end - start > 1:
            place = segment.start + start, segment.start + end
            yield Word(*place, _tokens(segment.tokens, *place) > 1 + (end - start) / LETTERS_A_TOKEN)


def is_legible(tokenizer: Tokenizer, text: str) -> bool:
    """Whether a whole text can be read."""
    committer, legibility = Committer(tokenizer), Legibility()
    for segment in (*committer.push(text), *committer.finish()):
        legibility.add(segment)
    return legibility.judge(None, Spans()) is None


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Where letters stand in a row, with the marks that belong to them."""
    start = None
    for at, char in enumerate(text):
        if char.isalpha() or (start is not None and unicodedata.category(char)[0] == "M"):
            start = at if start is None else start
        elif start is not None:
            yield start, at
            start = None
    if start is not None:
        yield start, len(text)


def _tokens(tokens: Iterable[CommittedToken], start: int, end: int) -> int:
    """How many tokens it takes to write the characters from `start` up to `end`."""
    return sum((token.end > start and token.start < end) or start <= token.start == token.end < end for token in tokens)
