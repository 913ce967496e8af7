"""Answers as objects: asked for as JSON, mended where they nearly are, asked for again where they are not.

In: a pydantic model and prompts. Out: objects of it, or None where no attempt gave one. Knows no particular model.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from json_repair import repair_json
from pydantic import BaseModel, ValidationError

from lictor.types import ChatModel, Conversation, Message, Sampling

Shape = TypeVar("Shape", bound=BaseModel)


def complete_as(
    model: ChatModel, shape: type[Shape], prompts: Sequence[str], sampling: Sequence[Sampling], *, attempts: int = 2
) -> list[Shape | None]:
    """One object for each prompt.

    Args:
        model: Whom to ask.
        shape: What the answer must be.
        prompts: What is asked; the wanted shape is added.
        sampling: How each is to be sampled.
        attempts: How often each is asked; from the second time on the model is told what was wrong.
    """
    schema = json.dumps(shape.model_json_schema())
    talks: list[Conversation] = [
        (Message("user", f"{prompt}\n\nAnswer with one JSON object of this schema, and nothing else: {schema}"),)
        for prompt in prompts
    ]
    found: list[Shape | None] = [None] * len(prompts)
    for attempt in range(attempts):
        open_ones = [index for index, made in enumerate(found) if made is None]
        seeds = [replace(sampling[index], seed=sampling[index].seed + attempt) for index in open_ones]
        for index, answer in zip(open_ones, model.complete([talks[i] for i in open_ones], seeds), strict=True):
            read = read_as(shape, answer)
            if isinstance(read, str):
                told = f"That is not what was asked for: {read}. Answer with the JSON object alone."
                talks[index] = (*talks[index], Message("assistant", answer), Message("user", told))
            else:
                found[index] = read
    return found


def read_as(shape: type[Shape], answer: str) -> Shape | str:
    """The object in `answer`, or what is wrong with it. Fences, chatter, missing brackets and quotes are mended."""
    start = answer.find("{")
    if start < 0:
        return "it holds no object"
    try:
        return shape.model_validate(repair_json(answer[start:], return_objects=True))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the object'}: {first['msg'].lower()}"
