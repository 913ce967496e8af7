"""Every transform there is, by the same tests: a new one is covered as soon as its file exists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.augment import DEFAULT_HOLD_OUT, Transform, families, transforms

ALL = list(transforms().values())
NAMES = [made.name for made in ALL]
REVERSIBLE = [made for made in ALL if made.reversible and made.decode is not None]
PRINTABLE = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")) | st.just("\n"), max_size=200)
REQUEST = "Please describe how bakers store fresh bread in winter. Which cupboard keeps a wooden tray dry?"
ODD_TEXTS = {
    "empty": "",
    "blank": " \n\t ",
    "emoji": "👩‍🚀 says 🙂👍🏽",
    "cjk": "请问面包怎么保存？日本語もあります。",
    "lone_surrogate": "a\ud83d b\udc00",
    "surrogate_pair": "\ud83d\ude00",
    "controls": "\x00\x1b[31m\r\n\x85\u2028x",
    "slots": "{text} {0} %s \\1 | `x` \"\"\" '''",
    "long": "wide open words " * 1250,
}


LOSES = {
    "typos": 0.5,
    "best_of_n_noise": 1.0,
    "scrambled_words": 0.9,
    "synonym_swap": 0.5,
    "past_tense": 0.2,
    "formal_register": 0.2,
    "text_speak": 0.2,
}
"""Share of the request's words that may come out spelt otherwise."""
LONGEST = {"buried": 600, "many_shot": 200}
"""Words around a request where length is the point; 60 elsewhere."""


def rng(seed: int = 0) -> np.random.Generator:
    """A fresh generator."""
    return np.random.default_rng(seed)


def words(text: str) -> set[str]:
    """The words of `text`, in small letters and without punctuation."""
    return {word.strip(".,?!\"'").lower() for word in text.split()}


def test_there_are_eighty_transforms_of_twenty_families_or_more() -> None:
    """The registry holds at least eighty transforms of at least twenty families, for prompts and for answers."""
    assert len(ALL) >= 80
    assert len(families()) >= 20
    assert sum(made.fits("prompt") for made in ALL) >= 80
    assert sum(made.fits("answer") for made in ALL) >= 40
    assert set(DEFAULT_HOLD_OUT) < set(families())


def test_no_view_undoes_the_codes_that_are_held_out() -> None:
    """The held-out families name no view, so that evaluation has codes the guard cannot read."""
    assert {made.view for made in ALL if made.family in DEFAULT_HOLD_OUT} == {None}


@pytest.mark.parametrize("made", ALL, ids=NAMES)
class TestEveryTransform:
    """What holds for each of them."""

    def test_is_described_completely(self, made: Transform) -> None:
        """Each field of the description is filled in, and only what hides its meaning names a view."""
        described = made.describe()

        for field in ("name", "family", "side", "kind", "source", "description"):
            assert described[field]
        assert made.view is None or (made.kind == "hide" and made.decode is not None)
        assert len(made.description) <= 120

    def test_is_a_function_of_text_and_seed(self, made: Transform) -> None:
        """The same seed gives the same text, alone and as a prompt."""
        assert made.apply(REQUEST, rng(7)) == made.apply(REQUEST, rng(7))
        assert made.to_prompt(REQUEST, rng(7)) == made.to_prompt(REQUEST, rng(7))

    def test_changes_the_text(self, made: Transform) -> None:
        """What comes out is not what went in."""
        assert made.to_prompt(REQUEST, rng()) != REQUEST
        assert made.apply(REQUEST, rng()) != REQUEST

    def test_has_five_wordings_or_more(self, made: Transform) -> None:
        """Over seeds, a transform that adds words adds at least five kinds of them, each of a few dozen words."""
        if made.kind != "wrap":
            assert len(made.carriers) == 1 or len(made.carriers) >= 5
            return
        wordings = {made.to_prompt("SLOT", rng(seed)) for seed in range(200)}

        assert len(wordings) >= 5
        assert max(len(wording.split()) for wording in wordings) <= LONGEST.get(made.name, 60)

    def test_has_five_ways_to_ask_for_it(self, made: Transform) -> None:
        """What may change an answer has at least five sentences that ask for it."""
        assert len(set(made.asks)) >= 5 if made.fits("answer") else made.asks == ()

    def test_keeps_the_words_of_a_request(self, made: Transform) -> None:
        """Every word of a plain request survives, after decoding where there is a code, but for a known share."""
        for seed in range(20):
            changed = made.apply(REQUEST, rng(seed))
            kept = words(made.decode(changed) if made.decode else changed)
            lost = words(REQUEST) - kept
            assert len(lost) <= LOSES.get(made.name, 0) * len(words(REQUEST)), lost

    def test_puts_the_changed_text_into_the_prompt_whole(self, made: Transform) -> None:
        """A prompt holds the changed text as it is, so that nothing of it is lost to the carrier."""
        generator = rng(3)
        changed = made.apply(REQUEST, rng(3))
        assert changed in made.to_prompt(REQUEST, generator)

    def test_takes_any_text(self, made: Transform) -> None:
        """Odd input never raises, and a transform that keeps the text verbatim keeps odd text too."""
        for kind, text in ODD_TEXTS.items():
            changed = made.apply(text, rng())

            made.to_prompt(text, rng())
            if made.kind == "wrap" and not made.reversible:
                assert text in changed, kind
            if made.decode is not None:
                made.decode(changed)


@pytest.mark.parametrize("made", REVERSIBLE, ids=[made.name for made in REVERSIBLE])
@settings(max_examples=60, deadline=None)
@given(text=PRINTABLE, seed=st.integers(0, 99))
def test_gives_back_any_printable_text_if_reversible(made: Transform, text: str, seed: int) -> None:
    """A reversible transform decodes to exactly the text it was given."""
    assert made.decode is not None
    assert made.decode(made.apply(text, rng(seed))) == text
