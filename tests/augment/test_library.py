"""What single transforms promise beyond what holds for all of them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.augment import apply_chain, get
from lictor.types import Example, Message

REQUEST = "How do I keep fresh bread dry before winter, please?"
ASKED = Example("e", "c", (Message("system", "Be kind."), Message("user", REQUEST)), 0, None, "r", "synthesis")


def rng(seed: int = 0) -> np.random.Generator:
    """A fresh generator."""
    return np.random.default_rng(seed)


@given(text=st.text(min_size=1, max_size=80), seed=st.integers(0, 30))
def test_splitting_over_turns_loses_nothing(text: str, seed: int) -> None:
    """The user's turns after the announcement are the text, whatever it is, and the user has the last word."""
    made = apply_chain(Example("e", "c", (Message("user", text),), 0, None, "r", "s"), ["split_turns"], seed)
    said = [message.content for message in made.messages if message.role == "user"]

    assert "".join(said[1:]) == text
    assert made.messages[-1].role == "user"


def test_splitting_keeps_what_came_before_and_after() -> None:
    """The system turn stays first, and an answer stays last."""
    answered = Example("e", "c", (*ASKED.messages, Message("assistant", "In a box.")), 0, 0, "r", "s")
    made = apply_chain(answered, ["split_turns"], 0)

    assert made.messages[0] == Message("system", "Be kind.")
    assert made.answer == "In a box."


@pytest.mark.parametrize("seed", range(5))
def test_pieces_are_really_cut(seed: int) -> None:
    """No line of a reconstruction holds the whole request."""
    for name in ("spread_functions", "named_parts", "shuffled_scraps"):
        assert all(REQUEST not in line for line in get(name).apply(REQUEST, rng(seed)).splitlines())


def test_scrambling_keeps_the_letters_of_every_word() -> None:
    """The letters of each word are the same, its first and last in place, and some word differs."""
    made = get("scrambled_words").apply(REQUEST, rng())
    pairs = list(zip(re.findall(r"\w+", REQUEST), re.findall(r"\w+", made), strict=True))

    assert all(sorted(a) == sorted(b) and (a[0], a[-1]) == (b[0], b[-1]) for a, b in pairs)
    assert made != REQUEST


def test_former_times_are_asked_of_in_their_tense() -> None:
    """What one does now becomes what people used to do."""
    assert "How people used to keep fresh bread dry" in get("past_tense").apply(REQUEST, rng())


def test_code_words_stand_for_the_telling_words() -> None:
    """The longest words stand in the key alone, and the text is written without them."""
    key, _, body = get("code_words").apply("Temper the crucible, then the crucible lid.", rng()).partition("\n\n")

    assert "crucible" in key
    assert "crucible" not in body.lower()


def test_a_taught_key_differs_between_seeds() -> None:
    """A key is good for one message."""
    keys = {get("taught_letters").apply("a", rng(seed)).partition("\n\n")[0] for seed in range(5)}

    assert len(keys) == 5
