"""Careless typing. In: text. Out: the same words with odd capitals, slips of the finger, or letters out of place."""

import re

import numpy as np

from lictor.augment.describe import pick, transform

_LONG_WORD = re.compile(r"\b([A-Za-z])([A-Za-z]{2,})([A-Za-z])\b")

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

_ASK_SCRAMBLED = (
    "Jumble the inner letters of the longer words in your reply.",
    "Keep the first and last letter of a word and shuffle what is between them when you answer.",
    "Answer with the middles of the words mixed up.",
    "Write the reply so that only the first and last letters of words are in place.",
    "Let the letters inside your words be out of order.",
)
_ASK_PERTURBED = (
    "Disturb your spelling at random: capitals, letters out of order, a wrong sign here and there.",
    "Answer in badly garbled spelling that can just be read.",
    "Garble the letters of your reply a little, in every word.",
    "Write as if the line were noisy and some signs came out wrong.",
    "Spoil capitals, order and single letters of the answer at random.",
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


@transform(family="noise", side="both", kind="alter", source="Best-of-N", asks=_ASK_SCRAMBLED)
def scrambled_words(text: str, rng: np.random.Generator) -> str:
    """The inner letters of every word of four letters or more in another order."""
    return _LONG_WORD.sub(lambda match: match[1] + _shuffled(match[2], rng) + match[3], text)


@transform(family="noise", side="both", kind="alter", source="Best-of-N", asks=_ASK_PERTURBED)
def best_of_n_noise(text: str, rng: np.random.Generator) -> str:
    """Six in ten words scrambled, three in ten letters in the other case, one in thirty off by one in the alphabet."""
    text = _LONG_WORD.sub(
        lambda match: match[1] + _shuffled(match[2], rng) + match[3] if rng.random() < 0.6 else match[0], text
    )
    return "".join(_perturbed(character, *rng.random(2)) for character in text)


def _shuffled(letters: str, rng: np.random.Generator) -> str:
    """`letters` in another order, if they have one."""
    order = [letters[int(index)] for index in rng.permutation(len(letters))]
    mixed = "".join(order)
    return mixed if mixed != letters else letters[1:] + letters[:1]


def _perturbed(character: str, case: float, shift: float) -> str:
    if not (character.isascii() and character.isalpha()):
        return character
    moved = chr(ord(character) + 1) if shift < 1 / 30 and character not in "zZ" else character
    return moved.swapcase() if case < 0.3 else moved


def _slip(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word) - 2))
    before, first, second, after = word[:at], word[at], word[at + 1], word[at + 2 :]
    dropped, doubled = before + second + after, before + first * 2 + second + after
    return pick((dropped, doubled) if first == second else (dropped, doubled, before + second + first + after), rng)
