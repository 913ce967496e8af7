"""Read characters in disguise: look-alikes, styled and fullwidth letters, invisible ones between, upside down, leet.

In: words. Out: words in plain letters. A sign is a word that nobody types so by accident: one that mixes alphabets,
has invisible characters between its letters, or holds digits and is a common word without them.
"""

import re
from unicodedata import normalize

from lictor.guard.views.confusables import ALPHABETS, INVISIBLE, LEET, STYLED, TURNED
from lictor.guard.views.english import COMMON

STYLED_LETTERS = 3
STACKED_MARKS = 2

_STYLED = ALPHABETS | STYLED
_LEET = re.compile(r"[0-9@$]")
_MARKS = re.compile(r"[\u0300-\u036f\u0488\u0489]")
_FOREIGN = "".join(map(chr, ALPHABETS))
_MIXED = re.compile(f"[A-Za-z][{_FOREIGN}]|[{_FOREIGN}][A-Za-z]")
_INSIDE = re.compile(f"[!-~][{INVISIBLE}]+[!-~]")
_REMOVED = dict.fromkeys(map(ord, INVISIBLE))
_TURNED_LETTERS = frozenset(map(chr, TURNED)) | frozenset("soxzliNHIOSXZ")
_PUNCTUATION = " \t\r\n.,;:!?\"'()[]{}*_"


class Lookalikes:
    """Letters of other alphabets, styles or widths, or under stacked marks."""

    signs_needed = 2

    def passes(self, segment: str) -> bool:
        """Plain ASCII is no disguise."""
        return segment.isascii()

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """One key for a word of look-alikes."""
        return (0,) if _MIXED.search(segment) or _is_styled(segment) else ()

    def guess(self, text: str) -> int | None:
        """Never: only its characters give it away."""
        return None

    def decode(self, segment: str, key: int) -> str:
        """The segment in plain letters."""
        return segment if segment.isascii() else _MARKS.sub("", normalize("NFKC", segment.translate(_STYLED)))


class ZeroWidth:
    """Invisible characters between letters."""

    signs_needed = 2

    def passes(self, segment: str) -> bool:
        """Plain ASCII is no disguise."""
        return segment.isascii()

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """One key for a word with invisible characters inside."""
        return (0,) if _INSIDE.search(segment) else ()

    def guess(self, text: str) -> int | None:
        """Never: only its characters give it away."""
        return None

    def decode(self, segment: str, key: int) -> str:
        """The segment without them."""
        return segment.translate(_REMOVED)


class UpsideDown:
    """Letters given half a turn, in the order in which they stand: backwards, as a rule."""

    signs_needed = 3

    def passes(self, segment: str) -> bool:
        """Plain ASCII is no disguise."""
        return segment.isascii()

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """One key for a word of turned letters alone."""
        if segment.isascii():
            return ()
        word = segment.strip(_PUNCTUATION)
        return (0,) if len(word) > 1 and not word.isascii() and _TURNED_LETTERS.issuperset(word) else ()

    def guess(self, text: str) -> int | None:
        """Never: only its characters give it away."""
        return None

    def decode(self, segment: str, key: int) -> str:
        """The segment with its letters turned upright."""
        return segment.translate(TURNED)


class Leet:
    """Digits and marks for the letters they resemble."""

    signs_needed = 3

    def passes(self, segment: str) -> bool:
        """A word without digits and marks is none."""
        return not _LEET.search(segment)

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """One key for a common word with digits in it."""
        word = segment.strip(_PUNCTUATION).lower()
        if word.isalpha() or len(word) < STYLED_LETTERS or not any(map(str.isalpha, word)):
            return ()
        return (0,) if word.translate(LEET) in COMMON else ()

    def guess(self, text: str) -> int | None:
        """Never: only its words give it away."""
        return None

    def decode(self, segment: str, key: int) -> str:
        """The segment in letters; numbers turn into letters too."""
        return segment.translate(LEET)


def _is_styled(segment: str) -> bool:
    """Whether it holds several letters that only compatibility folding makes plain, or marks stacked on letters."""
    styled = sum(ord(char) in STYLED or _folds(char) for char in segment)
    return styled >= STYLED_LETTERS or len(_MARKS.findall(normalize("NFC", segment))) >= STACKED_MARKS


def _folds(char: str) -> bool:
    return not char.isascii() and (plain := normalize("NFKC", char)).isascii() and plain.isalpha()
