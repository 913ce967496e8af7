"""A baseline that asks a chat model, with the constitution before it, how restricted a prompt or a last answer is.

In: a constitution, a chat model. Out: an InputScorer. Knows no policy. A reply without a number is a scorer's failure,
which blocks and is counted as an error.

Cites: CC1 §5 compares with a prompted model without examples.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from lictor.constitution import Constitution
from lictor.types import ChatModel, Conversation, Message, Sampling

_NUMBER = re.compile(r"(?<![\d.])(?:10|\d)(?![\d])")
_ANSWER = Sampling(max_tokens=8, temperature=0.0)


@dataclass(frozen=True)
class PromptedJudge:
    """An InputScorer: the model's number from 0 to 10 as a logit."""

    model: ChatModel
    constitution: Constitution

    def fits(self, conversation: Conversation) -> bool:
        """Any conversation is put to the model."""
        return bool(conversation)

    def score(self, conversation: Conversation) -> float:
        """The logit, or NaN where the model gave no number."""
        return self.score_many([conversation])[0]

    def score_many(self, conversations: Sequence[Conversation]) -> list[float]:
        """The logit of each conversation."""
        prompts = [(Message("user", self._prompt(conversation)),) for conversation in conversations]
        return [_logit(said) for said in self.model.complete(prompts, [_ANSWER] * len(prompts))] if prompts else []

    def _prompt(self, conversation: Conversation) -> str:
        name = "screen_answer.md" if conversation[-1].role == "assistant" else "screen.md"
        template = (resources.files("lictor.evaluation") / "prompts" / name).read_text(encoding="utf-8")
        return template.format(
            restricted="\n".join(f"- {rule.text}" for rule in self.constitution.restricted),
            permitted="\n".join(f"- {rule.text}" for rule in self.constitution.permitted),
            dialog="\n".join(f"{message.role}: {message.content}" for message in conversation),
        )


def _logit(said: str) -> float:
    found = _NUMBER.search(said)
    return math.nan if found is None else math.log((int(found[0]) + 0.5) / (10.5 - int(found[0])))
