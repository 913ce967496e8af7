"""Under any chunking: the same verdict and the same text, views included."""

from dataclasses import replace
from itertools import pairwise
from math import inf

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lictor.guard.cascade import combined
from lictor.guard.legible import is_legible
from lictor.guard.replay import replay, run_peak
from lictor.guard.tokens import SEGMENT_CHARS, Committer, encode, segments
from lictor.guard.views import VIEWS, view_texts
from lictor.testing import FakeStreamScorer, PieceTokenizer, ScoreToken, cut_text
from lictor.types import UNREADABLE, Cascade, Policy

from .streams import cascades, chunkings, drive, policies, score_functions, seeded, spelt, texts, tokenizers


@given(texts, chunkings, tokenizers)
def test_committed_tokens_depend_on_the_text_alone(text: str, sizes: list[int], tokenizer: PieceTokenizer) -> None:
    """Any chunking commits the segments and tokens of the whole text, and holds back less than one segment."""
    committer = Committer(tokenizer)
    found = []
    for chunk in cut_text(text, sizes):
        found += committer.push(chunk)
        assert len(committer.pending) < SEGMENT_CHARS
    found += committer.finish()

    assert [segment.text for segment in found] == segments(text)
    assert "".join(segments(text)) == text
    assert [token for segment in found for token in segment.tokens] == encode(tokenizer, text)


@settings(deadline=None)
@given(texts, chunkings)
@example("686f7720" * 5 + "686f77caca", [])
def test_views_read_the_same_under_any_chunking(text: str, sizes: list[int]) -> None:
    """What a view decodes of a text, and where it read it, depends on the text alone; what it holds is bounded."""
    committer = Committer(PieceTokenizer())
    committed = [segment for chunk in cut_text(text, sizes) for segment in committer.push(chunk)]
    committed += committer.finish()
    readings = view_texts(text)
    for name, make in VIEWS.items():
        whole, parts = make(), make()
        expected = [piece for segment in segments(text) for piece in whole.push(segment)] + whole.finish()
        found = []
        for segment in committed:
            found += parts.push(segment.text)
            pending = segment.end if parts.pending_start is None else parts.pending_start
            assert segment.end - parts.pending_limit <= pending <= segment.end
        found += parts.finish()

        assert found == expected
        assert all(piece.start < piece.end or not piece.text.isprintable() for piece in found)
        assert all(before.end <= after.start for before, after in pairwise(found))
        assert not found or found[0].opens
        assert name not in readings or found


@settings(max_examples=75, deadline=None)
@given(texts, st.tuples(chunkings, chunkings), policies, score_functions, tokenizers)
def test_any_chunking_gives_the_same_outcome(
    text: str,
    cuts: tuple[list[int], list[int]],
    policy: Policy,
    score_token: ScoreToken,
    tokenizer: PieceTokenizer,
) -> None:
    """Halt index, decision and delivered text agree for any two chunkings, and when scores come in late."""
    scorer = FakeStreamScorer(score_token, tokenizer=tokenizer)

    first = drive(text, cuts[0], policy, scorer)
    second = drive(text, cuts[1], policy, scorer)
    late = drive(text, [1], policy, scorer, late=True)

    assert first.decision == second.decision == late.decision
    assert first.delivered == second.delivered == late.delivered
    assert text.startswith(first.delivered)
    assert first.halted or first.delivered == text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(spelt, texts), min_size=1, max_size=3).map(" ".join), chunkings, policies)
def test_where_text_cannot_be_read_depends_on_the_text_alone(text: str, sizes: list[int], policy: Policy) -> None:
    """With nothing over the threshold, an answer halts where it can no longer be read, under any chunking."""
    policy = replace(policy, output_threshold=inf, unreadable="block")
    scorer = FakeStreamScorer(lambda _text, _place: 0.0)

    first = drive(text, sizes, policy, scorer)
    late = drive(text, [3], policy, scorer, late=True)

    assert first.decision == late.decision
    assert first.delivered == late.delivered
    assert text.startswith(first.delivered)
    assert first.halted == (first.delivered != text)
    assert is_legible(scorer.tokenizer, text) <= (first.decision.reason != UNREADABLE)


@settings(max_examples=60, deadline=None)
@given(texts, st.tuples(chunkings, chunkings), policies, cascades, score_functions)
def test_any_chunking_escalates_alike(
    text: str, cuts: tuple[list[int], list[int]], policy: Policy, cascade: Cascade, score_token: ScoreToken
) -> None:
    """With an exchange scorer too, for any two chunkings, and when scores come in late."""
    policy = replace(policy, cascade=cascade)
    stream, exchange = FakeStreamScorer(score_token), FakeStreamScorer(seeded(7))

    first = drive(text, cuts[0], policy, stream, exchange=exchange)
    second = drive(text, cuts[1], policy, stream, exchange=exchange)
    late = drive(text, [1], policy, stream, exchange=exchange, late=True)

    assert first.decision == second.decision == late.decision
    assert first.delivered == second.delivered == late.delivered
    assert first.halted or first.delivered == text


@settings(max_examples=100, deadline=None)
@given(texts, chunkings, policies, cascades, score_functions)
def test_a_cascade_decides_as_the_sum_of_whole_readings_does(
    text: str, sizes: list[int], policy: Policy, cascade: Cascade, score_token: ScoreToken
) -> None:
    """From the first token at or over the escalation threshold on, both scorers' logits of the whole answer count."""
    tokens = [token.id for token in encode(PieceTokenizer(), text)]
    stream, exchange = (np.asarray(FakeStreamScorer(f).open(()).score(tokens)) for f in (score_token, seeded(7)))
    at_once = cascade.prompt_escalation <= 0
    escalated = np.logical_or.accumulate((stream >= cascade.answer_escalation) | at_once)
    scores = np.where(escalated, combined(cascade, stream, exchange), stream)

    found = drive(
        text,
        sizes,
        replace(policy, cascade=cascade),
        FakeStreamScorer(score_token),
        exchange=FakeStreamScorer(seeded(7)),
        views={},
    )

    assert found.decision.token_index == replay(scores, policy)
    assert found.halted == (run_peak(scores, policy.debounce) >= policy.output_threshold)
    if not found.halted:
        assert found.decision.score == run_peak(scores, policy.debounce)
        assert found.decision.escalated == bool(escalated.any())


@settings(max_examples=100, deadline=None)
@given(texts, chunkings, policies, score_functions, tokenizers)
def test_a_stream_decides_as_replay_does(
    text: str, sizes: list[int], policy: Policy, score_token: ScoreToken, tokenizer: PieceTokenizer
) -> None:
    """Without views, StreamGuard halts exactly where the replay of its score trace does, with the same score."""
    tokens = encode(tokenizer, text)
    trace = FakeStreamScorer(score_token).open(()).score([token.id for token in tokens])
    outcome = drive(text, sizes, policy, FakeStreamScorer(score_token, tokenizer=tokenizer), views={})
    halted_at = replay(trace, policy)

    assert outcome.decision.token_index == halted_at
    assert outcome.halted == (run_peak(trace, policy.debounce) >= policy.output_threshold)
    assert outcome.halted == (outcome.decision.score >= policy.output_threshold)
    if halted_at is None:
        assert outcome.decision.score == run_peak(trace, policy.debounce)
    else:
        run = tokens[halted_at].start
        before = [token.end for token in tokens if token.end <= run]  # of a character's tokens all end with it
        kept_in = before[len(before) - policy.hold_back - 1] if len(before) > policy.hold_back else 0
        assert outcome.delivered == text[: kept_in if policy.hold_back else run]
