"""Automated attacks on a guard: searches that reword, disguise and lead up to a request, and what they found.

A search is a generator: it yields a `Plan`, is sent the `Reading` of what became of it, and decides what to try next.
`hunt` drives one within a budget. Nothing here calls a guard or a target itself.
"""

from lictor.redteam.attackers import ATTACKERS
from lictor.redteam.hunt import Budget, Tried, hunt
from lictor.redteam.plans import Aim, Plan, Reading, carry_out

__all__ = ["ATTACKERS", "Aim", "Budget", "Plan", "Reading", "Tried", "carry_out", "hunt"]
