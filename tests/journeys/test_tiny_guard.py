"""A guard over a real tokenizer and a real model's kept state: the promises hold there too."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.guard import Guard
from lictor.guard.replay import run_peak
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone, Cut
from lictor.model.heads import Head, readout_head, value_head
from lictor.model.scorers import AnswerScorer, PromptScorer
from lictor.testing import ask, cut_text
from lictor.types import (
    Context,
    Conversation,
    GuardEvent,
    Halted,
    Message,
    Policy,
    Released,
    ScoringSession,
    Tokenizer,
)

PLAIN = "The great bell rings twelve times at noon, and everybody in the town sits down to soup and bread. " * 3
HIDDEN = f"Decode this: {b64encode(PLAIN[:120].encode()).decode()} and tell nobody."
ODD = "Bells 🔔 ring\u200b; 中文 é \ud800 and\x00 so on. " * 4

_texts = st.lists(
    st.one_of(st.sampled_from([PLAIN[:97], HIDDEN, ODD, "s p a c e d o u t ", "x" * 70]), st.text(max_size=30)),
    min_size=1,
    max_size=3,
).map("".join)


class CountingScorer:
    """A stream scorer that counts the tokens fed to the one it wraps, and how many in each call."""

    def __init__(self, scorer: AnswerScorer) -> None:
        self._scorer = scorer
        self.fed: list[int] = []

    @property
    def context(self) -> Context:
        """That of the wrapped scorer."""
        return self._scorer.context

    @property
    def tokenizer(self) -> Tokenizer:
        """That of the wrapped scorer."""
        return self._scorer.tokenizer

    def open(self, conversation: Conversation) -> "CountingScorer":
        """A session; all are counted together."""
        self._session: ScoringSession = self._scorer.open(conversation)
        return self

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        """The wrapped session's logits."""
        self.fed.append(len(token_ids))
        return self._session.score(token_ids)


def loud(head: Head) -> Head:
    """`head` with a random reading, so that scores differ from token to token."""
    torch.manual_seed(3)
    torch.nn.init.normal_(head.value.weight)
    return head.eval()


@pytest.fixture(scope="module")
def backbone(tiny: str) -> Backbone:
    """The tiny model in fp32."""
    return Backbone(tiny, Cut(2, 4), "fp32")


@pytest.fixture(scope="module")
def answer(backbone: Backbone) -> AnswerScorer:
    """A stream scorer of random weights."""
    return AnswerScorer(backbone, loud(value_head(backbone)))


@pytest.fixture(scope="module")
def prompt(backbone: Backbone) -> PromptScorer:
    """An input scorer of random weights."""
    return PromptScorer(backbone, loud(readout_head(backbone)))


def threshold_at(answer: AnswerScorer, text: str, share: float) -> float:
    """A logit that this share of the text's tokens stay under."""
    ids = [token.id for token in encode(answer.tokenizer, text)]
    return float(torch.tensor(answer.open(()).score(ids)).quantile(share))


def outcome(events: list[GuardEvent]) -> tuple[str, list[Halted]]:
    """What was delivered, and the halts with their whole decisions."""
    text = "".join(event.text for event in events if isinstance(event, Released))
    return text, [event for event in events if isinstance(event, Halted)]


@settings(max_examples=15, deadline=None)
@given(
    text=_texts,
    sizes=st.lists(st.integers(0, 40), max_size=5),
    share=st.sampled_from([0.5, 0.9, 0.97, 2.0]),
    debounce=st.integers(1, 3),
    stride=st.sampled_from([1, 5, 16]),
)
def test_chunks_change_nothing(
    answer: AnswerScorer, text: str, sizes: list[int], share: float, debounce: int, stride: int
) -> None:
    """However a text is cut, verdict, score, halt and delivered text are those of the text in one piece."""
    threshold = 1e9 if share > 1 else threshold_at(answer, PLAIN, share)
    guard = Guard(None, answer, Policy(0.0, threshold, stride=stride, debounce=debounce))

    whole = outcome(list(guard.stream(ask("x"), [text])))
    cut = outcome(list(guard.stream(ask("x"), cut_text(text, sizes))))

    assert cut == whole
    assert text.startswith(whole[0])
    assert whole[1] or whole[0] == text


def test_some_streams_pass_and_some_halt(answer: AnswerScorer) -> None:
    """The thresholds used above do what they are for: the low one halts, the high one does not."""
    halting = Guard(None, answer, Policy(0.0, threshold_at(answer, PLAIN, 0.5)))
    passing = Guard(None, answer, Policy(0.0, 1e9))

    delivered, halts = outcome(list(halting.stream(ask("x"), [PLAIN])))
    assert len(halts) == 1
    assert len(delivered) < len(PLAIN)
    assert outcome(list(passing.stream(ask("x"), [PLAIN]))) == (PLAIN, [])


@pytest.mark.parametrize("text", [PLAIN, HIDDEN, ODD])
@pytest.mark.parametrize("share", [0.6, 0.98])
def test_asynchronous_streams_say_the_same(prompt: PromptScorer, answer: AnswerScorer, text: str, share: float) -> None:
    """Sync and async drivers give the same events."""
    guard = Guard(prompt, answer, Policy(1e9, threshold_at(answer, PLAIN, share)))

    async def chunks() -> AsyncIterator[str]:
        for chunk in cut_text(text, [3, 11]):
            yield chunk

    async def gathered() -> list[GuardEvent]:
        return [event async for event in guard.astream(ask("x"), chunks())]

    assert asyncio.run(gathered()) == list(guard.stream(ask("x"), cut_text(text, [3, 11])))


def test_nothing_is_read_twice(answer: AnswerScorer) -> None:
    """Tokens fed to the model are the answer's own, once each, in calls no longer than the stride."""
    counting = CountingScorer(answer)
    guard = Guard(None, counting, Policy(0.0, 1e9, stride=16), views={})

    delivered, _ = outcome(list(guard.stream(ask("x"), cut_text(PLAIN, [7]))))

    assert delivered == PLAIN
    assert sum(counting.fed) == len(encode(answer.tokenizer, PLAIN))
    assert max(counting.fed) == 16


def test_the_model_reads_the_answer_and_one_token_more(backbone: Backbone, answer: AnswerScorer) -> None:
    """Positions that pass through the embedding: the answer's tokens and the start token, at any length."""
    seen: list[int] = []
    handle = backbone.embed.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0].numel()))
    guard = Guard(None, answer, Policy(0.0, 1e9), views={})
    try:
        for text in (PLAIN[:50], PLAIN, PLAIN * 3):
            seen.clear()
            list(guard.stream(ask("x"), cut_text(text, [5])))
            assert sum(seen) == len(encode(answer.tokenizer, text)) + 1
    finally:
        handle.remove()


def test_a_check_and_a_stream_agree(prompt: PromptScorer, answer: AnswerScorer) -> None:
    """A whole conversation gets the decision its stream gets, with the debounced peak of one batched pass."""
    guard = Guard(prompt, answer, Policy(1e9, 1e9, debounce=2), views={})
    session = guard.open(ask("What rings?"))
    session.settle()
    for chunk in cut_text(PLAIN, [9]):
        session.push(chunk)
        session.settle()
    session.finish()
    session.settle()

    checked = guard.check((*ask("What rings?"), Message("assistant", PLAIN)))

    assert checked == session.decision
    (logits,) = answer.score_many([[token.id for token in encode(answer.tokenizer, PLAIN)]])
    only_answer = Guard(None, answer, Policy(1e9, 1e9, debounce=2), views={})
    assert only_answer.check((Message("assistant", PLAIN),)).score == pytest.approx(run_peak(logits, 2), abs=1e-4)


def test_what_is_too_long_is_blocked_by_name(backbone: Backbone, prompt: PromptScorer, answer: AnswerScorer) -> None:
    """A prompt or an answer over the model's length is a block of status `error`; nothing more of it leaves."""
    guard = Guard(prompt, answer, Policy(1e9, 1e9), views={})

    refused = guard.check(ask("ring " * 520))
    text = "ring " * 520
    delivered, halts = outcome(list(guard.stream(ask("x"), cut_text(text, [400]))))

    assert (refused.action, refused.status, refused.reason) == ("block", "error", "conversation_too_long")
    assert (halts[0].decision.status, halts[0].decision.reason) == ("error", "answer_too_long")
    assert 0 < len(encode(answer.tokenizer, delivered)) < backbone.max_tokens


def test_odd_text_is_decided(prompt: PromptScorer, answer: AnswerScorer) -> None:
    """Empty, surrogate, control and zero-width text gets a verdict with a finite score, and passes unchanged."""
    guard = Guard(prompt, answer, Policy(1e9, 1e9))
    for text in ("", "\ud800", "\x00", "\u200b" * 50, ODD):
        assert abs(guard.check(ask(text)).score) < 1e4
        assert outcome(list(guard.stream(ask(text), [text]))) == (text, [])
