"""Read letters exchanged by a fixed rule: moved along the alphabet (rot-n), mirrored in it (Atbash), or both.

In: words. Out: words with their letters put back. A sign is a word that is a common one when put back; text without
any, such as reversed text moved along, is told by how often its letters occur.
"""

from collections.abc import Sequence
from functools import cache
from string import ascii_lowercase

from lictor.guard.views.english import COMMON, fit, letter_counts
from lictor.guard.views.words import core, verdicts

ATBASH = tuple(range(-26, 0))
ROTATIONS = tuple(range(1, 26))
SIGNS = 3
SIGN_CHARS = 3
GUESS_LETTERS = 36
GUESS_KINDS = 10
"""Different letters that a guess needs: genes and hashes have fewer."""
PLAIN_FIT = -3.0
CODE_FIT = -3.05
MARGIN = 0.6
"""By how much letters must fit better when put back than as they stand."""


class LetterCipher:
    """Letters exchanged: a key above 0 is how far they were moved; -1 is Atbash, -1 - n Atbash moved back by n."""

    signs_needed = SIGNS

    def __init__(self, keys: Sequence[int]) -> None:
        self._keys = tuple(keys)
        self._verdicts = _verdicts(self._keys)

    def passes(self, segment: str) -> bool:
        """Never: any word may be a sign, or in the clear."""
        return False

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """Keys under which the word hides a common one."""
        return self._verdicts.get(core(segment), ())

    def guess(self, text: str) -> int | None:
        """The key under which the letters are as frequent as in English, if they are not as they stand."""
        counts = letter_counts(text)
        if sum(counts) < GUESS_LETTERS or sum(map(bool, counts)) < GUESS_KINDS:
            return None
        plain = fit(counts)
        if plain >= PLAIN_FIT:
            return None
        fits = {key: fit([counts[_hidden(letter, key)] for letter in range(26)]) for key in self._keys}
        best = max(fits, key=lambda key: fits[key])
        return best if fits[best] >= max(CODE_FIT, plain + MARGIN) else None

    def decode(self, segment: str, key: int) -> str:
        """The segment with its letters put back."""
        return segment.translate(_table(key))


def _plain(letter: int, key: int) -> int:
    """Place in the alphabet of the letter that the one at place `letter` stands for."""
    return (key - letter if key < 0 else letter - key) % 26


def _hidden(letter: int, key: int) -> int:
    """Place of the letter that stands for the one at place `letter`."""
    return (key - letter if key < 0 else letter + key) % 26


@cache
def _table(key: int) -> dict[int, int]:
    plain = "".join(ascii_lowercase[_plain(letter, key)] for letter in range(26))
    return str.maketrans(ascii_lowercase + ascii_lowercase.upper(), plain + plain.upper())


@cache
def _verdicts(keys: tuple[int, ...]) -> dict[str, tuple[int, ...] | None]:
    """Which keys turn a word into a common one, for every word that is none itself."""
    signs: dict[str, tuple[int, ...]] = {}
    for key in keys:
        table = str.maketrans(ascii_lowercase, "".join(ascii_lowercase[_hidden(at, key)] for at in range(26)))
        for word in COMMON:
            if len(word) >= SIGN_CHARS:
                hidden = word.translate(table)
                signs[hidden] = (*signs.get(hidden, ()), key)
    return verdicts(signs, COMMON)
