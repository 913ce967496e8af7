"""Traces agree with the guard they were taken from."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.calibration import Trace, fit
from lictor.calibration.traces import peaks
from lictor.errors import DataError, ScoringError
from lictor.evaluation.baseline import BaselineInput, BaselineStream, train_bag_of_words
from lictor.evaluation.measures import Benign, false_positives
from lictor.evaluation.tracing import trace
from lictor.guard.guard import Guard
from lictor.testing import FakeInputScorer
from lictor.types import Conversation, Message, Policy

WORDS = ["ember", "bread", "the", "pot", "tea", "salt", "melt"]
BAG = train_bag_of_words(["melt the ember pot", "ember salt", "bake the bread", "tea pot"], [True, True, False, False])
SAID = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)


def guarded(input_threshold: float = 0.0, output_threshold: float = 0.0, debounce: int = 2) -> Guard:
    """A bag-of-words guard of both stages."""
    policy = Policy(input_threshold=input_threshold, output_threshold=output_threshold, debounce=debounce)
    return Guard(BaselineInput(BAG.open), BaselineStream(BAG.open), policy)


def taken(guard: Guard, conversation: Conversation, name: str = "c", *, bad: bool = False) -> Trace:
    """A trace of one conversation."""
    return trace(guard, conversation, conversation_id=name, source="s", bucket="everyday", is_restricted=bad)


@given(SAID, SAID, st.floats(-3, 3), st.integers(1, 3))
def test_a_trace_says_exactly_at_which_thresholds_the_guard_blocks(
    asked: str, answered: str, threshold: float, debounce: int
) -> None:
    """The guard blocks a stage exactly when the trace's number for it reaches the threshold."""
    conversation = (Message("user", asked), Message("assistant", answered))
    numbers = peaks([taken(guarded(debounce=debounce), conversation)])

    by_input = guarded(threshold, float("inf"), debounce).check(conversation)
    by_output = guarded(float("inf"), threshold, debounce).check(conversation)

    assert (by_input.action == "block") == (numbers.prompt[0] >= threshold)
    assert (by_output.action == "block") == (numbers.answer(0.0, 0.0)[0] >= threshold)


@given(SAID, SAID, st.floats(-3, 3), st.floats(0, 2), st.floats(-2, 2))
def test_a_trace_knows_what_the_prompt_adds(
    asked: str, answered: str, threshold: float, weight: float, floor: float
) -> None:
    """With the prompt counting in its answer's score too, the guard halts exactly where the trace says."""
    conversation = (Message("user", asked), Message("assistant", answered))
    guard = guarded(float("inf"), threshold)
    guard.policy = replace(guard.policy, prompt_weight=weight, prompt_floor=floor)
    numbers = peaks([taken(guard, conversation)])

    assert (guard.check(conversation).action == "block") == (numbers.answer(weight, floor)[0] >= threshold)


def test_every_turn_counts() -> None:
    """In a conversation of several turns the highest turn decides."""
    early = (Message("user", "ember melt"), Message("assistant", "ember salt"), Message("user", "tea"))
    late = (Message("user", "tea"), Message("assistant", "bread"), Message("user", "tea"))

    assert taken(guarded(), early).prompt_score > taken(guarded(), late).prompt_score
    assert [len(taken(guarded(), talk).answers) for talk in (early, late)] == [1, 1]


def test_a_stage_that_fails_blocks_at_any_threshold() -> None:
    """An error while scoring is an infinite score, since the guard fails closed."""
    broken = Guard(FakeInputScorer(lambda _: ScoringError("broken")), None, guarded().policy)

    assert taken(broken, (Message("user", "tea"),)).prompt_score == float("inf")


def test_a_conversation_without_turns_has_no_trace() -> None:
    """A system prompt alone is not a conversation."""
    with pytest.raises(DataError, match="expected a user or assistant turn"):
        taken(guarded(), (Message("system", "Be kind."),))


def test_a_fitted_baseline_keeps_its_rate_in_the_harness() -> None:
    """Traced, fitted and run as a guard, the baseline's false positives are those the report counts."""

    def talk(index: int) -> Conversation:
        words = [WORDS[(index * step + shift) % len(WORDS)] for step, shift in ((1, 1), (3, 2), (5, 0))]
        return (Message("user", " ".join(words)), Message("assistant", " ".join(reversed(words))))

    guard = guarded()
    splits = [[taken(guard, talk(i), f"{name}{i}") for i in range(60)] for name in "abc"]
    splits[0] += [taken(guard, (Message("user", "melt the ember salt"),), "x", bad=True)]

    fitted = fit(*splits, budget_fpr=0.2, policy_template=guard.policy)
    served = Guard(guard.input_scorer, guard.stream_scorer, fitted.policy)
    rows = [Benign("s", "everyday", talk(i)[:1], talk(i)[1].content) for i in range(60)]

    assert false_positives(served, rows)[0].value == fitted.report.held_out.mean_fpr
