"""Objects out of answers that small models give."""

import pytest
from pydantic import BaseModel, Field

from lictor.llm.scripted import ScriptedModel
from lictor.llm.structured import complete_as, read_as
from lictor.types import Conversation, Sampling


class Stages(BaseModel):
    """What is asked for."""

    way: str
    stages: list[str] = Field(min_length=1)


WANTED = Stages(way="a quiz", stages=["greet", "ask"])


@pytest.mark.parametrize(
    "answer",
    [
        '{"way": "a quiz", "stages": ["greet", "ask"]}',
        'Sure! Here it is:\n```json\n{"way": "a quiz", "stages": ["greet", "ask"]}\n```\nAnything else?',
        "{'way': 'a quiz', 'stages': ['greet', 'ask',]}",
        '{"way": "a quiz", "stages": ["greet", "ask"',
        '{way: "a quiz", stages: ["greet", "ask"]}',
    ],
)
def test_what_is_nearly_json_is_mended(answer: str) -> None:
    """Fences, chatter, single quotes, trailing commas, an end that was cut off."""
    assert read_as(Stages, answer) == WANTED


@pytest.mark.parametrize(
    ("answer", "told"),
    [("I'd rather not.", "no object"), ('{"way": "x", "stages": []}', "stages"), ('{"stages": ["a"]}', "way")],
)
def test_what_is_not_the_object_is_told(answer: str, told: str) -> None:
    """The message names what is wrong, for the model to mend."""
    assert told in str(read_as(Stages, answer))


def test_a_model_is_told_what_was_wrong_and_asked_again() -> None:
    """Only where it was; and None is left where no attempt helped."""
    asked: list[Conversation] = []

    def script(conversation: Conversation, _: Sampling) -> str:
        asked.append(conversation)
        if "first" in conversation[0].content or ("second" in conversation[0].content and len(conversation) == 3):
            return WANTED.model_dump_json()
        return '{"way": "a quiz"}'

    found = complete_as(ScriptedModel(script), Stages, ["first", "second", "third"], [Sampling()] * 3)

    assert found == [WANTED, WANTED, None]
    assert len(asked) == 5
    assert "stages: field required" in asked[3][-1].content
