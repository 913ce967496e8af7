"""Scored ahead in batches, every exchange ends as in the guard's own stream."""

import json
import shutil
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
import torch
from tests.traced import traced

from lictor.assemble import load_head
from lictor.errors import ScoringError
from lictor.evaluation.ahead import Exchange, Reading, read_ahead
from lictor.evaluation.measures import deliver
from lictor.guard.guard import Guard
from lictor.llm.local import LocalModel
from lictor.model.backbone import Backbone, Cut
from lictor.model.exchange import ExchangeScorer
from lictor.model.probe import Probe
from lictor.model.probing import AnswerReader, ProbeScorer
from lictor.model.scorers import AnswerScorer, PromptScorer
from lictor.testing import FakeInputScorer, FakeStreamScorer, KeywordInputScorer, KeywordStreamScorer, ask
from lictor.types import Cascade, Conversation, Message, Policy, Released

POLICY = Policy(0.0, 0.0)
SUSPICIOUS = Policy(0.0, 0.0, hold_back=3, prompt_weight=0.5, prompt_floor=-3.0)
ESCALATING = replace(SUSPICIOUS, cascade=Cascade(2.0, 0.5, weight=0.6, scale=0.7, shift=-0.2))
CODE = b64encode(b"please tell me how a bell is cast in bronze by the river").decode()
TWICE = b64encode(CODE.encode()).decode()
SAID = "Because the clapper strikes the rim of the bell, twelve times at noon, and everybody sits down to soup. " * 2
EXCHANGES = [
    Exchange(ask("How do bells ring?"), SAID),
    Exchange(ask(""), ""),
    Exchange(ask("Alone."), None),
    Exchange((), SAID[:90]),
    Exchange(ask(f"Decode {CODE}"), f"Here it is: {CODE} and again {TWICE}, good luck with it."),
    Exchange((*ask("A"), Message("assistant", "One."), Message("user", "And then?")), SAID[40:]),
    Exchange(ask("ring " * 140), "Short."),
    Exchange(ask("Long?"), "bell " * 520),
    Exchange(ask("r i n g i t"), "s p a c e d  o u t  w o r d s " * 3),
    Exchange(ask("中文 \ud800"), "Bells 🔔 ring\u200b; 中文 é \ud800 and\x00 so on. " * 3),
]


@pytest.fixture(scope="module")
def short(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny model, made for 512 tokens: what is too long for it is soon read all the same."""
    folder = Path(shutil.copytree(tiny.removeprefix("path:"), tmp_path_factory.mktemp("short") / "model"))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "max_position_embeddings": 512}))
    return f"path:{folder}"


@pytest.fixture(scope="module")
def guard(short: str, tiny_heads: dict[str, Path]) -> Guard:
    """Real scorers on the tiny model in fp32, so that padding is no noise."""
    backbone = Backbone(short, Cut(2, 3), "fp32")
    prompt = PromptScorer(backbone, load_head("input", backbone, tiny_heads["input"]))
    answer = AnswerScorer(backbone, load_head("stream", backbone, tiny_heads["stream"]))
    exchange = ExchangeScorer(backbone, load_head("exchange", backbone, tiny_heads["input"]))
    return Guard(prompt, answer, POLICY, exchange_scorer=exchange)


def set_to(guard: Guard, policy: Policy) -> Guard:
    """The same scorers under another policy."""
    return Guard(guard.input_scorer, guard.stream_scorer, policy, exchange_scorer=guard.exchange_scorer)


def between(peaks: Sequence[float], share: float) -> float:
    """A threshold with this share of the finite peaks under it, and as far from its neighbours as it can be."""
    ordered = sorted(peak for peak in peaks if abs(peak) < inf)
    at = int(share * (len(ordered) - 1))
    return (ordered[at] + ordered[at + 1]) / 2


def as_streamed(guard: Guard, exchange: Exchange) -> tuple[str, str | None, str | None]:
    """Delivered text, stage and error of the guard's own stream; a prompt alone is followed by an empty answer."""
    delivery = deliver(guard, exchange.prompt, lambda: exchange.answer or "")
    return delivery.text, delivery.stage, delivery.error


def as_read(reading: Reading) -> tuple[str, str | None, str | None]:
    """The same of a reading, its stages put together as the guard does it."""
    for decision, text in ((reading.screened, ""), (reading.streamed, reading.delivered)):
        if decision and decision.action == "block":
            return text, decision.stage, decision.reason if decision.status == "error" else None
    return reading.delivered, None, None


@pytest.mark.parametrize("fitted", [POLICY, SUSPICIOUS, ESCALATING], ids=["apart", "summed", "escalated"])
def test_every_exchange_ends_as_in_the_guards_own_stream(guard: Guard, fitted: Policy) -> None:
    """Plain, disguised, of several turns or too long: delivered text, deciding stage and error are the same."""
    loose = read_ahead(set_to(guard, fitted), EXCHANGES)
    with_prompt = [exchange for exchange in EXCHANGES if exchange.prompt]
    errors: set[str | None] = set()
    for share in (0.2, 0.8):
        policy = replace(
            fitted,
            input_threshold=between([r.prompt_peak for r in loose], 0.7),
            output_threshold=between([r.answer_peak for r in loose], share),
        )

        found = [as_read(reading) for reading in read_ahead(set_to(guard, policy), with_prompt)]

        assert found == [as_streamed(set_to(guard, policy), exchange) for exchange in with_prompt]
        assert {stage for _, stage, _ in found} == {None, "input", "output"}
        errors |= {error for _, _, error in found}
    assert errors == {None, "conversation_too_long", "answer_too_long"}


def test_peaks_are_those_of_a_trace(guard: Guard) -> None:
    """Both numbers equal what a guard that nothing stops says, also where this one halts early."""
    halting = set_to(guard, Policy(0.0, -1e9))
    for exchange, reading in zip(EXCHANGES, read_ahead(halting, EXCHANGES), strict=True):
        said = () if exchange.answer is None else (Message("assistant", exchange.answer),)
        whole: Conversation = (*exchange.prompt[-1:], *said)
        taken = traced(guard, whole)
        answer = max((answered.peak for answered in taken.answers), default=-inf)

        assert reading.answer_peak == pytest.approx(answer, abs=1e-3)
        if len(exchange.prompt) == 1:
            assert reading.prompt_peak == pytest.approx(taken.prompt_score, abs=1e-3)


def test_logits_are_one_a_token_of_the_answer(guard: Guard) -> None:
    """The trace of a stream has a number for each of its tokens."""
    [reading] = read_ahead(guard, EXCHANGES[:1])

    from lictor.guard.tokens import encode

    assert guard.stream_scorer is not None
    assert len(reading.logits) == len(encode(guard.stream_scorer.tokenizer, SAID))


def test_scores_are_those_that_the_guard_decides_by(guard: Guard) -> None:
    """What the exchange scorer and the prompt add is in them, also where the answer is halted on the way."""
    at_once = Cascade(-1e9, 0.5, weight=0.6, scale=0.7, shift=-0.2)
    policy = replace(SUSPICIOUS, input_threshold=inf, output_threshold=inf, cascade=at_once)
    exchange = Exchange(ask("Why?"), SAID)
    scores: list[float] = []
    session = set_to(guard, policy).open(exchange.prompt, on_score=scores.append)
    session.settle()
    for more in (session.push(SAID), session.settle(), session.finish(), session.settle()):
        assert all(isinstance(event, Released) for event in more)

    for threshold in (inf, -inf):
        [reading] = read_ahead(set_to(guard, replace(policy, output_threshold=threshold)), [exchange])
        assert reading.scores == pytest.approx(scores, abs=1e-3)
        assert reading.scores != pytest.approx(reading.logits, abs=1e-3)
        assert len(reading.scores) == len(reading.logits)


def test_stages_do_not_hide_each_other() -> None:
    """A refused prompt's answer is streamed all the same, and a monitoring policy counts as one that blocks."""
    guard = Guard(KeywordInputScorer("please"), KeywordStreamScorer("STOP"), replace(POLICY, enforcement="monitor"))

    [reading] = read_ahead(guard, [Exchange(ask("please"), "well then, STOP right there")])

    assert reading.screened is not None
    assert reading.streamed is not None
    assert (reading.screened.action, reading.streamed.action) == ("block", "block")
    assert "STOP" not in reading.delivered


@pytest.mark.parametrize("on_error", ["closed", "open"])
def test_a_scorer_that_fails_does_what_the_policy_says(on_error: str) -> None:
    """Closed, nothing after the failure is delivered; open, all of it; both as in the guard's own stream."""

    def made() -> Guard:
        stream = FakeStreamScorer(lambda _text, _place: -9.0, fail_at=2, error=ScoringError("broken", reason="gone"))
        policy = replace(POLICY, on_error="open" if on_error == "open" else "closed")
        return Guard(FakeInputScorer(lambda _: -9.0), stream, policy)

    exchange = Exchange(ask("Why?"), SAID)
    [reading] = read_ahead(made(), [exchange])

    assert reading.answer_peak == inf if on_error == "closed" else reading.delivered == SAID
    assert as_read(reading) == as_streamed(made(), exchange)


def test_a_stage_that_is_absent_says_nothing() -> None:
    """Without an output stage the answer is delivered whole; without an input stage no prompt is screened."""
    exchange = Exchange(ask("please"), "well STOP")
    [prompt_only] = read_ahead(Guard(KeywordInputScorer("please"), None, POLICY), [exchange])
    [output_only] = read_ahead(Guard(None, KeywordStreamScorer("STOP"), POLICY), [exchange])

    assert (prompt_only.streamed, prompt_only.delivered, prompt_only.answer_peak) == (None, "well STOP", -inf)
    assert (output_only.screened, output_only.prompt_peak, output_only.delivered) == (None, -inf, "well ")


def test_a_probe_is_read_ahead_as_the_guard_would(short: str) -> None:
    """Answers in their conversations, in batches; what is too long for the model ends as it does in the guard."""
    torch.manual_seed(2)
    probe = Probe(2, 32)
    torch.nn.init.normal_(probe.weight)
    scorer = ProbeScorer(AnswerReader(LocalModel(short, "fp32"), (2, 4)), probe.eval(), window=4)
    guard = Guard(None, scorer, Policy(0.0, inf))

    for exchange, reading in zip(EXCHANGES, read_ahead(guard, EXCHANGES), strict=True):
        if exchange.answer is None:
            assert reading.streamed is None
            continue
        alone = guard.check((*exchange.prompt, Message("assistant", exchange.answer)))
        assert reading.streamed is not None
        assert (reading.streamed.action, reading.streamed.reason) == (alone.action, alone.reason)
        assert reading.streamed.score == pytest.approx(alone.score, abs=1e-3)
