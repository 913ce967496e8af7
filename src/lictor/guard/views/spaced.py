"""Read words whose letters are set apart: "h e l l o  w o r l d", "h-e-l-l-o", "h.e.l.l.o".

In: text. Out: the letters joined, for every run of at least `RUN_LETTERS` single letters or digits with one same
separator character between them. Whitespace, or the separator up to `GAP_CHARS` times, is a gap between words.
"""

import re

from lictor.guard.views.protocol import Decoded

RUN_LETTERS = 6
SUSPECT_LETTERS = 3
"""Single letters from which on text is held back: fewer are common in plain text."""
GAP_CHARS = 5
_SINGLE = re.compile(r"(?<![^\W_])[^\W_](?![^\W_])")


class SpacedView:
    """Runs of single letters as the words they spell."""

    pending_limit = (RUN_LETTERS + 1) * (1 + GAP_CHARS)

    def __init__(self) -> None:
        self._offset = 0
        self._letters: list[Decoded] = []
        """Letters of the run that were not given out; a gap between words stands before its letter."""
        self._count = 0
        self._fired = False
        self._end = 0
        """Source character after the last letter given out."""
        self._separator = ""
        self._gap = ""
        self._in_word = False
        """Whether the last character was a letter."""

    @property
    def pending_start(self) -> int | None:
        """Where the first letter, or gap, of the open run stands that was not given out."""
        if self._fired:
            return self._end
        return self._letters[0].start if self._count >= SUSPECT_LETTERS else None

    def push(self, segment: str) -> list[Decoded]:
        """Letters known by now to stand alone."""
        if self._count == 0 and not _SINGLE.search(segment):
            self._drop()
            self._in_word = segment[-1].isalnum()
            self._offset += len(segment)
            return []
        decoded: list[Decoded] = []
        for char in segment:
            if char.isalnum():
                self._letter(char)
            else:
                self._between(char, decoded)
            self._offset += 1
        return decoded

    def finish(self) -> list[Decoded]:
        """The last letter, if it stands alone."""
        decoded = self._give_out() if self._in_word else []
        self._drop()
        return decoded

    def _letter(self, char: str) -> None:
        if self._in_word:
            self._drop()  # two letters side by side: a word, and not part of a run
            return
        self._in_word = True
        gap, self._gap = self._gap, ""
        if self._count == 1 and len(gap) == 1:
            self._separator = gap
        if self._count == 0 or gap == self._separator:
            self._add(char, "")
        elif self._count > 1 and all(between == self._separator or between.isspace() for between in gap):
            self._add(char, " " * len(gap))
        else:
            self._restart(char, gap)

    def _add(self, char: str, gap: str) -> None:
        word_gap = " " if gap else ""
        self._letters.append(Decoded(word_gap + char, self._offset - len(gap), self._offset + 1))
        self._count += 1

    def _restart(self, char: str, gap: str) -> None:
        """Start a run anew with another separator; the letter before `gap` may be its first one."""
        last = self._letters[-1] if self._letters and len(gap) == 1 else None
        self._drop()
        if last:
            self._letters, self._count, self._separator = [last._replace(text=last.text[-1])], 1, gap
            self._letters[0] = self._letters[0]._replace(start=last.end - 1)
        self._add(char, "")
        self._in_word = True

    def _between(self, char: str, decoded: list[Decoded]) -> None:
        if self._in_word:
            decoded += self._give_out()
            self._in_word = False
        self._gap += char
        if len(self._gap) > GAP_CHARS:
            self._drop()

    def _give_out(self) -> list[Decoded]:
        if not self._letters or self._count < RUN_LETTERS:
            return []
        pieces, self._letters = self._letters, []
        if not self._fired:
            self._fired = True
            pieces[0] = pieces[0]._replace(opens=True)
        self._end = pieces[-1].end
        return pieces

    def _drop(self) -> None:
        self._letters, self._count, self._fired = [], 0, False
        self._separator = self._gap = ""
