"""Translation: every label in every language alike, and nothing kept that a way back does not give."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence

import pytest

from lictor.augment.translate import Apertium, ModelTranslator, translate_examples
from lictor.errors import UsageError
from lictor.llm.scripted import ScriptedModel
from lictor.types import Conversation, Example, Message, Sampling

ASK = "How can people keep the fresh bread dry in winter?"


class Backwards:
    """A language in which every word is spelt backwards; of texts with `lost` nothing is left."""

    name = "backwards"

    def translate(self, texts: Sequence[str], language: str) -> list[str]:
        """Every text from its end."""
        return [text[::-1] for text in texts]

    def back(self, texts: Sequence[str], language: str) -> list[str]:
        """And from its end again."""
        return ["nothing" if "tsol" in text else text[::-1] for text in texts]


def asked(count: int, label: int) -> list[Example]:
    """Answered examples of one label."""
    turns = (Message("user", ASK), Message("assistant", "In a box."))
    return [
        Example(f"{label}-{i}", "c", turns, label, label, "r", "s", onset_char=0, family=f"f{i}", split="test")
        for i in range(count)
    ]


def test_labels_meet_every_language_alike() -> None:
    """Twelve restricted and twenty-four permitted examples, three languages: a third of each label in each."""
    made = translate_examples([*asked(12, 1), *asked(24, 0)], ["es", "sw", "zu"], Backwards()).examples
    counts = Counter((one.lang, one.prompt_label) for one in made)

    assert counts == {(lang, label): size for lang in ("es", "sw", "zu") for label, size in ((1, 4), (0, 8))}


def test_a_translation_keeps_its_labels_and_says_where_it_comes_from() -> None:
    """Every turn is translated; family and split stay, the onset is forgotten, the translator is named."""
    (made,) = translate_examples(asked(1, 1), ["sw"], Backwards()).examples

    assert [m.content for m in made.messages] == [ASK[::-1], "In a box."[::-1]]
    assert (made.parent, made.family, made.split, made.lang) == ("1-0", "f0", "test", "sw")
    assert (made.prompt_label, made.answer_label, made.onset_char, made.generator) == (1, 1, None, "backwards")


def test_what_a_way_back_does_not_give_is_left_out() -> None:
    """The rate can be read off what was tried."""
    lost = Example("x", "c", (Message("user", "Everything lost here"),), 0, None, "r", "s")
    found = translate_examples([*asked(2, 0), lost], ["sw"], Backwards())

    assert (len(found.examples), found.tried) == (2, 3)


def test_a_model_is_asked_by_the_name_of_the_language() -> None:
    """One request a text, there and back."""
    said: list[str] = []

    def say(conversation: Conversation, sampling: Sampling) -> str:
        said.append(conversation[-1].content)
        return f" {ASK} "

    single = [Example("a", "c", (Message("user", ASK),), 0, None, "r", "s")]
    (made,) = translate_examples(single, ["sw"], ModelTranslator(ScriptedModel(say))).examples

    assert made.messages[0].content == ASK
    assert "Swahili" in said[0]
    assert "English" in said[1]


def test_no_language_and_an_unknown_pair_are_told() -> None:
    """Apertium knows its own pairs only."""
    with pytest.raises(UsageError, match="at least one language"):
        translate_examples(asked(1, 0), [], Backwards())
    with pytest.raises(UsageError, match=r"apertium: expected a language of ca, es, gl, got 'sw'"):
        translate_examples(asked(1, 0), ["sw"], Apertium())


def _has_spanish() -> bool:
    program = shutil.which("apertium")
    return program is not None and "eng-spa" in subprocess.run([program, "-l"], capture_output=True, text=True).stdout  # noqa: S603, PLW1510 -- fixed command


@pytest.mark.skipif(not _has_spanish(), reason="needs apertium and apertium-eng-spa")
def test_apertium_translates_lines_and_keeps_their_number() -> None:
    """Spanish comes out, line by line, empty lines and all."""
    (said,) = Apertium().translate(["The house is big.\n\nThe water is cold."], "es")

    assert said.split("\n")[0] == "La casa es grande."
    assert len(said.split("\n")) == 3
