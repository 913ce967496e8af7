"""Spoken word games, which work much like a translation. Held out by default."""

import re

import numpy as np

from lictor.augment.describe import asks_for, carriers_for, code, transform

_WORD = re.compile(r"[A-Za-z]+")
_ONSET = re.compile(r"(?:[Qq][Uu]|[^aeiouAEIOU])*")
_VOWELS = re.compile(r"[aeiouAEIOU]+")


def _turn(word: str) -> str:
    onset = _ONSET.match(word)
    cut = onset.end() if onset else 0
    cut = 0 if cut == len(word) else cut
    return f"{word[cut:]}-{word[:cut]}ay"


def _from_pig_latin(text: str) -> str:
    return re.sub(r"([A-Za-z]+)-([A-Za-z]*)ay", r"\2\1", text)


def _from_ub(text: str) -> str:
    return re.sub(r"ub([aeiouAEIOU]+)", r"\1", text)


@transform(
    family="word_trick",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    decode=_from_pig_latin,
    carriers=carriers_for("in pig Latin"),
    asks=asks_for("in pig Latin"),
)
def pig_latin(text: str, rng: np.random.Generator) -> str:
    """The first consonants of a word after a hyphen at its end, then `ay`; hyphens of the text become ambiguous."""
    return _WORD.sub(lambda match: _turn(match[0]), text)


@code("with 'ub' put before the vowels of each word", family="word_trick", decode=_from_ub)
def ub_talk(text: str, rng: np.random.Generator) -> str:
    """The syllable `ub` before every run of vowels."""
    return _VOWELS.sub(lambda match: f"ub{match[0]}", text)
