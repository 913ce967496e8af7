"""The moves an attacker has: other words, other disguises, on the side where the last attempt was stopped.

In: a plan, and what became of it. Out: a changed plan. Knows no guard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lictor.augment.compose import read_step
from lictor.augment.registry import transforms
from lictor.redteam.plans import Aim, Plan, Reading, fits
from lictor.redteam.rewriting import RULES, Rewrite
from lictor.types import Conversation, Stage

_MAX_STEPS = 2
"""Steps a side; more make requests that no model could still read."""
_MAX_EDITS = 3


def all_steps(hold_out: Sequence[str] = ()) -> tuple[str, ...]:
    """Every step there is, on each side it fits, without held-out families or transforms."""
    return tuple(
        f"{made.name}@{side}"
        for made in transforms().values()
        if made.family not in hold_out and made.name not in hold_out
        for side in ("prompt", "answer")
        if made.fits(side)
    )


@dataclass(frozen=True)
class Moves:
    """What an attacker may do to a request."""

    steps: tuple[str, ...] = field(default_factory=all_steps)
    """Transforms with their side."""
    rules: Mapping[str, Rewrite] = field(default_factory=lambda: RULES)
    """Rewriting rules by name."""
    openings: Sequence[Conversation] = ()
    """Permitted conversations on the subject, to lead up to a request with, or to bury it under."""

    def on(self, side: Stage) -> tuple[str, ...]:
        """The steps of one side, `input` being the prompt's."""
        suffix = "@prompt" if side == "input" else "@answer"
        return tuple(step for step in self.steps if step.endswith(suffix))

    def lead_in(self, rng: np.random.Generator) -> Conversation:
        """Up to eight permitted turns to begin with; half the time, and without any to draw from, none."""
        if not self.openings or rng.random() < 0.5:
            return ()
        drawn = rng.permutation(len(self.openings))[: int(rng.integers(1, 5))]
        return tuple(message for index in drawn for message in self.openings[int(index)])

    def start(self, aim: Aim, rng: np.random.Generator) -> Plan:
        """The bare request in one of its wordings."""
        return Plan(aim, aim.wordings[int(rng.integers(len(aim.wordings)))], seed=int(rng.integers(2**31)))

    def change(self, plan: Plan, reading: Reading, rng: np.random.Generator) -> Plan:
        """`plan` with one move made on the side that stopped it, or sometimes on the other."""
        side: Stage = "output" if reading.stage == "output" else "input"
        if rng.random() < 0.15:
            side = "input" if side == "output" else "output"
        if side == "input" and rng.random() < 0.5:
            return self.reword(plan, rng)
        return self.disguise(plan, side, rng)

    def reword(self, plan: Plan, rng: np.random.Generator) -> Plan:
        """`plan` in other words: one more rule, or another wording once it went through several."""
        if len(plan.edits) >= _MAX_EDITS:
            fresh = self.start(plan.aim, rng)
            return replace(fresh, chain=plan.chain, turns=plan.turns)
        names = [name for name in self.rules if name not in plan.edits] or list(self.rules)
        name = names[int(rng.integers(len(names)))]
        return replace(plan, text=self.rules[name](plan.text, rng), edits=(*plan.edits, name))

    def disguise(self, plan: Plan, side: Stage, rng: np.random.Generator) -> Plan:
        """`plan` with a step of that side added, exchanged, dropped or drawn anew."""
        beside = [step for step in plan.chain if read_step(step).side == ("prompt" if side == "input" else "answer")]
        others = tuple(step for step in plan.chain if step not in beside)
        kept = beside
        if beside and (len(beside) >= _MAX_STEPS or rng.random() < 0.4):
            out = int(rng.integers(len(beside)))
            kept = [step for at, step in enumerate(beside) if at != out]
            if rng.random() < 0.3:
                return replace(plan.with_chain((*others, *kept)), seed=int(rng.integers(2**31)))
        options = [step for step in self.on(side) if fits(read_step(step), (*others, *kept))]
        added = [options[int(rng.integers(len(options)))]] if options else []
        return replace(plan.with_chain((*others, *kept, *added)), seed=int(rng.integers(2**31)))

    def draw(self, aim: Aim, rng: np.random.Generator) -> Plan:
        """A plan drawn blindly: a wording, perhaps a rule, and up to two steps a side."""
        plan = self.start(aim, rng)
        if rng.random() < 0.5:
            plan = self.reword(plan, rng)
        for side in ("input", "output"):
            for _ in range(int(rng.integers(_MAX_STEPS + 1))):
                options = [step for step in self.on(side) if fits(read_step(step), plan.chain)]
                if options:
                    plan = plan.with_chain((*plan.chain, options[int(rng.integers(len(options)))]))
        return plan
