"""Characters exchanged for look-alikes or joined by invisible ones. In: text. Out: text a person still reads."""

import numpy as np

from lictor.augment.describe import SLOT, asks_for, carriers_for, pick, transform

_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_UNLEET = str.maketrans("431057", "aeiost")
_LATIN = "aceijopsxyhABCEHKMOPTX"
_CYRILLIC = "асеіјорѕхуһАВСЕНКМОРТХ"
_LOOKALIKE = dict(zip(_LATIN, _CYRILLIC, strict=True))
_PLAIN = str.maketrans(_CYRILLIC, _LATIN)
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060")
_TAG_BASE = 0xE0000


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


@transform(
    family="character",
    side="both",
    kind="hide",
    reversible=True,
    decode=_from_tags,
    view="invisible",
    carriers=carriers_for("in invisible Unicode tag characters"),
    asks=asks_for("in invisible Unicode tag characters"),
)
def unicode_tags(text: str, rng: np.random.Generator) -> str:
    """ASCII characters as the invisible tag characters of Unicode; others stay."""
    return "".join(
        chr(_TAG_BASE + ord(character)) if 0x20 <= ord(character) <= 0x7E else character for character in text
    )
