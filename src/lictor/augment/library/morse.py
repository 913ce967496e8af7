"""Morse code: a family of its own, held out by default, because no guard view decodes it."""

import numpy as np

from lictor.augment.describe import asks_for, carriers_for, transform

_LETTERS = ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
_DIGITS = "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
_CODE = {
    **dict(zip("abcdefghijklmnopqrstuvwxyz", _LETTERS.split(), strict=True)),
    **dict(zip("0123456789", _DIGITS.split(), strict=True)),
    **{".": ".-.-.-", ",": "--..--", "?": "..--..", "'": ".----.", "/": "-..-.", ":": "---...", "-": "-....-"},
}
_READ = {code: letter for letter, code in _CODE.items()}


def _from_morse(text: str) -> str:
    words = text.split(" / ")
    return " ".join("".join(_READ.get(sign, sign) for sign in word.split()) for word in words)


@transform(
    family="morse",
    side="both",
    kind="hide",
    source="CC1 §3.2",
    decode=_from_morse,
    carriers=carriers_for("in Morse code"),
    asks=asks_for("in Morse code"),
)
def morse(text: str, rng: np.random.Generator) -> str:
    """Morse code; case and spacing are lost, and characters it has no sign for stay as they are."""
    return " / ".join(" ".join(_CODE.get(character, character) for character in word) for word in text.lower().split())
