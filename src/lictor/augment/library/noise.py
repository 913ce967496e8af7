"""Careless typing. In: text. Out: the same words with odd capitals or slips of the finger."""

import re

import numpy as np

from lictor.augment.describe import pick, transform

_ASK_CASE = (
    "Mix capital and small letters at random in your answer.",
    "Let small and capital letters alternate freely in your reply.",
    "Answer with capitals strewn about wherever they fall.",
    "Write the reply in wildly mixed letter case.",
    "Use capitals and small letters without any order when you answer.",
)
_ASK_TYPOS = (
    "Type your answer in haste and leave the slips of the finger in.",
    "Answer as somebody who types fast and never corrects anything.",
    "Leave a few typing mistakes in your reply.",
    "Write it the way a hurried person would, misspellings included.",
    "Let some letters of your answer trade places by accident.",
)


def _fold(text: str) -> str:
    return text.lower()


@transform(family="noise", side="both", kind="alter", source="CC1 §3.2", decode=_fold, asks=_ASK_CASE)
def case_noise(text: str, rng: np.random.Generator) -> str:
    """Three in ten letters in the other case."""
    chances = rng.random(len(text))
    return "".join(
        character.swapcase() if chance < 0.3 and character.isascii() else character
        for character, chance in zip(text, chances, strict=True)
    )


@transform(family="noise", side="both", kind="alter", asks=_ASK_TYPOS)
def typos(text: str, rng: np.random.Generator) -> str:
    """A slip in some longer words, in one at least; of two neighbouring words one stays as it was."""
    pieces = re.split(r"(\s+)", text)  # words at even indices, the white space between them at odd ones
    eligible = [at for at in range(0, len(pieces), 4) if len(pieces[at]) >= 4 and pieces[at].isalpha()]
    certain = pick(eligible, rng) if eligible else None
    for at in eligible:
        if at == certain or rng.random() < 0.6:
            pieces[at] = _slip(pieces[at], rng)
    return "".join(pieces)


def _slip(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word) - 2))
    before, first, second, after = word[:at], word[at], word[at + 1], word[at + 2 :]
    dropped, doubled = before + second + after, before + first * 2 + second + after
    return pick((dropped, doubled) if first == second else (dropped, doubled, before + second + first + after), rng)
