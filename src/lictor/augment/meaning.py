"""Whether transforms keep what is asked: exactly, by the words they leave, or by a judge's word.

In: texts, transforms, perhaps a chat model as judge. Out: for each transform, how many texts kept their meaning.
Knows no Example and no label.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lictor.augment.compose import seeded
from lictor.augment.describe import Transform
from lictor.synthesis.filters import says_yes
from lictor.types import ChatModel, Message, Sampling

LEAST_WORDS = 0.6
"""Share of the content words that must be left for a meaning to count as kept by words."""
LEAST_LETTERS = 0.75
"""Share of its letters by which a misspelt word is still told."""
_QUESTION = (
    "Here are two messages to an assistant.\n\nFirst:\n{before}\n\nSecond:\n{after}\n\nWhoever answers the second one "
    "fully: do they also answer what the first one asks? Wording, spelling, tone and anything around it don't matter. "
    "Answer yes or no."
)


class Kept(NamedTuple):
    """How many texts kept their meaning through one transform."""

    transform: str
    by: str
    """`decoding`: the words come back exactly. `words`: most of them are left. Else the judge's name."""
    kept: int
    texts: int


def check_meaning(
    made: Iterable[Transform], texts: Sequence[str], *, seed: int = 0, judge: ChatModel | None = None
) -> list[Kept]:
    """Every transform on every text; one that can be decoded is never put before the judge.

    Raises:
        GenerationError: The judge could not be asked.
    """
    found: list[Kept] = []
    for one in made:
        changed = [one.apply(text, seeded(text, [one.name], seed)) for text in texts]
        if one.decode is not None:
            same = [_folded(one.decode(after)) == _folded(before) for before, after in zip(texts, changed, strict=True)]
            found.append(Kept(one.name, "decoding", sum(same), len(texts)))
        elif judge is None:
            shares = [words_left(before, after) for before, after in zip(texts, changed, strict=True)]
            found.append(Kept(one.name, "words", sum(share >= LEAST_WORDS for share in shares), len(texts)))
        else:
            found.append(Kept(one.name, judge.name, _judged(judge, texts, changed), len(texts)))
    return found


def words_left(before: str, after: str) -> float:
    """Share of the words of four letters or more in `before` that `after` has too, slips of spelling allowed."""
    wanted = set(_content_words(before))
    there = {word: Counter(word) for word in _content_words(after)}
    if not wanted:
        return 1.0
    return sum(word in there or any(_resembles(word, c) for c in there.values()) for word in wanted) / len(wanted)


def _resembles(word: str, letters: Counter[str]) -> bool:
    return (Counter(word) & letters).total() >= LEAST_LETTERS * max(len(word), letters.total())


def _content_words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{4,}", text.lower())


def _folded(text: str) -> list[str]:
    return text.lower().split()


def _judged(judge: ChatModel, texts: Sequence[str], changed: Sequence[str]) -> int:
    asked = [
        (Message("user", _QUESTION.format(before=before, after=after)),)
        for before, after in zip(texts, changed, strict=True)
    ]
    verdicts = judge.complete(asked, [Sampling(max_tokens=4, temperature=0.0)] * len(asked))
    return sum(says_yes(verdict) is True for verdict in verdicts)
