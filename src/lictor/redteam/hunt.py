"""Drive an attacker within a budget of queries and seconds. In: an aim, an attacker, a probe. Out: what was tried.

The probe sends an attack to guard and target and says what became of it; the clock comes in as an argument.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lictor.artifacts import fingerprint
from lictor.redteam.attackers import ATTACKERS, Attacker, Search
from lictor.redteam.moves import Moves
from lictor.redteam.plans import Aim, Plan, Reading, carry_out
from lictor.types import Attack

Probe = Callable[[Attack], Reading]
Clock = Callable[[], float]
"""Seconds since any fixed moment."""


class Budget(NamedTuple):
    """What one attacker may spend on one aim."""

    queries: int = 40
    seconds: float = 600.0
    successes: int = 1
    """Different successes after which it stops."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One query: the attempt, and what became of it."""

    attacker: str
    plan: Plan
    attack: Attack
    reading: Reading
    query: int
    """Its number within the attacker's budget for this aim, from 1."""
    seconds: float
    """Time spent on this aim when the reading came."""


def hunt(
    aim: Aim,
    attacker: str,
    moves: Moves,
    probe: Probe,
    budget: Budget,
    *,
    seed: int,
    clock: Clock,
    attackers: Mapping[str, Attacker] = ATTACKERS,
) -> Iterator[Tried]:
    """Every query that the attacker of that name makes for `aim`, as `drive` has it.

    Its random choices depend on the seed, its name and the aim, and on nothing that was hunted before.
    """
    rng = np.random.default_rng(int(fingerprint([seed, attacker, aim.question, aim.wordings[0]]), 16))
    return drive(attackers[attacker](aim, moves, rng), attacker, probe, budget, clock=clock)


def drive(search: Search, name: str, probe: Probe, budget: Budget, *, clock: Clock) -> Iterator[Tried]:
    """Every query of a search, until enough succeeded or the budget is spent.

    An attempt that was made before, word for word, costs no second query.
    """
    known: dict[str, Reading] = {}
    wins, repeats, started = 0, 0, clock()
    plan = next(search)
    while len(known) < budget.queries and wins < budget.successes and clock() - started < budget.seconds:
        attack = carry_out(plan, name)
        reading = known.get(attack.id)
        if reading is None:
            reading = known[attack.id] = probe(attack)
            wins, repeats = wins + (reading.result == "success"), 0
            yield Tried(name, plan, attack, reading, len(known), clock() - started)
        elif (repeats := repeats + 1) > 10 * budget.queries:
            return
        plan = search.send(reading)
