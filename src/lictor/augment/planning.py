"""Choose which examples go through which chains, so that no wrapper tells restricted from permitted.

In: labelled examples and settings. Out: chains by example, or the augmented examples. Chains are dealt from one deck
to every label alike: examples of equal number get exactly the same chains, others the same shares of them. Knows no
text.

Cites: CC1 §3.2 (compositions of augmentations), §5.1 (held-out transformations).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np

from lictor.augment.compose import Step, apply_chain, seeded
from lictor.augment.registry import families as all_families
from lictor.augment.registry import transforms, unknown
from lictor.errors import UsageError
from lictor.types import Example

DEFAULT_HOLD_OUT = ("morse", "acrostic", "hypothetical", "word_trick")
"""Families kept for evaluation. No guard view decodes the first two; the others stand for wrappers never trained on."""

_ORDER = {"alter": 0, "hide": 1, "wrap": 2, "split": 3}


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """What to deal, and how much of it."""

    families: tuple[str, ...] = ()
    """Families to draw from; empty means all."""
    names: tuple[str, ...] = ()
    """Transforms to draw from; empty means all of the families."""
    per_example: int = 2
    """New examples for each given one."""
    depth: int = 2
    """Longest chain; lengths from one to this are equally frequent."""
    hold_out: tuple[str, ...] = DEFAULT_HOLD_OUT
    """Families and transforms never to be used, whatever the other settings say."""
    seed: int = 0


class Planned(NamedTuple):
    """A chain for an example."""

    example_id: str
    chain: tuple[str, ...]


def plan(
    examples: Sequence[Example],
    *,
    families: Sequence[str] = (),
    names: Sequence[str] = (),
    per_example: int = 2,
    depth: int = 2,
    hold_out: Sequence[str] = DEFAULT_HOLD_OUT,
    seed: int = 0,
) -> list[Planned]:
    """`per_example` chains for each example, balanced over families and matched over labels.

    Within a split, and apart for prompts and answers, every combination of labels is dealt the same deck from its
    start. The deck is as long as the smallest of them needs, but at least one round of all steps, and is dealt again
    when it is used up. A chain has at most one step of a family and one code a side; codes come before what wraps them,
    and splitting comes last.

    Raises:
        UsageError: A name is unknown, nothing is left to draw from, or a number is below one.
    """
    if per_example < 1 or depth < 1:
        raise UsageError(f"per_example and depth must be at least 1, got {per_example} and {depth}")
    steps = _pool(families, names, hold_out)
    planned: dict[str, list[Planned]] = {}
    for (split, has_answer), groups in _grouped(examples).items():
        fitting = [step for step in steps if has_answer or step.side == "prompt"]
        if not fitting:
            raise UsageError("only transforms for answers are left, but some examples have no answer; allow others")
        slots = min(map(len, groups)) * per_example
        rng = seeded(split, [str(has_answer)], seed)
        deck = list(islice(_chains(fitting, depth, rng), max(slots, len(fitting))))
        for group in groups:
            _deal(group, deck, per_example, rng, planned)
    return [item for example in examples for item in planned.pop(example.id, [])]


def augment(examples: Sequence[Example], config: PlanConfig | None = None) -> list[Example]:
    """The new examples that `plan` foresees, in the order of those they come from; the given ones are not among them.

    Raises:
        UsageError: As `plan`.
        DataError: An example lacks the turn a step changes.
    """
    config = config or PlanConfig()
    chosen = plan(
        examples,
        families=config.families,
        names=config.names,
        per_example=config.per_example,
        depth=config.depth,
        hold_out=config.hold_out,
        seed=config.seed,
    )
    by_id = {example.id: example for example in examples}
    return [
        apply_chain(by_id[example_id], chain, config.seed * config.per_example + index % config.per_example)
        for index, (example_id, chain) in enumerate(chosen)
    ]


def _pool(families: Sequence[str], names: Sequence[str], hold_out: Sequence[str]) -> list[Step]:
    """Every step that may be used, on each side it fits."""
    known = transforms()
    _check("family", families, all_families())
    _check("transform", names, known)
    _check("family or transform", hold_out, (*all_families(), *known))
    allowed = [
        made
        for made in known.values()
        if (not families or made.family in families)
        and (not names or made.name in names)
        and made.family not in hold_out
        and made.name not in hold_out
    ]
    if not allowed:
        raise UsageError(f"no transform is left: {list(families) or 'all'} without {list(hold_out)}; hold out fewer")
    return [Step(made, side) for made in allowed for side in ("prompt", "answer") if made.fits(side)]


def _grouped(examples: Sequence[Example]) -> dict[tuple[str, bool], list[list[Example]]]:
    """Examples by split and by whether they end with an answer, then by their labels."""
    grouped: dict[tuple[str, bool], dict[tuple[int | None, int | None], list[Example]]] = {}
    for example in examples:
        labels = (example.prompt_label, example.answer_label)
        by_labels = grouped.setdefault((example.split, example.answer is not None), {})
        by_labels.setdefault(labels, []).append(example)
    return {shape: list(by_labels.values()) for shape, by_labels in grouped.items()}


def _check(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    options = list(known)
    for name in given:
        if name not in options:
            raise unknown(what, name, options)


def _chains(steps: Sequence[Step], depth: int, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """Chains without end: each round starts one with every family, and each family takes its steps in turn."""
    by_family: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        by_family[step.made.family].append(step)
    turns = {
        family: cycle([members[int(i)] for i in rng.permutation(len(members))]) for family, members in by_family.items()
    }
    names = list(turns)
    while True:
        for first in rng.permutation(len(names)):
            others = [names[int(i)] for i in rng.permutation(len(names)) if i != first]
            length = int(rng.integers(1, depth + 1))
            yield _chain(next(turns[names[int(first)]]), others, by_family, length, rng)


def _chain(
    first: Step, others: Sequence[str], by_family: dict[str, list[Step]], length: int, rng: np.random.Generator
) -> tuple[str, ...]:
    chosen = [first]
    for family in others:
        if len(chosen) >= length:
            break
        step = by_family[family][int(rng.integers(len(by_family[family])))]
        if step.made.kind != "hide" or not any(had.made.kind == "hide" and had.side == step.side for had in chosen):
            chosen.append(step)
    return tuple(step.name for step in sorted(chosen, key=lambda step: _ORDER[step.made.kind]))


def _deal(
    group: Sequence[Example],
    deck: Sequence[tuple[str, ...]],
    per_example: int,
    rng: np.random.Generator,
    planned: dict[str, list[Planned]],
) -> None:
    """Deal the deck from its start, to the examples of the group in random order."""
    chains = cycle(deck)
    for index in rng.permutation(len(group)):
        example = group[int(index)]
        planned[example.id] = [Planned(example.id, next(chains)) for _ in range(per_example)]
