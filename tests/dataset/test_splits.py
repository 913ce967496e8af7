"""Splits by family: nothing on both sides, every rule everywhere, no move when others come."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.dataset.splits import assign_splits, name_families
from lictor.errors import UsageError
from lictor.types import Example, Split

from .small import example


def asks(count: int, per_family: int = 3) -> list[Example]:
    """Families of a restricted ask and permitted twins."""
    return [
        example(f"{i}-{k}", label=int(k == 0), rule="cast" if k == 0 else "ring", family=f"family {i}")
        for i in range(count)
        for k in range(per_family)
    ]


@given(count=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_a_family_never_stands_on_two_sides(count: int, seed: int) -> None:
    """Whatever the seed, all of a family has one split, and nothing is lost or reordered."""
    made = assign_splits(asks(count), seed=seed)
    splits: dict[str, set[str]] = defaultdict(set)
    for one in made:
        splits[one.family].add(one.split)

    assert [one.id for one in made] == [one.id for one in asks(count)]
    assert all(len(found) == 1 for found in splits.values())


def test_shares_are_met() -> None:
    """With many families each split gets about its share of them."""
    counts = Counter(one.split for one in assign_splits(asks(2000, 1), seed=0))

    assert counts["train"] / 2000 == pytest.approx(0.55, abs=0.03)
    assert counts["validation"] / 2000 == pytest.approx(0.12, abs=0.03)
    assert counts["calibration"] / 2000 == pytest.approx(0.18, abs=0.03)
    assert counts["test"] / 2000 == pytest.approx(0.15, abs=0.03)


@given(seed=st.integers(0, 2**32), few=st.integers(4, 12))
def test_a_rule_with_few_families_is_in_every_split(seed: int, few: int) -> None:
    """Four families of a rule are enough to have it on every side, whatever the hash said."""
    rare = [example(f"rare {i}", rule="soup", family=f"rare {i}") for i in range(few)]
    made = assign_splits(asks(30) + rare, seed=seed)

    assert {one.split for one in made if one.rule == "soup"} == {"train", "validation", "calibration", "test"}
    assert {one.split for one in made if one.rule == "cast"} == {"train", "validation", "calibration", "test"}


def test_nearly_all_families_stay_when_others_come() -> None:
    """Twenty families more move none of a hundred, or only one that had filled a gap."""
    before = {one.id: one.split for one in assign_splits(asks(100), seed=1)}
    after = {one.id: one.split for one in assign_splits(asks(120), seed=1)}

    assert sum(after[name] != split for name, split in before.items()) <= 3


@given(seed=st.integers(0, 2**32))
def test_kept_families_never_move(seed: int) -> None:
    """A family whose earlier split is given keeps it, even where that leaves a gap."""
    before: dict[str, Split] = {one.family: one.split for one in assign_splits(asks(6), seed=0)}
    after = assign_splits(asks(40), seed=seed, keep=before)

    assert {one.family: one.split for one in after if one.family in before} == before


def test_a_split_does_not_depend_on_order() -> None:
    """The same examples the other way round have the same splits."""
    forth = {one.id: one.split for one in assign_splits(asks(25), seed=5)}
    back = {one.id: one.split for one in assign_splits(asks(25)[::-1], seed=5)}

    assert forth == back


def test_another_seed_splits_otherwise() -> None:
    """The seed decides."""
    assert assign_splits(asks(50), seed=0) != assign_splits(asks(50), seed=1)


def test_an_example_without_a_family_joins_that_of_its_ancestors() -> None:
    """The nearest ancestor's family, else the root's id, even if the root itself is gone; cycles end."""
    given_ = [
        example("root"),
        example("child", parent="root"),
        example("grandchild", parent="child"),
        example("named", family="F"),
        example("of named", parent="named"),
        example("orphan", parent="gone"),
        example("a", parent="b"),
        example("b", parent="a"),
    ]

    assert name_families(given_) == ["root", "root", "root", "F", "F", "gone", "a", "a"]


def test_wrong_shares_are_refused() -> None:
    """Shares that do not sum to one are an error, not a surprise."""
    with pytest.raises(UsageError, match="parts of 1"):
        assign_splits(asks(3), seed=0, shares={"train": 0.5, "test": 0.4})


def test_a_split_without_a_share_stays_empty() -> None:
    """Two shares make two splits."""
    made = assign_splits(asks(40), seed=0, shares={"train": 0.8, "test": 0.2})

    assert {one.split for one in made} == {"train", "test"}
