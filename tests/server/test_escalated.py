"""A server whose guard escalates: the second scorer reads too, and halts what the first only suspects."""

import httpx2
import pytest

from lictor.errors import ScoringError
from lictor.guard import Guard
from lictor.testing import FakeStreamScorer, KeywordInputScorer, KeywordStreamScorer
from lictor.testing.upstreams import FakeUpstream, says
from lictor.types import Cascade, Policy

from .serving import guarded

POLICY = Policy(0.0, 0.0, stride=4, warmup=(), debounce=1, cascade=Cascade(99.0, 5.0, weight=0.6, scale=1.0, shift=0.0))
WORDS = "First comes a hint, and a long while after it the leak itself, and then some more of that."


def ask(url: str) -> dict[str, object]:
    """The one choice of an answer that is not streamed."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Go on."}]}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30).json()["choices"][0]


@pytest.mark.parametrize(("words", "halts"), [(("hint", "leak"), True), (("nothing", "leak"), False)])
def test_an_escalated_answer_is_halted(words: tuple[str, str], halts: bool) -> None:
    """Where the stream scorer finds nothing, the exchange scorer is never asked."""
    stream, exchange = (KeywordStreamScorer(word) for word in words)
    guard = Guard(KeywordInputScorer("melt"), stream, POLICY, exchange_scorer=exchange, views={})
    with guarded(FakeUpstream(says(WORDS)), guard) as server:
        choice = ask(server.url)

    assert choice["finish_reason"] == ("content_filter" if halts else "stop")
    assert bool(exchange.sessions) == halts
    if halts:
        assert "".join(exchange.sessions[0].read).startswith("First comes a hint")


def test_a_failing_exchange_scorer_fails_closed() -> None:
    """An error of the guard, not an answer."""
    broken = FakeStreamScorer(lambda _text, _place: 0.0, fail_at=0, error=ScoringError("x", reason="too_odd"))
    guard = Guard(KeywordInputScorer("melt"), KeywordStreamScorer("hint"), POLICY, exchange_scorer=broken, views={})
    with guarded(FakeUpstream(says(WORDS)), guard) as server:
        body = {"model": "m", "messages": [{"role": "user", "content": "Go on."}]}
        answer = httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=30)

    assert answer.status_code != 200
    assert "leak" not in answer.text
