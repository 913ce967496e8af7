"""What a synthesis will ask for before it asks: calls and tokens, stage by stage.

In: what synthesis takes, and a look into what is paid for already. Out: an `Estimate` of each stage. It runs the whole
of synthesis on stand-in answers that every filter keeps, so it is what a generator costs that writes nothing useless;
tokens of answers are counted at the most they may hold. Knows no price, no clock and no generator.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lictor.constitution import Constitution
from lictor.synthesis.engine import SynthesisConfig, synthesise
from lictor.synthesis.material import Material
from lictor.types import Conversation, OnAnswer, Sampling

CHARS_PER_TOKEN = 4
Known = Callable[[Conversation, Sampling], str | None]
"""The completion that is paid for already, or None."""


@dataclass
class Estimate:
    """What one stage asks for."""

    stage: str
    calls: int = 0
    """Those that are still to be paid for."""
    known: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """At most."""


def estimate(
    constitution: Constitution, material: Material, config: SynthesisConfig, known: Known, name: str
) -> list[Estimate]:
    """What synthesis with these would ask the model of that name for, in the order it would.

    Raises:
        GenerationError: A rule would be left without a query whatever the generator wrote.
    """
    reckoner = _Reckoner(name, known)
    synthesise(constitution, material, reckoner, config, reckoner.begin)
    return [found for found in reckoner.stages.values() if found.calls or found.known]


class _Reckoner:
    """A chat model that counts, and answers with what is known or a stand-in."""

    def __init__(self, name: str, known: Known) -> None:
        self.name = name
        self.stages: dict[str, Estimate] = {}
        self._known = known
        self._stage = ""

    def begin(self, stage: str, _at: int, _total: int) -> None:
        self._stage = stage

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[str]:
        yield self._answer(conversation, sampling)

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        return [self._answer(c, s) for c, s in zip(conversations, sampling, strict=True)]

    def _answer(self, conversation: Conversation, sampling: Sampling) -> str:
        found = self.stages.setdefault(self._stage, Estimate(self._stage))
        if (known := self._known(conversation, sampling)) is not None:
            found.known += 1
            return known
        found.calls += 1
        found.prompt_tokens += sum(len(message.content) for message in conversation) // CHARS_PER_TOKEN
        found.completion_tokens += sampling.max_tokens
        return stand_in(conversation[-1].content, sampling)


def stand_in(prompt: str, sampling: Sampling) -> str:
    """An answer that every filter keeps: a verdict, a numbered list, the request again, or two sentences."""
    if sampling.max_tokens <= 4:  # voters abstain, so that every label stands
        return (
            "Yes." if "Does the reply deal" in prompt else "No." if "Did the assistant refuse" in prompt else "Perhaps."
        )
    words = np.random.default_rng(sampling.seed).choice(10**6, 60, replace=False)
    if '"Person:" or "Assistant:"' in prompt:
        return "\n".join(
            f"{who}: So w{words[i]}a w{words[-i]}b w{words[2 * i]}c?"
            for i, who in enumerate(("Person", "Assistant", "Person"))
        )
    if counted := re.search(r"(?:Write|Name) (\d+) (?:messages|different)|(?:Write a short text)", prompt):
        return "\n".join(
            f"{i}. What of w{words[i]}a w{words[-i]}b w{words[2 * i]}c?" for i in range(int(counted[1] or 1))
        )
    request = re.search(r"(?:Message|Request|Text): (.+)\n[^\n]*$", prompt)
    said = request[1] if request else prompt[-80:]
    return said if "Rewritten:" in prompt else f"It is a matter of {said} That takes w{words[0]}a in all and is done."
