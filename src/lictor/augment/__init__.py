"""Meaning-preserving changes of text: what they are, how they compose, and who gets which.

A transform is one decorated function in a module of `lictor.augment.library`; nothing else lists it.
`transforms()` finds them, `apply_chain` carries a chain of them out on an Example, `plan` deals chains so that
restricted and permitted examples wear the same ones, and `augment` does both.
"""

from lictor.augment.compose import apply_chain, ask_for, disguise
from lictor.augment.describe import Transform, opening, spreading, transform
from lictor.augment.meaning import Kept, check_meaning
from lictor.augment.planning import DEFAULT_HOLD_OUT, PlanConfig, Planned, augment, plan
from lictor.augment.registry import discover, families, get, transforms

__all__ = [
    "DEFAULT_HOLD_OUT",
    "Kept",
    "PlanConfig",
    "Planned",
    "Transform",
    "apply_chain",
    "ask_for",
    "augment",
    "check_meaning",
    "discover",
    "disguise",
    "families",
    "get",
    "opening",
    "plan",
    "spreading",
    "transform",
    "transforms",
]
