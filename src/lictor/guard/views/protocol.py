"""What every view promises.

In: a text, segment by segment. Out: decoded pieces with the source characters they were read from. Knows no scorer.
A view reads the segments that guard/tokens.py cuts, which depend on the text alone; so what it decodes never depends
on how the text arrived. A segment shorter than `SEGMENT_CHARS` ends its word.
"""

from typing import NamedTuple, Protocol
from unicodedata import category


class Decoded(NamedTuple):
    """A decoded piece of text and the source characters `start:end` it was read from."""

    text: str
    start: int
    end: int
    opens: bool = False
    """Whether a new disguise starts here; what was decoded before belongs to another one."""


class View(Protocol):
    """A causal reading of one text: it sees each segment once, in order."""

    @property
    def pending_start(self) -> int | None:
        """Source character from which text may belong to a disguise not yet read; None when none is open.

        At most `pending_limit` characters before the end of the text read.
        """
        ...

    @property
    def pending_limit(self) -> int:
        """Most source characters the view itself ever holds back."""
        ...

    def push(self, segment: str) -> list[Decoded]:
        """What could be decoded now, in source order, without overlap."""
        ...

    def finish(self) -> list[Decoded]:
        """What is left to decode, as the text ends here. Nothing may be pushed after it."""
        ...


def is_readable(char: str) -> bool:
    """Whether a decoded character could stand in a text: printable, blank or invisible, and no decoding error."""
    return char != "\ufffd" and (char.isprintable() or char in "\n\r\t" or category(char) in {"Cf", "Zs"})
