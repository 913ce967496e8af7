"""Put whole families on one side: train, validation, calibration or test.

In: examples, a seed, shares. Out: the same examples with `family` and `split` filled in. A family's split is a hash of
its name, so it stays (but for a few, see `assign_splits`) when others are
added, on any machine. Knows no text and no constitution.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from lictor.artifacts import fingerprint
from lictor.errors import UsageError
from lictor.types import Example, Split

SHARES: Mapping[Split, float] = {"train": 0.55, "validation": 0.12, "calibration": 0.18, "test": 0.15}


def assign_splits(
    examples: Sequence[Example],
    *,
    seed: int,
    shares: Mapping[Split, float] = SHARES,
    keep: Mapping[str, Split] | None = None,
) -> list[Example]:
    """`examples` with the split of their family, every rule in every split as far as its families allow.

    Families are hashed to splits independently of each other. Where that leaves a rule with less than half its fair
    share of a split, families that can be spared move over: only these may move again when more are added, and `keep`
    holds them too.

    Args:
        examples: An example without a family belongs to that of the root of its parents, else to one of its own.
        seed: Another seed gives other splits.
        shares: Share of the families for each split; they sum to 1.
        keep: Splits that families have already, as in an earlier dataset; these stay whatever happens.

    Raises:
        UsageError: The shares name an unknown split or do not sum to 1.
    """
    if set(shares) - set(get_args(Split)) or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise UsageError(f"shares: expected parts of 1 for {', '.join(get_args(Split))}; got {dict(shares)}")
    families = name_families(examples)
    kept = keep or {}
    place = {family: _hashed(family, seed) for family in sorted(set(families))}
    split_of: dict[str, Split] = {family: kept.get(family, _split_at(at, shares)) for family, at in place.items()}
    rules: dict[str, set[str]] = defaultdict(set)
    for example, family in zip(examples, families, strict=True):
        rules[family].add(example.rule or "")
    _fill_gaps(split_of, {f: rules[f] for f in place if f not in kept}, rules, shares, place)
    return [replace(e, family=f, split=split_of[f]) for e, f in zip(examples, families, strict=True)]


def name_families(examples: Sequence[Example]) -> list[str]:
    """The family of each example: its own, else that of its nearest ancestor that has one, else the root's id."""
    by_id = {example.id: example for example in examples}

    def family(example: Example) -> str:
        seen = [example.id]
        while not example.family:
            if example.parent is None:
                return example.id
            if example.parent in seen:
                return min(seen[seen.index(example.parent) :])
            if example.parent not in by_id:
                return example.parent
            example = by_id[example.parent]
            seen.append(example.id)
        return example.family

    return [family(example) for example in examples]


def _hashed(family: str, seed: int) -> float:
    """A number in 0..1 that depends on nothing but these."""
    return int(fingerprint(["split", seed, family]), 16) / 2**64


def _split_at(at: float, shares: Mapping[Split, float]) -> Split:
    total = 0.0
    splits = [split for split in get_args(Split) if shares.get(split, 0) > 0]
    for split in splits:
        total += shares[split]
        if at < total:
            return split
    return splits[-1]


def _fill_gaps(
    split_of: dict[str, Split],
    movable: Mapping[str, set[str]],
    rules: Mapping[str, set[str]],
    shares: Mapping[Split, float],
    place: Mapping[str, float],
) -> None:
    """Move families until each rule has half its fair share in each split, where no rule falls below that elsewhere."""
    held = Counter((rule, split_of[family]) for family, names in rules.items() for rule in names)
    total = Counter(rule for names in rules.values() for rule in names)
    least = {
        (rule, split): max(1, int(shares[split] * count / 2))
        for rule, count in sorted(total.items())
        for split in get_args(Split)
        if shares.get(split, 0) > 0
    }
    for (rule, split), floor in least.items():
        while held[rule, split] < floor:
            spare = [
                family
                for family, names in movable.items()
                if rule in names
                and split_of[family] != split
                and all(held[name, split_of[family]] > least.get((name, split_of[family]), 0) for name in names)
            ]
            if not spare:
                break
            moved = max(spare, key=lambda family: (held[rule, split_of[family]], place[family]))
            held.subtract((name, split_of[moved]) for name in rules[moved])
            held.update((name, split) for name in rules[moved])
            split_of[moved] = split
