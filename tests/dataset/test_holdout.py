"""Holding out: what training must not see, it does not see, twins and all."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.dataset.holdout import HoldOut, hold_out
from lictor.errors import UsageError
from lictor.types import Example, Split

from .small import example

SPLITS: list[Split] = ["train", "validation", "calibration", "test"]


def twins(count: int = 12) -> list[Example]:
    """Restricted examples, each with a permitted twin in its family, and soup in families of its own."""
    made: list[Example] = []
    for i in range(count):
        split = SPLITS[i % 4]
        made.append(replace(example(f"cast {i}", label=1, family=f"f{i}", split=split), lang="de" if i < 3 else "en"))
        made.append(example(f"ring {i}", family=f"f{i}", split=split))
        made.append(replace(example(f"soup {i}", rule="soup", family=f"s{i}", split=split), source="pool:soup"))
    return made


@pytest.mark.parametrize(
    "what", [HoldOut(rules=("cast",)), HoldOut(languages=("de",)), HoldOut(sources=("pool:soup",))]
)
def test_what_is_held_out_is_tested_on_only(what: HoldOut) -> None:
    """Every held-out example and all of its family stand in the test split; the others stay where they were."""
    before, after = twins(), hold_out(twins(), what)
    families = {example.family for example in before if what.holds(example)}

    assert families
    assert {example.split for example in after if example.family in families} == {"test"}
    assert [e for e in after if e.family not in families] == [e for e in before if e.family not in families]


@settings(deadline=None)
@given(st.sets(st.sampled_from(["cast", "ring", "soup"])))
def test_no_family_is_torn_apart(rules: set[str]) -> None:
    """Whatever is held out, a family has one split."""
    splits: dict[str, set[str]] = {}
    for one in hold_out(twins(), HoldOut(rules=tuple(rules))):
        splits.setdefault(one.family, set()).add(one.split)

    assert all(len(found) == 1 for found in splits.values())


def test_a_name_that_no_example_has_is_told() -> None:
    """A misspelt rule would hold out nothing, silently."""
    with pytest.raises(UsageError, match="rule 'casting'; there are cast, ring, soup"):
        hold_out(twins(), HoldOut(rules=("casting",)))
    with pytest.raises(UsageError, match="language 'fr'; there are de, en"):
        hold_out(twins(), HoldOut(languages=("fr",)))
