"""Read text written backwards: each word on its own, or each line from its end.

In: a text's segments. Out: words turned round where they stand, or whole lines. A sign is a word that is a common one
when turned round. A line longer than `LINE_CHARS` is read in parts, each turned round, so that little is held back.
"""

from functools import cache

from lictor.guard.views.english import COMMON
from lictor.guard.views.protocol import Decoded
from lictor.guard.views.words import WordView, core, verdicts

SIGNS = 3
SIGN_CHARS = 3
LINE_CHARS = 240
_WORDS = {"emit", "era", "evil", "no", "on", "peek", "pets", "saw", "ton", "trap", "tub", "won", "yam", "yaw"}
"""Words of many a plain text that are common ones when turned round."""


class ReversedWords:
    """Words spelt backwards; `turns` says whether decoding turns each word, or leaves that to whoever joins them."""

    signs_needed = SIGNS

    def __init__(self, *, turns: bool = True) -> None:
        self._turns = turns

    def passes(self, segment: str) -> bool:
        """Never: any word may be a sign, or in the clear."""
        return False

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """One key for a common word turned round."""
        return _verdicts().get(core(segment), ())

    def guess(self, text: str) -> int | None:
        """Never: letters turned round occur as often as before."""
        return None

    def decode(self, segment: str, key: int) -> str:
        """The segment with its word turned round."""
        word = segment.lstrip()
        return segment[: len(segment) - len(word)] + word[::-1] if self._turns else segment


class ReversedLines:
    """Lines written backwards as they read from their other end."""

    pending_limit = WordView.pending_limit + LINE_CHARS

    def __init__(self) -> None:
        self._words = WordView(ReversedWords(turns=False))
        self._line: list[Decoded] = []

    @property
    def pending_start(self) -> int | None:
        """Where the line begins that is not at its end."""
        return self._line[0].start if self._line else self._words.pending_start

    def push(self, segment: str) -> list[Decoded]:
        """Lines that are at their end."""
        decoded: list[Decoded] = []
        for piece in self._words.push(segment):
            decoded += self._add(piece)
        if self._words.pending_start is None:
            decoded += self._turn()
        return decoded

    def finish(self) -> list[Decoded]:
        """The last line."""
        self._words.finish()
        return self._turn()

    def _add(self, piece: Decoded) -> list[Decoded]:
        indent = piece.text[: len(piece.text) - len(piece.text.lstrip())]
        breaks = indent.rfind("\n") + 1
        held = sum(len(part.text) for part in self._line)
        decoded = self._turn() if breaks or piece.opens or held >= LINE_CHARS else []
        self._line.append(piece)
        return decoded

    def _turn(self) -> list[Decoded]:
        if not self._line:
            return []
        line, self._line = self._line, []
        text = "".join(piece.text for piece in line)
        indent = text[: len(text) - len(text.lstrip())]
        breaks = indent[: indent.rfind("\n") + 1] or indent[:1]
        return [Decoded(breaks + text[len(breaks) :][::-1], line[0].start, line[-1].end, line[0].opens)]


@cache
def _verdicts() -> dict[str, tuple[int, ...] | None]:
    turned = {word[::-1] for word in COMMON}
    signs = {word: (0,) for word in turned - COMMON - _WORDS if len(word) >= SIGN_CHARS}
    return verdicts(signs, COMMON - turned)
