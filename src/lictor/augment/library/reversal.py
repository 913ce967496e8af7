"""Text written backwards, by line or by word, so that a reader of a stream can still follow."""

import re

import numpy as np

from lictor.augment.describe import code


def _reverse_lines(text: str) -> str:
    return "\n".join(line[::-1] for line in text.split("\n"))


def _reverse_each_word(text: str) -> str:
    return re.sub(r"\S+", lambda match: match[0][::-1], text)


@code(
    "backwards, each line from its end",
    family="reversal",
    source="CC1 §3.2",
    decode=_reverse_lines,
    view="reversed_lines",
)
def reverse_text(text: str, rng: np.random.Generator) -> str:
    """Each line from its last character to its first."""
    return _reverse_lines(text)


@code(
    "with every word spelt backwards",
    family="reversal",
    source="CC1 §3.2",
    decode=_reverse_each_word,
    view="reversed_words",
)
def reverse_words(text: str, rng: np.random.Generator) -> str:
    """Each word spelt backwards, the words in their order."""
    return _reverse_each_word(text)
