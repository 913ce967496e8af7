"""Batched scoring for calibration: what it says of a conversation is what the guard says."""

from base64 import b32encode, b64encode
from codecs import encode as rot13
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.traced import traced

from lictor.assemble import load_head
from lictor.calibration import Trace, fit
from lictor.calibration.traces import peaks
from lictor.errors import ScoringError, UsageError
from lictor.evaluation.baseline import BaselineInput, BaselineStream, train_bag_of_words
from lictor.evaluation.measures import Benign, false_positives
from lictor.guard.guard import Guard
from lictor.model.backbone import Backbone, Cut
from lictor.model.scorers import AnswerScorer, PromptScorer
from lictor.pipeline.scoring import Item, trace_all
from lictor.testing import FakeInputScorer, FakeStreamScorer, ask
from lictor.types import Conversation, Message, Policy

POLICY = Policy(0.0, 0.0)
SECRET = b64encode(b"please tell me how a bell is cast in bronze").decode()
TEXT = "please tell me how a bell is cast in bronze by the river"
CODE = TEXT.encode()
MANY = "\n\n".join(
    [
        b64encode(CODE).decode(),
        b64encode(CODE)[::-1].decode(),
        b32encode(CODE).decode(),
        CODE.hex(),
        " ".join(f"{byte:08b}" for byte in CODE),
        " ".join(str(byte) for byte in CODE),
        "".join(f"%{byte:02x}" for byte in CODE),
        "".join(f"&#{byte};" for byte in CODE),
        "".join(f"\\u{byte:04x}" for byte in CODE),
        "".join(chr(0xE0000 + byte) for byte in CODE),
        "".join(chr(byte + 0xFEE0) if byte > 32 else " " for byte in CODE),
        " ".join(TEXT),
        rot13(TEXT, "rot13"),
    ]
)
"""More disguises than the guard reads."""
TALKS: list[Conversation] = [
    ask("How do bells ring?"),
    ask(""),
    (*ask("Why?"), Message("assistant", "Because the clapper strikes the rim of the bell, twelve times at noon.")),
    (*ask("A"), Message("assistant", "One."), Message("user", "And then?"), Message("assistant", "Two, and a third.")),
    (*ask("Two?"), Message("assistant", "A third, and more."), Message("user", "B"), Message("assistant", "No.")),
    (*ask("Who?"), Message("assistant", "They."), Message("user", "When, and where, and why?")),
    ask(f"Decode {SECRET}"),
    (*ask("Say it in code."), Message("assistant", f"Here it is: {SECRET} - good luck.")),
    (Message("assistant", "An answer with no question."),),
    ask("ring " * 520),
    ask(MANY),
    (*ask("Long?"), Message("assistant", "ring " * 520)),
]
WORDS = ["ember", "bread", "the", "pot", "tea", "salt", "melt"]
BAG = train_bag_of_words(["melt the ember pot", "ember salt", "bake the bread", "tea pot"], [True, True, False, False])
SAID = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)


@pytest.fixture(scope="module")
def guard(tiny: str, tiny_heads: dict[str, Path]) -> Guard:
    """Both scorers on the tiny model in fp32, so that padding is no noise."""
    backbone = Backbone(tiny, Cut(2, 3), "fp32")
    prompt = PromptScorer(backbone, load_head("input", backbone, tiny_heads["input"]))
    return Guard(prompt, AnswerScorer(backbone, load_head("stream", backbone, tiny_heads["stream"])), POLICY)


def test_a_batch_says_what_the_guard_says(guard: Guard) -> None:
    """Plain, disguised, of several turns, without a question or too long: both numbers are the guard's own."""
    items = [Item(str(i), talk, "test", "everyday", is_restricted=False) for i, talk in enumerate(TALKS)]

    batched = peaks(trace_all(guard, items))

    alone = peaks([traced(guard, talk) for talk in TALKS])
    assert batched.prompt.tolist() == pytest.approx(alone.prompt.tolist(), abs=0.05)
    assert batched.said.tolist() == pytest.approx(alone.said.tolist(), abs=0.05)
    assert batched.before.tolist() == pytest.approx(alone.before.tolist(), abs=0.05)
    assert batched.prompt.tolist().count(inf) == 2
    assert batched.said.tolist().count(inf) == 1
    assert len({round(x, 2) for x in batched.prompt.tolist()}) > 4


def test_traces_keep_order_and_names(guard: Guard) -> None:
    """Each item's trace stands where the item did, under its own id and source."""
    items = [Item(f"id{i}", talk, f"s{i % 2}", "same_domain", is_restricted=i == 3) for i, talk in enumerate(TALKS[:7])]

    traces = trace_all(guard, items)

    assert [(t.conversation_id, t.source, t.is_restricted) for t in traces] == [
        (item.id, item.source, item.is_restricted) for item in items
    ]
    assert trace_all(guard, []) == []


def guarded(input_threshold: float = 0.0, output_threshold: float = 0.0, debounce: int = 2) -> Guard:
    """A bag-of-words guard of both stages."""
    policy = Policy(input_threshold=input_threshold, output_threshold=output_threshold, debounce=debounce)
    return Guard(BaselineInput(BAG.open), BaselineStream(BAG.open), policy)


def taken(guard: Guard, conversation: Conversation, name: str = "c", *, bad: bool = False) -> Trace:
    """A trace of one conversation."""
    [found] = trace_all(guard, [Item(name, conversation, "s", "everyday", bad)])
    return found


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


def test_a_text_that_cannot_be_read_is_marked() -> None:
    """Its score is infinite, whichever stage meets it, and the trace says why; the setting alone makes it so."""
    spelt = " ".join(f"thoddlel{letter}" for letter in "abcdefghijklmnop")
    scorers = FakeInputScorer(lambda _: 0.0), FakeStreamScorer(lambda _text, _place: 0.0)
    reading, passing = (Guard(*scorers, replace(POLICY, unreadable=what)) for what in ("block", "pass"))
    asked, told = (Message("user", spelt),), (Message("user", "tea"), Message("assistant", spelt))

    assert taken(reading, asked).is_unreadable
    assert taken(reading, asked).prompt_score == inf
    assert taken(reading, told).is_unreadable
    assert taken(reading, told).answers[0].peak == inf
    assert taken(reading, told).prompt_score < inf
    assert not taken(passing, told).is_unreadable
    assert not taken(reading, (Message("user", "tea"),)).is_unreadable


def test_a_conversation_without_turns_has_no_trace() -> None:
    """A system prompt alone is not a conversation."""
    with pytest.raises(UsageError, match="expected a user or assistant turn"):
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
