"""Letters kept, something put between them. In: text. Out: the same letters, pulled apart."""

import re

import numpy as np

from lictor.augment.describe import SLOT, asks_for, carriers_for, pick, transform


def _every_second(text: str) -> str:
    return text[::2]


def _join_words(text: str) -> str:
    return re.sub(r"\S+", lambda match: match[0][::2], text)


def _separate(text: str, mark: str) -> str:
    return re.sub(r"\S+", lambda match: mark.join(match[0]), text)


@transform(
    family="spacing",
    side="both",
    kind="hide",
    source="CC2, output obfuscation",
    reversible=True,
    decode=_every_second,
    view="spaced",
    carriers=(SLOT, *carriers_for("with a space after every letter")),
    asks=asks_for("with a space after every letter"),
)
def spaced(text: str, rng: np.random.Generator) -> str:
    """A space between any two characters, so that a space becomes three."""
    return " ".join(text)


@transform(
    family="spacing",
    side="both",
    kind="hide",
    source="CC2, output obfuscation",
    reversible=True,
    decode=_join_words,
    view="spaced",
    carriers=(SLOT, *carriers_for("with hyphens between the letters of each word")),
    asks=asks_for("with hyphens between the letters of each word"),
)
def hyphenated(text: str, rng: np.random.Generator) -> str:
    """A hyphen between any two characters of a word."""
    return _separate(text, "-")


@transform(
    family="spacing",
    side="both",
    kind="hide",
    source="CC2, output obfuscation",
    reversible=True,
    decode=_join_words,
    view="spaced",
    carriers=(SLOT, *carriers_for("with a small mark between the letters of each word")),
    asks=asks_for("with a full stop between the letters of each word"),
)
def dotted(text: str, rng: np.random.Generator) -> str:
    """A dot, an underscore or an asterisk between any two characters of a word."""
    return _separate(text, pick((".", "_", "*", "·"), rng))
