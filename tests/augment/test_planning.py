from collections import Counter
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.augment import DEFAULT_HOLD_OUT, PlanConfig, augment, families, get, plan, transforms
from lictor.errors import UsageError
from lictor.types import Example, Message, Split


def example(number: int, label: int, *, answered: bool = False, split: Split = "train") -> Example:
    """An example whose id tells its label."""
    turns = (Message("user", f"Tell me about loaf {number}."), Message("assistant", "It is round. It is brown."))
    return Example(
        id=f"{split}-{label}-{answered}-{number}",
        constitution="c",
        messages=turns if answered else turns[:1],
        prompt_label=label,
        answer_label=label if answered else None,
        rule=None,
        source="synthesis",
        split=split,
    )


def examples(restricted: int, permitted: int, *, answered: bool = False) -> list[Example]:
    """So many of each label."""
    return [
        example(number, label, answered=answered)
        for label, size in ((1, restricted), (0, permitted))
        for number in range(size)
    ]


def chains_by_label(
    given: list[Example], *, per_example: int = 2, depth: int = 2, seed: int = 0
) -> dict[int, Counter[tuple[str, ...]]]:
    """How often each chain was planned for each label."""
    labels = {one.id: one.prompt_label or 0 for one in given}
    counts = {0: Counter[tuple[str, ...]](), 1: Counter[tuple[str, ...]]()}
    for example_id, chain in plan(given, per_example=per_example, depth=depth, seed=seed):
        counts[labels[example_id]][chain] += 1
    return counts


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 40),
    per_example=st.integers(1, 3),
    depth=st.integers(1, 3),
    seed=st.integers(0, 5),
    answered=st.booleans(),
)
def test_equal_numbers_get_exactly_the_same_chains(
    size: int, per_example: int, depth: int, seed: int, answered: bool
) -> None:
    """As many restricted as permitted examples go through the same chains, each as often."""
    given = examples(size, size, answered=answered)
    counts = chains_by_label(given, per_example=per_example, depth=depth, seed=seed)

    assert counts[0] == counts[1]
    assert counts[0].total() == size * per_example


@settings(max_examples=25, deadline=None)
@given(few=st.integers(40, 60), factor=st.integers(2, 4), seed=st.integers(0, 5))
def test_unequal_numbers_get_the_same_shares(few: int, factor: int, seed: int) -> None:
    """With `factor` times as many permitted examples each chain is used exactly `factor` times as often."""
    counts = chains_by_label(examples(few, few * factor), per_example=2, depth=2, seed=seed)

    assert counts[0] == Counter({chain: number * factor for chain, number in counts[1].items()})


@settings(max_examples=25, deadline=None)
@given(restricted=st.integers(1, 80), permitted=st.integers(1, 80))
def test_no_chain_is_seen_with_the_rarer_label_alone(restricted: int, permitted: int) -> None:
    """Every chain the smaller group wears, the larger one wears at least as often."""
    counts = chains_by_label(examples(restricted, permitted))
    rarer, other = (1, 0) if restricted <= permitted else (0, 1)

    assert counts[rarer] <= counts[other]


@settings(max_examples=20, deadline=None)
@given(depth=st.integers(1, 3), per_example=st.integers(1, 4), seed=st.integers(0, 20))
def test_held_out_families_never_train(depth: int, per_example: int, seed: int) -> None:
    """A plan with the default settings holds no step of a held-out family, at any depth."""
    given = examples(20, 20) + examples(20, 20, answered=True)
    planned = plan(given, depth=depth, per_example=per_example, seed=seed)
    used = {get(step).family for _, chain in planned for step in chain}

    assert not used & set(DEFAULT_HOLD_OUT)


def test_families_are_used_evenly() -> None:
    """Chains of one step use every family equally often, give or take one, and every transform of it."""
    planned = plan(examples(150, 150), depth=1, per_example=2, hold_out=())
    by_family = Counter(get(chain[0]).family for _, chain in planned)
    used = {chain[0] for _, chain in planned}

    assert set(by_family) == set(families()) - {"frame"}
    assert max(by_family.values()) - min(by_family.values()) <= 2
    assert used == {name for name, made in transforms().items() if made.fits("prompt")}


def test_a_chain_makes_sense() -> None:
    """A chain has no family twice, at most one code a side, and the code comes before what is put around it."""
    given = examples(200, 200, answered=True)
    for _, chain in plan(given, depth=3, hold_out=()):
        made = [get(step) for step in chain]
        kinds = [one.kind for one in made]
        hidden: list[Literal["prompt", "answer"]] = [
            "answer" if "@answer" in step or get(step).side == "answer" else "prompt"
            for step in chain
            if get(step).kind == "hide"
        ]

        assert len({one.family for one in made}) == len(made)
        assert len(set(hidden)) == len(hidden)
        assert kinds == sorted(kinds, key=("alter", "hide", "wrap", "split").index)


def test_depth_is_reached() -> None:
    """Chains of every length up to the depth occur."""
    assert {len(chain) for _, chain in plan(examples(50, 50), depth=3)} == {1, 2, 3}


def test_splits_are_matched_each_for_itself() -> None:
    """Within validation, too, both labels wear the same chains."""
    given = examples(30, 30) + [example(number, label, split="validation") for label in (0, 1) for number in range(7)]
    validation = [item for item in plan(given) if item.example_id.startswith("validation")]
    by_label = [
        Counter(chain for name, chain in validation if name.startswith(f"validation-{label}")) for label in (0, 1)
    ]

    assert by_label[0] == by_label[1]
    assert by_label[0].total() == 14


def test_the_plan_can_be_for_held_out_families_only() -> None:
    """Evaluation asks for exactly the families that training never saw."""
    planned = plan(examples(20, 20), families=DEFAULT_HOLD_OUT, hold_out=(), depth=1)

    assert {get(chain[0]).family for _, chain in planned} == set(DEFAULT_HOLD_OUT)


def test_wrong_settings_are_refused() -> None:
    """An unknown family, an empty pool, a depth of nought, and answer steps for prompts each have their error."""
    given = examples(1, 1)
    with pytest.raises(UsageError, match="encoding"):
        plan(given, families=["encodings"])
    with pytest.raises(UsageError, match="no transform is left"):
        plan(given, families=["morse"])
    with pytest.raises(UsageError, match="at least 1"):
        plan(given, depth=0)
    with pytest.raises(UsageError, match="have no answer"):
        plan(given, families=["frame"])


def test_augment_makes_what_was_planned() -> None:
    """The new examples follow the plan in its order, have ids of their own and are the same for the same seed."""
    given = examples(12, 12, answered=True) + examples(12, 12)
    config = PlanConfig(per_example=3, depth=2, seed=4)
    made = augment(given, config)

    planned = plan(given, per_example=3, depth=2, seed=4)
    assert [one.parent for one in made] == [item.example_id for item in planned]
    assert [one.transforms for one in made] == [item.chain for item in planned]
    assert len({one.id for one in made}) == len(made) == 144
    assert made == augment(given, config)


def test_one_transform_many_times_gives_different_examples() -> None:
    """When only one transform is left, the copies of an example still differ in id."""
    made = augment(examples(3, 3), PlanConfig(names=("novel_scene",), per_example=4))

    assert len({one.id for one in made}) == 24
