"""Characters styled, turned, exchanged for look-alikes or joined by marks. In: text. Out: text a person still reads."""

from string import ascii_lowercase, ascii_uppercase

import numpy as np

from lictor.augment.describe import SLOT, asks_for, carriers_for, code, pick, transform

_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_UNLEET = str.maketrans("431057", "aeiost")
_LATIN = "aceijopsxyhABCEHKMOPTX"
_CYRILLIC = "асеіјорѕхуһАВСЕНКМОРТХ"
_LOOKALIKE = dict(zip(_LATIN, _CYRILLIC, strict=True))
_PLAIN = str.maketrans(_CYRILLIC, _LATIN)
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060")
_TAG_BASE = 0xE0000
_LETTERS = ascii_uppercase + ascii_lowercase
_STYLES = (0x1D400, 0x1D5A0, 0x1D5D4, 0x1D670)  # bold, sans-serif, its bold, monospace: capitals, then small letters
_STYLED = tuple(str.maketrans(_LETTERS, "".join(map(chr, range(start, start + 52)))) for start in _STYLES)
_PLAIN_STYLE = {styled: letter for table in _STYLED for letter, styled in table.items()}
_MARKS = "\u033d\u034a\u034b\u034c\u0350\u0351\u0352\u0353\u0354\u0355\u0356\u0357"  # none joins a letter
_UPRIGHT = "abcdefghijkmnpqrtuvwy"
_TURNED = "ɐqɔpǝɟƃɥᴉɾʞɯudbɹʇnʌʍʎ"
_TURN = str.maketrans(_UPRIGHT, _TURNED)
_TURN_BACK = str.maketrans(_TURNED, _UPRIGHT)


def _from_leet(text: str) -> str:
    return text.translate(_UNLEET)


def _from_lookalikes(text: str) -> str:
    return text.translate(_PLAIN)


def _drop_invisible(text: str) -> str:
    return "".join(character for character in text if character not in _INVISIBLE)


def _from_tags(text: str) -> str:
    return "".join(
        chr(ord(character) - _TAG_BASE) if 0x20 <= ord(character) - _TAG_BASE <= 0x7E else character
        for character in text
    )


def _from_styled(text: str) -> str:
    return text.translate(_PLAIN_STYLE)


def _drop_marks(text: str) -> str:
    return "".join(character for character in text if character not in _MARKS)


def _turn_back(text: str) -> str:
    return "\n".join(line[::-1] for line in text.translate(_TURN_BACK).split("\n"))


@transform(
    family="character",
    side="both",
    kind="hide",
    source="CC1 §4, App. 8",
    decode=_from_leet,
    view="leet",
    carriers=(SLOT, *carriers_for("with digits in place of some letters")),
    asks=asks_for("with digits in place of the letters they resemble"),
)
def leet(text: str, rng: np.random.Generator) -> str:
    """Digits for the letters they resemble; digits of the text itself can no longer be told from them."""
    return text.translate(_LEET)


@transform(
    family="character",
    side="both",
    kind="hide",
    decode=_from_lookalikes,
    view="lookalikes",
    asks=asks_for("with Cyrillic letters wherever they look like Latin ones"),
)
def homoglyph(text: str, rng: np.random.Generator) -> str:
    """Cyrillic letters for six in ten of the Latin ones they look like; Cyrillic text becomes ambiguous."""
    chances = rng.random(len(text))
    return "".join(
        _LOOKALIKE.get(character, character) if chance < 0.6 else character
        for character, chance in zip(text, chances, strict=True)
    )


@transform(
    family="character",
    side="both",
    kind="hide",
    reversible=True,
    decode=_drop_invisible,
    view="zero_width",
    asks=asks_for("with a zero-width space inside every word"),
)
def zero_width(text: str, rng: np.random.Generator) -> str:
    """An invisible character after seven in ten of the visible ones."""
    mark = pick(_INVISIBLE, rng)
    chances = rng.random(len(text))
    return "".join(
        character + mark if chance < 0.7 and not character.isspace() else character
        for character, chance in zip(text, chances, strict=True)
    )


@code("in invisible Unicode tag characters", family="character", decode=_from_tags, view="invisible")
def unicode_tags(text: str, rng: np.random.Generator) -> str:
    """ASCII characters as the invisible tag characters of Unicode; others stay."""
    return "".join(
        chr(_TAG_BASE + ord(character)) if 0x20 <= ord(character) <= 0x7E else character for character in text
    )


@transform(
    family="character",
    side="both",
    kind="hide",
    decode=_from_styled,
    view="lookalikes",
    carriers=(SLOT, *carriers_for("in styled letters")),
    asks=asks_for("in the bold letters of mathematics"),
)
def styled_letters(text: str, rng: np.random.Generator) -> str:
    """Mathematical letters, bold, sans-serif or monospaced, for Latin ones."""
    return text.translate(pick(_STYLED, rng))


@transform(
    family="character",
    side="both",
    kind="hide",
    decode=_drop_marks,
    view="lookalikes",
    carriers=(SLOT, *carriers_for("with accents stacked on the letters")),
    asks=asks_for("with a few accents stacked on every letter"),
)
def stacked_marks(text: str, rng: np.random.Generator) -> str:
    """Two to four accents on every letter."""
    return "".join(
        character + "".join(pick(_MARKS, rng) for _ in range(count)) if character.isalpha() else character
        for character, count in zip(text, rng.integers(2, 5, size=len(text)), strict=True)
    )


@transform(
    family="character",
    side="both",
    kind="hide",
    decode=_turn_back,
    view="upside_down/reversed_lines",
    carriers=carriers_for("upside down"),
    asks=asks_for("upside down, each line from its end"),
)
def upside_down(text: str, rng: np.random.Generator) -> str:
    """Each line from its end, in letters given half a turn; capitals become small."""
    return "\n".join(line[::-1] for line in text.lower().split("\n")).translate(_TURN)
