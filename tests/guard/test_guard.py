"""The guard: prompt, answer, failures and both drivers."""

import asyncio
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from math import nan

import pytest

from lictor.errors import ScoringError, UsageError
from lictor.guard import Guard
from lictor.testing import (
    FakeInputScorer,
    FakeStreamScorer,
    KeywordInputScorer,
    KeywordStreamScorer,
    ask,
)
from lictor.types import GuardEvent, Halted, Message, Policy, Refused, Released

POLICY = Policy(input_threshold=0.0, output_threshold=0.0)
OPEN = Policy(0.0, 0.0, on_error="open")
MONITOR = Policy(0.0, 0.0, enforcement="monitor")
HIDDEN = b64encode(b"please tell me about the melt now").decode()


def guard_of(policy: Policy = POLICY) -> Guard:
    """A guard that minds the word `melt`."""
    return Guard(KeywordInputScorer("melt"), KeywordStreamScorer("melt"), policy, version="v1")


def text_of(events: list[GuardEvent]) -> str:
    """All that was delivered."""
    return "".join(event.text for event in events if isinstance(event, Released))


def unread() -> Iterator[str]:
    """Chunks that must not be asked for."""
    raise AssertionError("the answer was read")
    yield ""


def test_a_refused_prompt_starts_no_answer() -> None:
    """The only event is Refused, and the chunks are not touched."""
    (event,) = guard_of().stream(ask("the melt?"), unread())

    assert isinstance(event, Refused)
    decision = event.decision
    assert (decision.action, decision.stage, decision.score, decision.guard_version) == ("block", "input", 10.0, "v1")


def test_a_disguised_prompt_is_read() -> None:
    """The highest score over the views of the last user turn counts, and its view is named."""
    decision = guard_of().check((Message("system", "be kind"), *ask(f"Answer {HIDDEN}")))

    assert (decision.action, decision.view) == ("block", "base64")


def test_a_whole_conversation_is_checked() -> None:
    """check() reads the answer too, through the same stream; a permitted one passes."""
    answer = Message("assistant", "First make the melt, then cool it.")
    permitted = Message("assistant", "Museums keep it cool.")

    assert guard_of().check((*ask("hello"), answer)).stage == "output"
    assert guard_of().check((*ask("hello"), permitted)).action == "allow"
    assert guard_of().check((answer,)).stage == "output"
    assert guard_of().check((*ask("melt"), permitted)).stage == "input"


@pytest.mark.parametrize(("prompt_score", "action"), [(-5.0, "allow"), (-1.0, "block")])
def test_a_suspicious_prompt_counts_in_its_answer(prompt_score: float, action: str) -> None:
    """An answer that passes by itself is halted after a prompt that was nearly refused."""
    policy = Policy(0.0, 0.0, prompt_weight=0.5, prompt_floor=-5.0)
    guard = Guard(FakeInputScorer(lambda _: prompt_score), FakeStreamScorer(lambda _text, _place: -1.0), policy)

    assert guard.check((*ask("hello"), Message("assistant", "fine words"))).action == action


def test_an_answer_in_disguise_is_halted() -> None:
    """A view of the answer halts it before the words it hides have left."""
    events = list(guard_of().stream(ask("hello"), ["Sure: ", HIDDEN, " there you are, and more to follow"]))

    assert isinstance(events[-1], Halted)
    assert events[-1].decision.view == "base64"
    assert HIDDEN[:40] not in text_of(events)


def test_an_empty_prompt_and_an_empty_answer_have_a_verdict() -> None:
    """Both are scored like any other text; a conversation without a message is wrong use."""
    assert guard_of().check(ask("")).action == "allow"
    assert guard_of().check((*ask(""), Message("assistant", ""))).action == "allow"
    assert list(guard_of().stream(ask(""), [])) == []
    with pytest.raises(UsageError, match="at least one message"):
        guard_of().check(())
    with pytest.raises(UsageError, match="neither"):
        Guard(None, None, POLICY)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ScoringError("too long", reason="conversation_too_long"), "conversation_too_long"),
        (MemoryError(), "out_of_memory"),
        (nan, "scorer_failed"),
    ],
)
def test_an_input_scorer_that_fails_is_a_typed_block(failure: float | Exception, reason: str) -> None:
    """The prompt is refused with status error; an open or monitoring policy lets it pass and counts it."""
    scorer = FakeInputScorer(lambda _conversation: failure)
    answer = Message("assistant", "fine words")

    blocked = Guard(scorer, KeywordStreamScorer("melt"), POLICY).check((*ask("hi"), answer))
    assert (blocked.action, blocked.stage, blocked.status, blocked.reason) == ("block", "input", "error", reason)
    for policy in (OPEN, MONITOR):
        guard = Guard(scorer, KeywordStreamScorer("melt"), policy)
        assert text_of(list(guard.stream(ask("hi"), ["fine words"]))) == "fine words"
        passed = guard.check((*ask("hi"), answer))
        assert (passed.action, passed.would_block, passed.status) == ("flag", True, "error")


def test_monitoring_cuts_nothing() -> None:
    """Under monitor a restricted prompt and answer pass whole, and the decision says what would have been."""
    session = guard_of(MONITOR).open(ask("the melt?"))
    events = [*session.settle(), *session.push("Make the melt so."), *session.settle()]
    events += [*session.finish(), *session.settle()]

    assert text_of(events) == "Make the melt so."
    assert (session.decision.action, session.decision.stage, session.decision.would_block) == ("flag", "input", True)


def test_an_unexpected_exception_passes_through_and_nothing_more_leaves() -> None:
    """A bug in a scorer is raised; the session has ended with a block."""
    scorer = FakeStreamScorer(lambda _text, _place: -1.0, fail_at=1, error=ZeroDivisionError())
    session = Guard(None, scorer, OPEN).open(ask("hi"))
    session.settle()
    session.push("some words to be scored, then more of them, and yet more of them")
    with pytest.raises(ZeroDivisionError):
        session.settle()

    assert session.ended
    assert session.settle() == []
    assert (session.decision.action, session.decision.reason) == ("block", "crashed")
    with pytest.raises(UsageError, match="ended"):
        session.push("more")


def test_a_chunk_source_that_raises_delivers_nothing_unscored() -> None:
    """The source's error comes out as it is, and only cleared text left before it."""

    def chunks() -> Iterator[str]:
        yield "0123456789 " * 3
        raise ConnectionError

    scorer = FakeStreamScorer(lambda _text, _place: -1.0)
    events: list[GuardEvent] = []
    with pytest.raises(ConnectionError):
        events.extend(guard for guard in Guard(None, scorer, POLICY).stream(ask("hi"), chunks()))
    assert scorer.sessions[0].read
    assert "".join(scorer.sessions[0].read).startswith(text_of(events))


def test_a_stage_that_is_absent_lets_pass() -> None:
    """Without a stream scorer the answer flows as it comes; without an input scorer any prompt does."""
    assert text_of(list(Guard(KeywordInputScorer("melt"), None, POLICY).stream(ask("hi"), ["melt"]))) == "melt"
    assert Guard(None, KeywordStreamScorer("melt"), POLICY).check(ask("melt")).action == "allow"


def test_push_before_the_prompt_was_screened_is_wrong_use() -> None:
    """No text can pass a prompt that nobody screened."""
    session = guard_of().open(ask("hi"))
    with pytest.raises(UsageError, match="not screened"):
        session.push("text")


def test_the_async_driver_scores_off_the_event_loop() -> None:
    """Scoring happens in another thread than the loop's."""
    threads: set[str] = set()

    def note(_text: str, _place: int) -> float:
        threads.add(threading.current_thread().name)
        return -1.0

    async def chunks() -> AsyncIterator[str]:
        yield "some words to be scored"

    async def collect() -> list[GuardEvent]:
        return [event async for event in Guard(None, FakeStreamScorer(note), POLICY).astream(ask("hi"), chunks())]

    assert text_of(asyncio.run(collect())) == "some words to be scored"
    assert threading.main_thread().name not in threads


def test_a_long_answer_is_scored_once() -> None:
    """Every token is scored once, in batches of the stride, however long the answer is."""
    scorer = FakeStreamScorer(lambda _text, _place: -1.0)
    text = "plain words and more " * 400

    events = list(Guard(None, scorer, POLICY, views={}).stream(ask("hi"), [text]))

    assert text_of(events) == text
    assert "".join(scorer.sessions[0].read) == text
    assert set(scorer.sessions[0].batches[2:-1]) <= {8, 16}
