"""Carry a chain of transforms out on a whole Example, or on a text.

In: an Example or text, names of transforms, a seed. Out: a new Example with its lineage, or the changed text.
A step is a transform's name: `base64` changes the prompt, `base64@answer` the answer; a transform that is for answers
only needs no suffix. A changed answer comes with a sentence in the prompt that asks for the change, so that the
conversation makes sense. Knows no dataset and does not choose chains.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from lictor.artifacts import fingerprint
from lictor.augment.describe import Transform, pick
from lictor.augment.registry import get
from lictor.errors import DataError, UsageError
from lictor.types import Conversation, Example, Message


class Step(NamedTuple):
    """A transform, and which side of the conversation it changes."""

    made: Transform
    side: Literal["prompt", "answer"]

    @property
    def name(self) -> str:
        """How it is written in a chain and in `Example.transforms`."""
        return f"{self.made.name}@answer" if self.side == "answer" else self.made.name


def read_step(written: str) -> Step:
    """The step that `name`, `name@prompt` or `name@answer` stands for.

    Raises:
        UsageError: There is no such transform, or it is not for that side.
    """
    made = get(written)
    wanted = written.partition("@")[2] or ("answer" if made.side == "answer" else "prompt")
    if wanted == "prompt" and made.fits("prompt"):
        return Step(made, "prompt")
    if wanted == "answer" and made.fits("answer"):
        return Step(made, "answer")
    raise UsageError(f"step {written!r}: {made.name} is for the side {made.side!r}, not {wanted!r}; drop the suffix")


def apply_chain(example: Example, chain: Sequence[str], seed: int, *, ask: bool = True) -> Example:
    """`example` after the steps of `chain`, in their order.

    Labels, split, rule and source stay. The id is a function of the old id, the chain and the seed; `onset_char` is
    None once the answer has changed.

    Args:
        example: What to change; it is left as it is.
        chain: Steps; later ones work on what earlier ones made. A code must be the last to touch the letters.
        seed: The same seed gives the same example.
        ask: Whether a changed answer is asked for at the end of the last user turn.

    Raises:
        UsageError: The chain is empty or a step of it is unknown.
        DataError: A step needs a user turn or an answer that the example does not have.
    """
    if not chain:
        raise UsageError(f"example {example.id}: expected a chain of at least one transform, got none")
    steps = [read_step(written) for written in chain]
    names = tuple(step.name for step in steps)
    messages = example.messages
    for index, step in enumerate(steps):
        rng = seeded(example.id, names[: index + 1], seed)
        messages = (
            _on_answer(messages, step, rng, example)
            if step.side == "answer"
            else _on_prompt(messages, step, rng, example)
        )
    for_answer = [step.name for step in steps if step.side == "answer"]
    if ask and for_answer:
        rng = seeded(example.id, ("ask", *names), seed)
        at = _last_user(messages, example)
        messages = _with_content(messages, at, ask_for(messages[at].content, for_answer, rng))
    return replace(
        example,
        id=fingerprint([example.id, names, seed, ask]),
        messages=messages,
        transforms=(*example.transforms, *names),
        parent=example.id,
        onset_char=None if for_answer else example.onset_char,
    )


class CarriedOut(NamedTuple):
    """What a chain makes of an attack."""

    messages: Conversation
    output_chain: tuple[str, ...]
    """What the target is to do to its answer."""
    family: str
    """Families of the transforms, joined by `+`; `plain` without any."""


def carry_out(
    asked: Conversation, chain: Sequence[str], seed: int, *, prompt_key: str, answer_key: str | None
) -> CarriedOut:
    """The attack that `chain` makes of `asked`, which ends with a user turn.

    Args:
        asked: The turns before the chain.
        chain: Steps on the prompt, which change it, and on the answer, which it then asks for.
        seed: The same seed and keys give the same attack.
        prompt_key: With the seed, what the steps on the prompt are drawn by.
        answer_key: What the words that ask for the steps on the answer are drawn by; None asks for none.
    """
    steps = [read_step(written) for written in chain]
    on_prompt = [step.name for step in steps if step.side == "prompt"]
    on_answer = tuple(step.name for step in steps if step.side == "answer")
    if on_prompt:
        asked = apply_chain(Example(prompt_key, "", asked, None, None, None, "attack"), on_prompt, seed).messages
    if on_answer and answer_key is not None:
        text = ask_for(asked[-1].content, on_answer, seeded(answer_key, on_answer, seed))
        asked = (*asked[:-1], Message("user", text))
    return CarriedOut(asked, on_answer, family_of(chain))


def family_of(chain: Sequence[str]) -> str:
    """Families of the transforms of a chain, joined by `+`; `plain` without any."""
    return "+".join(dict.fromkeys(get(step).family for step in chain)) or "plain"


def disguise(text: str, chain: Sequence[str], rng: np.random.Generator) -> str:
    """`text` as the answer of a model that carries out an output chain perfectly; sides in the steps are ignored.

    Raises:
        UsageError: A transform is unknown or not for answers.
    """
    for made in _for_answers(chain):
        text = made.apply(text, rng)
    return text


def ask_for(text: str, chain: Sequence[str], rng: np.random.Generator) -> str:
    """The prompt `text`, followed by sentences asking for `chain` on the answer; sides in the steps are ignored.

    Raises:
        UsageError: A transform is unknown or not for answers.
    """
    asked = [pick(made.asks, rng) for made in _for_answers(chain)]
    return "\n\n".join([text, " Then: ".join(asked)])


def seeded(example_id: str, names: Sequence[str], seed: int) -> np.random.Generator:
    """A generator that depends on nothing but these."""
    return np.random.default_rng(int(fingerprint([example_id, list(names), seed]), 16))


def _for_answers(chain: Sequence[str]) -> list[Transform]:
    return [read_step(f"{get(written).name}@answer").made for written in chain]


def _on_prompt(messages: Conversation, step: Step, rng: np.random.Generator, example: Example) -> Conversation:
    at = _last_user(messages, example)
    if step.made.opening is not None:
        return _open(messages, at, step.made.opening(rng))
    if step.made.spread is not None:
        return (*messages[:at], *step.made.spread(messages[at].content, rng), *messages[at + 1 :])
    return _with_content(messages, at, step.made.to_prompt(messages[at].content, rng))


def _on_answer(messages: Conversation, step: Step, rng: np.random.Generator, example: Example) -> Conversation:
    if not messages or messages[-1].role != "assistant":
        raise DataError(
            f"example {example.id}: step {step.name!r} needs an answer, but the last turn is not the assistant's"
        )
    return _with_content(messages, len(messages) - 1, step.made.apply(messages[-1].content, rng))


def _open(messages: Conversation, at: int, turns: Conversation) -> Conversation:
    """System turns join the system turn at the top; all others go right before the turn at `at`."""
    system = "\n\n".join(turn.content for turn in turns if turn.role == "system")
    talk = tuple(turn for turn in turns if turn.role != "system")
    opened = (*messages[:at], *talk, *messages[at:])
    if not system:
        return opened
    if opened[0].role == "system":
        return _with_content(opened, 0, f"{opened[0].content}\n\n{system}")
    return (Message("system", system), *opened)


def _with_content(messages: Conversation, at: int, content: str) -> Conversation:
    return (*messages[:at], replace(messages[at], content=content), *messages[at + 1 :])


def _last_user(messages: Conversation, example: Example) -> int:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user":
            return index
    raise DataError(f"example {example.id}: expected a user turn to change, found none")
