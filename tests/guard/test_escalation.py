"""When an answer is escalated to the exchange scorer, what that reads, and what both scores come to."""

from collections.abc import Sequence
from math import inf

import pytest

from lictor.errors import ScoringError, UsageError
from lictor.guard import Guard
from lictor.testing import FakeInputScorer, FakeSession, FakeStreamScorer, PieceTokenizer, ask
from lictor.types import Cascade, Conversation, Halted, Message, Policy, Released, Token

CASCADE = Cascade(prompt_escalation=3.0, answer_escalation=1.0, weight=0.5, scale=2.0, shift=1.0)
"""Both logits weigh the same; one of 0 by the exchange scorer counts as 1."""
TEXT = "a b c d e f g h "
"""Eight words of one token each, and a space."""


class Words:
    """One token a segment."""

    def encode(self, segment: str) -> list[Token]:
        """The segment's last character stands for it."""
        return [PieceTokenizer().encode(segment[-1:])[0]._replace(end=len(segment))]


def says(*logits: float) -> FakeStreamScorer:
    """A scorer that gives these to the first tokens, and -9 to all after."""
    scorer = FakeStreamScorer(lambda _text, place: logits[place] if place < len(logits) else -9.0)
    scorer.tokenizer = Words()  # pyright: ignore[reportAttributeAccessIssue] -- a tokenizer it is
    return scorer


def guard(
    stream: FakeStreamScorer,
    exchange: FakeStreamScorer,
    *,
    prompt: float = 0.0,
    cascade: Cascade = CASCADE,
    **of: float,
) -> Guard:
    """Rounds of two tokens; a token at or over 2 halts."""
    policy = Policy(9.0, of.get("threshold", 2.0), stride=2, warmup=(), debounce=1, cascade=cascade)
    return Guard(FakeInputScorer(lambda _: prompt), stream, policy, exchange_scorer=exchange, views={})


def outcome(made: Guard) -> tuple[str, int | None, float, bool]:
    """Text delivered, the token that halted, the score, and whether the answer was escalated."""
    events = list(made.stream(ask("?"), [TEXT]))
    text = "".join(event.text for event in events if isinstance(event, Released))
    halted = next((event.decision for event in events if isinstance(event, Halted)), None)
    decision = halted or made.check((*ask("?"), Message("assistant", TEXT)))
    return text, decision.token_index, decision.score, decision.escalated


def read(scorer: FakeStreamScorer) -> tuple[list[str], list[int]]:
    """What a scorer's one session read, and how many tokens it scored in each call."""
    [session] = scorer.sessions
    return session.read, session.batches


def test_what_the_stream_scorer_finds_harmless_is_read_by_nobody_else() -> None:
    """However sure the exchange scorer would have been."""
    exchange = says(*[99.0] * 9)
    text, at, score, escalated = outcome(guard(says(0.99, 0.0, 0.99), exchange))

    assert (text, at, escalated) == (TEXT, None, False)
    assert score == pytest.approx(0.99)
    assert exchange.sessions == []


def test_an_answer_is_escalated_at_the_threshold_and_stays_so() -> None:
    """The exchange scorer reads what came before once, unscored; then every token, whatever the stream scorer says.

    What came before ends at the token itself, not where its round began: it is what the cost was fitted to.
    """
    exchange = says(*[0.0] * 9)
    list(guard(says(0.0, 0.0, 0.0, 1.0), exchange).stream(ask("?"), [TEXT]))

    words, batches = read(exchange)
    assert len(words) == 9
    assert batches == [1, 2, 2, 1]


@pytest.mark.parametrize(("exchange", "halts_at"), [(1.0, 3), (0.99, None)])
def test_the_score_is_the_weighted_sum_of_both_logits(exchange: float, halts_at: int | None) -> None:
    """0.5 * 1 + 0.5 * (2 * 1 + 1) = 2, which halts; a little less does not."""
    text, at, score, escalated = outcome(guard(says(0.0, 0.0, 0.0, 1.0), says(*[-9.0] * 3, exchange)))

    assert (at, escalated) == (halts_at, True)
    assert score == pytest.approx(0.5 + 0.5 * (2 * exchange + 1))
    assert text == (TEXT if halts_at is None else "a b c")


def test_tokens_before_the_escalation_keep_their_score() -> None:
    """The exchange scorer's high logit of a token in the same round, but before it, is nobody's."""
    _, at, _, escalated = outcome(guard(says(0.0, 0.0, 0.0, 1.0), says(99.0, 99.0, 99.0, -9.0)))

    assert (at, escalated) == (None, True)


def test_the_exchange_scorer_can_clear_what_the_stream_scorer_would_have_halted() -> None:
    """5 and -3 come to 0; alone, 5 halts."""
    assert outcome(guard(says(5.0), says(-3.0)))[1] is None
    assert outcome(guard(says(1.99), says(-3.0), cascade=Cascade(9.0, 2.0, 0.5, 2.0, 1.0), threshold=1.5))[1] == 0


@pytest.mark.parametrize(("prompt", "halts_at"), [(3.0, 0), (2.99, None), (-inf, None)])
def test_a_suspicious_prompt_has_its_whole_answer_read(prompt: float, halts_at: int | None) -> None:
    """From the first token on, at the threshold itself."""
    assert outcome(guard(says(0.0), says(2.0), prompt=prompt))[1] == halts_at


@pytest.mark.parametrize("failing", [0, 1])
def test_an_exchange_scorer_that_fails_halts_the_answer(failing: int) -> None:
    """Nothing of the round it failed in leaves; a block of its own kind."""
    exchange = FakeStreamScorer(lambda _text, _place: -9.0, fail_at=failing, error=ScoringError("x", reason="too_odd"))
    made = guard(says(0.0, 0.0, 1.0), exchange)

    events = list(made.stream(ask("?"), [TEXT]))

    assert isinstance(events[-1], Halted)
    assert (events[-1].decision.status, events[-1].decision.reason) == ("error", "too_odd")
    assert "".join(e.text for e in events if isinstance(e, Released)) == ("a b", "a b c d")[failing]


@pytest.mark.parametrize("logits", [[float("nan")], []])
def test_an_exchange_scorer_that_breaks_its_contract_halts(logits: Sequence[float]) -> None:
    """NaN is never compared, and a logit is never missing."""

    class Broken(FakeStreamScorer):
        def open(self, conversation: Conversation) -> FakeSession:
            return Odd(lambda _text, _place: 0.0, lambda: None)

    class Odd(FakeSession):
        def score(self, token_ids: Sequence[int]) -> list[float]:
            return [*logits]

    events = list(guard(says(1.0), Broken(lambda _text, _place: 0.0)).stream(ask("?"), [TEXT]))

    assert isinstance(events[-1], Halted)
    assert events[-1].decision.status == "error"


def test_a_guard_that_escalates_to_nobody_is_refused() -> None:
    """When it is made, not when the first answer is suspicious."""
    with pytest.raises(UsageError, match="expected an exchange scorer"):
        Guard(None, says(), Policy(0.0, 0.0, cascade=CASCADE))
