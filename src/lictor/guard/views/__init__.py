"""Decoded readings of text that hides its meaning, scored beside the original.

`VIEWS` names every view there is. A new one is a class that follows `View`, and a line here. A view also reads what
another one decoded, up to `DEPTH` of them in a row: base64 of rot-n is read by `base64/rot`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from lictor.guard.tokens import segments
from lictor.guard.views import escapes, radix
from lictor.guard.views.letters import ATBASH, ROTATIONS, LetterCipher
from lictor.guard.views.lookalikes import Leet, Lookalikes, UpsideDown, ZeroWidth
from lictor.guard.views.protocol import Decoded, View
from lictor.guard.views.reversal import ReversedLines, ReversedWords
from lictor.guard.views.scripts import Places, Scripts
from lictor.guard.views.spaced import SpacedView
from lictor.guard.views.words import WordView

DEPTH = 3
"""Disguises in a row that are read through."""

READINGS = 12
"""Readings of one text from which on it counts as one nobody can check."""

Views = Mapping[str, Callable[[], View]]
"""How to make a fresh view, by name, in the order in which they are scored."""

VIEWS: Views = MappingProxyType(
    {
        "base64": partial(radix.RadixView, radix.BASE64),
        "base64_mirrored": partial(radix.RadixView, radix.MIRRORED_BASE64),
        "base32": partial(radix.RadixView, radix.BASE32),
        "base32_mirrored": partial(radix.RadixView, radix.MIRRORED_BASE32),
        "hex": partial(radix.RadixView, radix.HEX),
        "hex_mirrored": partial(radix.RadixView, radix.MIRRORED_HEX),
        "binary": partial(radix.RadixView, radix.BINARY),
        "binary_mirrored": partial(radix.RadixView, radix.MIRRORED_BINARY),
        "decimal": partial(escapes.EscapeView, escapes.DECIMAL),
        "percent": partial(escapes.EscapeView, escapes.PERCENT),
        "html": partial(escapes.EscapeView, escapes.HTML),
        "backslash": partial(escapes.EscapeView, escapes.BACKSLASH),
        "invisible": partial(escapes.EscapeView, escapes.INVISIBLE),
        "spaced": SpacedView,
        "zero_width": lambda: WordView(ZeroWidth()),
        "lookalikes": lambda: WordView(Lookalikes()),
        "script": lambda: WordView(Scripts()),
        "places": lambda: WordView(Places()),
        "upside_down": lambda: WordView(UpsideDown()),
        "leet": lambda: WordView(Leet()),
        "rot": lambda: WordView(LetterCipher(ROTATIONS)),
        "atbash": lambda: WordView(LetterCipher(ATBASH)),
        "reversed_words": lambda: WordView(ReversedWords()),
        "reversed_lines": ReversedLines,
    }
)
"""Every view there is."""


def view_texts(text: str, views: Views = VIEWS) -> dict[str, str]:
    """The whole text as each view reads it, decoded where it stands, and as views of these readings do.

    Views that find nothing new are left out. No more is read once there are more than `READINGS`.
    """
    readings: dict[str, str] = {}
    level = {"": text}
    for _ in range(DEPTH):
        found: dict[str, str] = {}
        for path, source in level.items():
            cut = segments(source)
            for name, make in views.items():
                reading = _read(source, cut, make())
                if reading is not None and reading not in {text, *readings.values(), *found.values()}:
                    found[f"{path}/{name}" if path else name] = reading
                if len(readings) + len(found) > READINGS:
                    return readings | found
        readings |= found
        level = found
    return readings


def _read(text: str, cut: list[str], view: View) -> str | None:
    pieces = [piece for segment in cut for piece in view.push(segment)] + view.finish()
    if not pieces:
        return None
    parts: list[str] = []
    read = 0
    for piece in pieces:
        parts += [text[read : piece.start] if piece.opens else "", piece.text]
        read = piece.end
    return "".join([*parts, text[read:]])


__all__ = ["DEPTH", "READINGS", "VIEWS", "Decoded", "View", "Views", "view_texts"]
