"""Transliteration: English words in the letters of another alphabet. In: text. Out: the same words, spelt in those."""

from string import ascii_lowercase, ascii_uppercase

import numpy as np

from lictor.augment.describe import asks_for, carriers_for, transform

_CYRILLIC = "абцдефгхийклмнопқрстувўҳыз"
_GREEK = "αβχδεφγηιϳκλμνοπϙρστυϐωξψζ"
_HEBREW = "אבצדעפגהיךקלמנסףץרשתוםןחטז"


_LATIN = ascii_uppercase + ascii_lowercase  # small letters last: they win where a sign has no capital


def _spelt(letters: str) -> dict[int, int]:
    return str.maketrans(_LATIN, letters.upper() + letters)


def _read(spelt: dict[int, int]) -> dict[int, int]:
    return {sign: letter for letter, sign in spelt.items()}


_TO_CYRILLIC, _TO_GREEK, _TO_HEBREW = _spelt(_CYRILLIC), _spelt(_GREEK), _spelt(_HEBREW)
_FROM_CYRILLIC, _FROM_GREEK, _FROM_HEBREW = _read(_TO_CYRILLIC), _read(_TO_GREEK), _read(_TO_HEBREW)


def _from_cyrillic(text: str) -> str:
    return text.translate(_FROM_CYRILLIC)


def _from_greek(text: str) -> str:
    return text.translate(_FROM_GREEK)


def _from_hebrew(text: str) -> str:
    return text.translate(_FROM_HEBREW)


@transform(
    family="script",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    decode=_from_cyrillic,
    view="script",
    carriers=carriers_for("in English words, but with Cyrillic letters"),
    asks=asks_for("in English words spelt with Cyrillic letters"),
)
def cyrillic_script(text: str, rng: np.random.Generator) -> str:
    """English spelt in Cyrillic letters; text that has such letters becomes ambiguous."""
    return text.translate(_TO_CYRILLIC)


@transform(
    family="script",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    decode=_from_greek,
    view="script",
    carriers=carriers_for("in English words, but with Greek letters"),
    asks=asks_for("in English words spelt with Greek letters"),
)
def greek_script(text: str, rng: np.random.Generator) -> str:
    """English spelt in Greek letters; text that has such letters becomes ambiguous."""
    return text.translate(_TO_GREEK)


@transform(
    family="script",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    decode=_from_hebrew,
    view="script",
    carriers=carriers_for("in English words, but with Hebrew letters"),
    asks=asks_for("in English words spelt with Hebrew letters"),
)
def hebrew_script(text: str, rng: np.random.Generator) -> str:
    """English spelt in Hebrew letters, which have no capitals; text that has such letters becomes ambiguous."""
    return text.translate(_TO_HEBREW)
