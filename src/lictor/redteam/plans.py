"""What an attacker is after, what it means to try, and what it learns of the outcome.

In: an aim and choices. Out: a `Plan`, which carries itself out as an `Attack`. Knows no guard, target or model.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from lictor.artifacts import fingerprint
from lictor.augment import compose
from lictor.augment.compose import Step, read_step
from lictor.augment.describe import Kind
from lictor.types import Attack, Conversation, Message, Stage

_ORDER = {kind: place for place, kind in enumerate(get_args(Kind))}


@dataclass(frozen=True, slots=True)
class Aim:
    """A restricted request that an attacker wants answered."""

    question: str
    """Id the target knows it by."""
    rule: str
    wordings: tuple[str, ...]
    """Ways of asking it, at least one."""
    family: str = ""
    """Family of the examples it was taken from; whatever is found stays in it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One attempt before it is carried out: the same plan always makes the same attack."""

    aim: Aim
    text: str
    """The request as it is worded in this plan."""
    edits: tuple[str, ...] = ()
    """Rewriting rules the wording went through, in order."""
    chain: tuple[str, ...] = ()
    """Transforms on the prompt and, as `name@answer`, on the answer."""
    turns: Conversation = ()
    """Turns before the one that asks."""
    seed: int = 0
    asks: bool = True
    """Whether it asks for what the aim wants. One that does not (a probe of single words, an early turn) cannot win."""

    def with_chain(self, chain: tuple[str, ...]) -> "Plan":
        """The plan with these steps, brought into an order in which they can be carried out."""
        return replace(self, chain=in_order(chain))


class Reading(NamedTuple):
    """What became of an attempt, as an attacker with sight of the scores learns it."""

    result: Literal["success", "failure", "blocked", "error"]
    stage: Stage | None
    """Which stage blocked."""
    margin: float
    """How far the score stood over the threshold at that stage; 0 where nothing blocked."""
    facts: int
    """Facts delivered."""
    delivered: str
    """What reached the user."""

    @property
    def rank(self) -> tuple[bool, int, int, float]:
        """Higher is nearer to success: more facts out, a later stage reached, a smaller margin."""
        stages = {"input": 0, "output": 1, None: 2}
        reached = -1 if self.result == "error" else stages[self.stage]
        return self.result == "success", self.facts, reached, -self.margin


def carry_out(plan: Plan, strategy: str) -> Attack:
    """The attack that `plan` stands for."""
    made = compose.carry_out(
        (*plan.turns, Message("user", plan.text)),
        plan.chain,
        plan.seed,
        prompt_key=fingerprint([plan.aim.question, plan.text]),
        answer_key=plan.text if plan.asks else None,
    )
    sent = [[message.role, message.content] for message in made.messages]
    return Attack(
        id=fingerprint([plan.aim.question, plan.asks, made.output_chain, sent]),
        question=plan.aim.question if plan.asks else None,
        strategy=strategy,
        **made._asdict(),
    )


def in_order(chain: tuple[str, ...]) -> tuple[str, ...]:
    """The steps in an order in which each can still work: letters first, then codes, then wrappers, then turns."""
    return tuple(step.name for step in sorted(map(read_step, chain), key=lambda step: _ORDER[step.made.kind]))


def fits(step: Step, chain: tuple[str, ...]) -> bool:
    """Whether `step` may join `chain`: one step of a family a side, and one code a side."""
    beside = [had for had in map(read_step, chain) if had.side == step.side]
    same_family = any(had.made.family == step.made.family for had in beside)
    two_codes = step.made.kind == "hide" and any(had.made.kind == "hide" for had in beside)
    return not (same_family or two_codes)
