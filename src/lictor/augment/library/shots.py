"""Questions answered before the request. In: nothing. Out: a few, or many, small exchanges that set a pattern."""

import numpy as np

from lictor.augment.describe import SLOT, opening, pick, transform
from lictor.types import Conversation, Message

_ANSWERED = tuple(
    (question, answer)
    for question, answer in (
        pair.split(" | ")
        for pair in (
            "Which month has the fewest days? | February.",
            "What colour is a ripe lemon? | Yellow.",
            "How many legs has a spider? | Eight.",
            "What is frozen water called? | Ice.",
            "Name a fruit with a stone. | A plum.",
            "What do bees make? | Honey.",
            "Which is the largest ocean? | The Pacific.",
            "What comes after Tuesday? | Wednesday.",
            "How many minutes has an hour? | Sixty.",
            "Name a string instrument. | The cello.",
            "What is half of fifty? | Twenty-five.",
            "Which bird can't fly and swims well? | The penguin.",
            "What is a young dog called? | A puppy.",
            "Name a spice for apple pie. | Cinnamon.",
            "Where does the sun rise? | In the east.",
            "What do you use to open a tin? | A tin opener.",
            "How many players has a football team? | Eleven.",
            "Name a city on the Danube. | Vienna.",
            "What is the opposite of early? | Late.",
            "Which letter comes after M? | N.",
            "What does a baker sell? | Bread.",
            "Name a tree that keeps its needles. | The pine.",
            "How many strings has a violin? | Four.",
            "What do you wear on cold hands? | Gloves.",
        )
    )
)
_LABELS = (("Q", "A"), ("User", "Assistant"), ("Question", "Answer"), ("Input", "Output"), ("She", "He"), ("1", "2"))


@transform(family="shots", side="prompt", kind="wrap", source="CC1 §4, App. 8", carriers=(SLOT,))
def few_shot(text: str, rng: np.random.Generator) -> str:
    """Two to four answered questions in a row, and the request as the next."""
    asked, answered = pick(_LABELS, rng)
    shown = (f"{asked}: {question}\n{answered}: {answer}" for question, answer in _drawn(int(rng.integers(2, 5)), rng))
    return "\n".join([*shown, f"{asked}: {text}", f"{answered}:"])


@opening(family="shots", source="CC1 §4, App. 8")
def many_shot(rng: np.random.Generator) -> Conversation:
    """Twelve to twenty exchanges in which every question was answered at once."""
    shown = _drawn(int(rng.integers(12, 21)), rng)
    return tuple(turn for asked, answer in shown for turn in (Message("user", asked), Message("assistant", answer)))


def _drawn(count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    return [_ANSWERED[int(index)] for index in rng.permutation(len(_ANSWERED))[:count]]
