"""How a prompt is sent: as one request, or as a talk that the generator seems to have had."""

import re
from importlib import resources

import pytest

from lictor.llm.scripted import ScriptedModel
from lictor.synthesis.asking import Generator, turns
from lictor.synthesis.material import TURN, Material, read_prompt
from lictor.synthesis.queries import read_generated
from lictor.types import Conversation, Message, Sampling

from .small import CONSTITUTION

TALK = f"How many?\n{TURN}\n1. Two.\n2. >>> or three <<<\n{TURN}\nHow\nmany now?\n{TURN}\nFour.\n{TURN}\n\nAnd now?\n"
TURNS = (
    Message("user", "How many?"),
    Message("assistant", "1. Two.\n2. >>> or three <<<"),
    Message("user", "How\nmany now?"),
    Message("assistant", "Four."),
    Message("user", "And now?"),
)
PROMPTS = sorted(path.name for path in (resources.files("lictor.synthesis") / "prompts").iterdir())


def test_a_prompt_with_marks_is_a_talk() -> None:
    """The user and the assistant take turns; marks within a line are none."""
    assert turns(TALK) == TURNS


def test_a_prompt_without_marks_is_one_request() -> None:
    """Whatever else stands in it: a file's marks, as in a piece of Python, are none in a text that was filled in."""
    text = "Which is more?\n\n>>>\n3\n<<<\n>>> 4 <<<\nAnswer:"

    assert turns(text) == (Message("user", text),)


def test_the_generator_is_sent_the_turns() -> None:
    """Each prompt is a conversation of its own, answered in order."""
    heard: list[Conversation] = []

    def note(conversation: Conversation, _sampling: Sampling) -> str:
        heard.append(conversation)
        return conversation[-1].content

    ask = Generator(ScriptedModel(note), 0, lambda _stage, _done, _all: None)

    assert ask("queries", [TALK, "Which?"], 9, 0.0) == ["And now?", "Which?"]
    assert heard == [TURNS, (Message("user", "Which?"),)]


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_ends_with_a_request(name: str) -> None:
    """Each answer to learn from is marked as one, and none is empty."""
    path = resources.files("lictor.synthesis") / "prompts" / name
    talk = turns(read_prompt(name.removesuffix(".md")))
    marks = re.findall(r"^(?:>>>|<<<)$", path.read_text(encoding="utf-8"), re.MULTILINE)

    assert marks == [">>>", "<<<"] * (len(talk) // 2)
    assert [message.role for message in talk] == ["user", "assistant"] * (len(talk) // 2) + ["user"]
    assert all(message.content for message in talk)
    assert all("{" not in message.content for message in talk[:-1])


@pytest.mark.parametrize(("name", "count"), [("query", 3), ("text_restricted", 1), ("text_permitted", 1)])
def test_samples_are_lists_that_are_read(name: str, count: int) -> None:
    """As many as the generator is asked for."""
    samples = turns(read_prompt(name))[1::2]

    assert len(samples) >= 2
    assert {len(read_generated(CONSTITUTION.rule("soup"), said.content, Material())) for said in samples} == {count}
