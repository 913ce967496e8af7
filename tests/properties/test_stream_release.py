"""Nothing unscored leaves, held-back text is bounded, and failures deliver nothing more."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.errors import ScoringError
from lictor.guard import Guard, StreamGuard, hold_back_limit
from lictor.guard.stream import StreamStep
from lictor.guard.tokens import CommittedToken, encode, segments
from lictor.guard.views import VIEWS, Decoded, View
from lictor.testing import FakeInputScorer, FakeSession, FakeStreamScorer, PieceTokenizer, ScoreToken, ask, cut_text
from lictor.types import GuardEvent, Halted, Policy, Released, ScoreRequest

from .streams import chunkings, policies, score_functions, texts, tokenizers


@settings(max_examples=100, deadline=None)
@given(texts, chunkings, policies, score_functions, tokenizers)
def test_nothing_unscored_leaves(
    text: str, sizes: list[int], policy: Policy, score_token: ScoreToken, tokenizer: PieceTokenizer
) -> None:
    """At every release, each character out belongs to tokens that were all scored, and no run over reaches into it."""
    tokens = encode(tokenizer, text)
    scorer = FakeStreamScorer(score_token, tokenizer=tokenizer)
    guard = Guard(None, scorer, policy)
    delivered = 0
    for event in guard.stream(ask("x"), cut_text(text, sizes)):
        if isinstance(event, Released):
            delivered += len(event.text)
            scored = len(scorer.sessions[0].read)
            unscored_from = tokens[scored].start if scored < len(tokens) else len(text)
            assert delivered <= unscored_from
            assert delivered <= _undecided_from(tokens, scored, policy, score_token)


@settings(max_examples=100, deadline=None)
@given(texts, chunkings, policies)
def test_no_disguise_leaves_before_its_reading_was_scored(text: str, sizes: list[int], policy: Policy) -> None:
    """But for what stood before the first sign of a disguise, all that leaves was scored as decoded too."""
    scorer = FakeStreamScorer(lambda _text, _place: -5.0)
    guard = StreamGuard(scorer.tokenizer, policy)
    sessions = defaultdict[str | None, FakeSession](lambda: scorer.open(()))
    pieces = {name: _held_pieces(make(), text) for name, make in VIEWS.items()}
    delivered = 0
    steps: list[StreamStep] = []
    for chunk in [*cut_text(text, sizes), None]:
        if not guard.ended:
            steps += guard.finish() if chunk is None else guard.push(chunk)
        while steps:
            step = steps.pop(0)
            if isinstance(step, ScoreRequest):
                steps = guard.scored(step.view, sessions[step.view].score(step.token_ids)) + steps
            elif isinstance(step, Released):
                delivered += len(step.text)
                for name, decoded in pieces.items():
                    out = "".join(piece.text for piece in decoded if piece.end <= delivered)
                    scored = "".join(sessions[name].read)
                    assert len(out.replace("\n", "")) <= len(scored.replace("\n", ""))


def _held_pieces(view: View, text: str) -> list[Decoded]:
    """Pieces whose source is held back, from the moment it is read until they are decoded."""
    found: list[Decoded] = []
    read = free = 0
    for segment in segments(text):
        pieces = view.push(segment)
        found += [piece for piece in pieces if piece.start >= free]
        read += len(segment)
        free = read if view.pending_start is None else free
    return found + [piece for piece in view.finish() if piece.start >= free]


def _undecided_from(tokens: list[CommittedToken], scored: int, policy: Policy, score_token: ScoreToken) -> int:
    """Where the run over the threshold starts that the scored tokens end with, or that halts."""
    logits = FakeStreamScorer(score_token).open(()).score([token.id for token in tokens[:scored]])
    start = run = 0
    for place, logit in enumerate(logits):
        run = run + 1 if logit >= policy.output_threshold else 0
        start = place + 1 - run
        if run == policy.debounce:
            break
    return tokens[start].start if run else tokens[start - 1].end


@settings(max_examples=100)
@given(texts, chunkings, policies, tokenizers, st.tuples(st.integers(0, 12), st.booleans()))
def test_a_failing_scorer_halts(
    text: str, sizes: list[int], policy: Policy, tokenizer: PieceTokenizer, failure: tuple[int, bool]
) -> None:
    """Whichever call fails, the last event is a typed halt, and the text before it was scored in earlier calls."""
    fail_at, is_memory = failure
    error = MemoryError() if is_memory else ScoringError("broken")
    scorer = FakeStreamScorer(lambda _text, _place: -5.0, tokenizer=tokenizer, fail_at=fail_at, error=error)
    events = list(Guard(None, scorer, policy).stream(ask("x"), cut_text(text, sizes)))
    delivered = "".join(event.text for event in events if isinstance(event, Released))

    if scorer.calls <= fail_at:
        assert delivered == text
        return
    last = events[-1]
    assert isinstance(last, Halted)
    assert (last.decision.status, last.decision.action) == ("error", "block")
    assert last.decision.reason == ("out_of_memory" if is_memory else "scorer_failed")
    tokens = encode(tokenizer, text)
    scored = len(scorer.sessions[0].read)
    assert len(delivered) <= (tokens[scored].start if scored < len(tokens) else len(text))


@settings(max_examples=60)
@given(texts, chunkings, policies, score_functions, st.one_of(st.none(), st.integers(0, 6)))
def test_sync_and_async_agree(
    text: str, sizes: list[int], policy: Policy, score_token: ScoreToken, fail_at: int | None
) -> None:
    """Both drivers give equal events."""

    def make() -> Guard:
        scorer = FakeStreamScorer(score_token, fail_at=fail_at, error=ScoringError("broken"))
        return Guard(FakeInputScorer(lambda _conversation: -1.0), scorer, policy)

    async def chunks() -> AsyncIterator[str]:
        for chunk in cut_text(text, sizes):
            yield chunk

    async def collect() -> list[GuardEvent]:
        return [event async for event in make().astream(ask("x"), chunks())]

    assert asyncio.run(collect()) == list(make().stream(ask("x"), cut_text(text, sizes)))


@settings(max_examples=100, deadline=None)
@given(texts, chunkings, policies, tokenizers, score_functions)
def test_hold_back_is_bounded(
    text: str, sizes: list[int], policy: Policy, tokenizer: PieceTokenizer, score_token: ScoreToken
) -> None:
    """Once all is scored, at most `hold_back_limit` characters wait, whatever the text and its disguises are."""
    views = VIEWS if len(text) % 2 else {}
    limit = hold_back_limit(policy, token_chars=4, views=views)
    scorer = FakeStreamScorer(score_token, tokenizer=tokenizer)
    guard = StreamGuard(tokenizer, policy, views=views)
    sessions = defaultdict[str | None, FakeSession](lambda: scorer.open(()))
    pushed = delivered = 0
    for chunk in cut_text(text, sizes):
        steps = list(guard.push(chunk))
        pushed += len(chunk)
        while steps:
            step = steps.pop(0)
            if isinstance(step, Halted):
                return
            if isinstance(step, ScoreRequest):
                steps = guard.scored(step.view, sessions[step.view].score(step.token_ids)) + steps
            else:
                delivered += len(step.text)
        assert pushed - delivered <= limit


@pytest.mark.parametrize("letter", ["x", "中", " ", "😀", "A"])
def test_text_without_spaces_flows(letter: str) -> None:
    """At stride 16 and debounce 2, 4-character tokens, at most 96 characters of one repeated character wait."""
    policy = Policy(0.0, 0.0)
    limit = hold_back_limit(policy, token_chars=4, views={})
    scorer = FakeStreamScorer(lambda _text, _place: -1.0)
    delivered = 0
    pushed = 0

    def chunks() -> Iterator[str]:
        nonlocal pushed
        for _ in range(300):
            assert pushed - delivered <= limit
            pushed += 1
            yield letter

    for event in Guard(None, scorer, policy).stream(ask("x"), chunks()):
        assert isinstance(event, Released)
        delivered += len(event.text)

    assert (limit, delivered) == (96, 300)
