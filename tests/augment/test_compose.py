from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.augment import apply_chain, disguise, get, transforms
from lictor.errors import DataError, UsageError
from lictor.types import Example, Message

PROMPT = Example(
    id="p1",
    constitution="c",
    messages=(Message("system", "Be kind."), Message("user", "How is bread kept fresh?")),
    prompt_label=0,
    answer_label=None,
    rule="bakery",
    source="synthesis",
    split="validation",
)
ANSWER = replace(
    PROMPT,
    id="a1",
    messages=(*PROMPT.messages, Message("assistant", "In a dry box. Wrap it in linen.")),
    answer_label=0,
    onset_char=3,
)
PROMPT_STEPS = [name for name, made in transforms().items() if made.fits("prompt")]
ANSWER_STEPS = [f"{name}@answer" for name, made in transforms().items() if made.fits("answer")]


@settings(max_examples=150, deadline=None)
@given(chain=st.lists(st.sampled_from(PROMPT_STEPS + ANSWER_STEPS), min_size=1, max_size=3), seed=st.integers(0, 9))
def test_chains_of_three_keep_labels_and_say_where_they_come_from(chain: list[str], seed: int) -> None:
    """Any chain up to three steps gives a valid example with its lineage and labels, the same for the same seed."""
    made = apply_chain(ANSWER, chain, seed)

    assert made == apply_chain(ANSWER, chain, seed)
    assert made.id != ANSWER.id
    assert (made.parent, made.split, made.rule) == (ANSWER.id, ANSWER.split, ANSWER.rule)
    assert (made.prompt_label, made.answer_label) == (ANSWER.prompt_label, ANSWER.answer_label)
    assert len(made.transforms) == len(chain)
    assert [made.messages[0].role, made.messages[-1].role] == ["system", "assistant"]


@pytest.mark.parametrize("name", PROMPT_STEPS)
def test_a_prompt_step_leaves_the_answer_alone(name: str) -> None:
    """What changes the prompt keeps the answer and its onset, and changes something before it."""
    made = apply_chain(ANSWER, [name], 0)

    assert made.answer == ANSWER.answer
    assert made.onset_char == ANSWER.onset_char
    assert made.prompt != ANSWER.prompt


@pytest.mark.parametrize("name", ANSWER_STEPS)
def test_an_answer_step_is_asked_for_in_the_prompt(name: str) -> None:
    """What changes the answer forgets the onset and adds a request for it after the untouched question."""
    made = apply_chain(ANSWER, [name], 0)
    question = made.prompt[-1].content

    assert made.answer != ANSWER.answer
    assert made.onset_char is None
    assert question.startswith(ANSWER.prompt[-1].content + "\n\n")
    assert any(question.endswith(ask) for ask in get(name).asks)
    assert apply_chain(ANSWER, [name], 0, ask=False).prompt == ANSWER.prompt


def test_steps_work_on_what_earlier_ones_made() -> None:
    """A code within a code comes off in the opposite order."""
    rot13, base64 = get("rot13"), get("base64")
    made = apply_chain(ANSWER, ["rot13@answer", "base64@answer"], 0)

    assert base64.decode
    assert rot13.decode
    assert rot13.decode(base64.decode(made.answer or "")) == ANSWER.answer


def test_a_system_turn_joins_the_one_there_is() -> None:
    """A second system prompt stands in the first system turn, and turns stay in order."""
    made = apply_chain(PROMPT, ["assistant_role", "small_talk"], 0)

    assert [message.role for message in made.messages] == ["system", "user", "assistant", "user"]
    assert made.messages[0].content.startswith("Be kind.\n\n")
    assert made.messages[-1] == PROMPT.messages[-1]


def test_ids_tell_seeds_and_chains_apart() -> None:
    """Two seeds, or two chains, make two examples."""
    ids = {apply_chain(PROMPT, chain, seed).id for chain in (["spaced"], ["leet"]) for seed in (0, 1)}

    assert len(ids) == 4


def test_a_chain_that_does_not_fit_is_refused() -> None:
    """An answer step without an answer, a side a transform lacks, and an empty chain each have their error."""
    with pytest.raises(DataError, match="needs an answer"):
        apply_chain(PROMPT, ["base64@answer"], 0)
    with pytest.raises(UsageError, match="side"):
        apply_chain(ANSWER, ["novel_scene@answer"], 0)
    with pytest.raises(UsageError, match="at least one"):
        apply_chain(ANSWER, [], 0)
    with pytest.raises(DataError, match="user turn"):
        apply_chain(replace(PROMPT, messages=PROMPT.messages[:1]), ["spaced"], 0)


def test_disguise_writes_what_a_target_told_so_would() -> None:
    """An output chain changes a bare text, and a transform for prompts only cannot be in it."""
    rng = np.random.default_rng(0)

    assert disguise("ab cd", ["reverse_words", "spaced"], rng) == "b a   d c"
    with pytest.raises(UsageError, match="side"):
        disguise("ab", ["novel_scene"], rng)
