"""What every view promises.

In: text, piece by piece. Out: decoded pieces with the source characters they were read from. Knows no scorer.
A view reads character by character, so what it decodes never depends on how the text was cut.
"""

from typing import NamedTuple, Protocol


class Decoded(NamedTuple):
    """A decoded piece of text and the source characters `start:end` it was read from."""

    text: str
    start: int
    end: int
    opens: bool = False
    """Whether a new disguise starts here; what was decoded before belongs to another one."""


class View(Protocol):
    """A causal reading of one text: it sees each character once, in order."""

    @property
    def name(self) -> str:
        """What decisions call it."""
        ...

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

    @property
    def spread(self) -> int:
        """Most source characters one decoded character is read from."""
        ...

    def push(self, text: str) -> list[Decoded]:
        """What could be decoded now, in source order, without overlap."""
        ...

    def finish(self) -> list[Decoded]:
        """What is left to decode, as the text ends here."""
        ...
