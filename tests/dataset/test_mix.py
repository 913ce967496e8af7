"""Joined turns: labels that follow from the parts, no split crossed, no shortcut made."""

from collections import Counter

import pytest

from lictor.dataset.mix import FOLLOW_UPS, join_turns
from lictor.errors import UsageError
from lictor.types import Example, Split

from .small import example


def pool(count: int, split: Split = "train", *, restricted_share: float = 0.25) -> list[Example]:
    """Prompts and exchanges of both labels, each ask with a twin."""
    made: list[Example] = []
    for i in range(count):
        label = int(i % 100 < 100 * restricted_share)
        name, family = f"{split} {i}", f"{split} family {i // 2}"
        made.append(example(f"{name} prompt", label=label, family=family, split=split))
        made.append(example(f"{name} answered", "", f"This is {name}.", label=label, family=family, split=split))
    return made


def parts(joined: Example, examples: list[Example]) -> tuple[Example, Example | None]:
    """The exchange that a joined example starts with, and the example it ends with (None for a follow-up)."""
    by_messages = {one.messages: one for one in examples}
    return by_messages[joined.messages[:2]], by_messages.get(joined.messages[2:])


def test_labels_follow_from_the_last_request() -> None:
    """A request keeps its labels after a permitted exchange; a follow-up has the label of its exchange, no answer."""
    given = pool(400)
    joined = join_turns(given, share=0.5, seed=0)

    assert joined
    for one in joined:
        first, last = parts(one, given)
        if last is None:
            assert one.source == "joined:follow_up"
            assert one.messages[-1].content in FOLLOW_UPS
            assert (one.prompt_label, one.answer_label, one.answer) == (first.prompt_label, None, None)
        else:
            assert first.prompt_label == 0
            assert (one.prompt_label, one.answer_label) == (last.prompt_label, last.answer_label)


def test_no_permitted_request_follows_a_restricted_exchange() -> None:
    """That combination is ambiguous, and never made."""
    given = pool(200)

    for one in join_turns(given, share=1.0, seed=3):
        first, _ = parts(one, given)
        assert not (first.prompt_label == 1 and one.prompt_label == 0)


def test_joined_examples_stay_within_a_split() -> None:
    """Both parts are of the joined example's own split, and its family is that of its last request."""
    given = pool(200) + pool(200, "test")

    for one in join_turns(given, share=0.7, seed=1):
        first, last = parts(one, given)
        assert first.split == one.split
        assert last is None or last.split == one.split
        assert one.family == (last or first).family


@pytest.mark.parametrize("restricted_share", [0.1, 0.25, 0.6])
def test_several_turns_are_no_sign_of_a_label(restricted_share: float) -> None:
    """The joined examples have the labels in the proportion of the given ones, answered or not, follow-up or not."""
    given = pool(600, restricted_share=restricted_share)
    joined = join_turns(given, share=0.5, seed=0)
    kinds = Counter((one.source, one.answer is not None, one.prompt_label) for one in joined)

    for source, answered in {kind[:2] for kind in kinds}:
        restricted, permitted = kinds[source, answered, 1], kinds[source, answered, 0]
        assert restricted / (restricted + permitted) == pytest.approx(restricted_share, abs=0.02)
    assert len(joined) == pytest.approx(0.5 * len(given), abs=2)


def test_where_restricted_answers_are_few_permitted_follow_ups_are_few() -> None:
    """Without restricted exchanges nobody follows up on a permitted one either."""
    given = [one for one in pool(200) if not one.answer_label]

    assert all(one.source == "joined:request" for one in join_turns(given, share=1.0, seed=0))


def test_nothing_is_joined_without_a_permitted_exchange() -> None:
    """Restricted follow-ups alone would make several turns a sign of the label."""
    given = [one for one in pool(200) if one.answer_label != 0]

    assert join_turns(given, share=1.0, seed=0) == []


def test_joining_repeats_for_a_seed() -> None:
    """The seed alone decides; ids are distinct and new."""
    given = pool(200)
    joined = join_turns(given, share=0.5, seed=4)

    assert joined == join_turns(given[::-1], share=0.5, seed=4)
    assert joined != join_turns(given, share=0.5, seed=5)
    assert len({one.id for one in joined + given}) == len(joined) + len(given)


def test_a_share_beyond_one_is_refused() -> None:
    """A share is a part."""
    with pytest.raises(UsageError, match="expected 0 to 1, got 2"):
        join_turns(pool(10), share=2, seed=0)
