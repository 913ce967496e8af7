"""A local model served with a probe on its own activations: nothing is read twice, and what it says counts."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import torch

from lictor.guard import Guard
from lictor.llm.local import LocalModel, shared_model
from lictor.model.probe import Probe
from lictor.model.probing import AnswerReader, ProbeScorer
from lictor.server.app import create_app
from lictor.server.run import make_service, make_upstream
from lictor.server.settings import ServerSettings
from lictor.testing import ask
from lictor.testing.upstreams import running
from lictor.types import Policy, Sampling

ASK = "Tell me of bells."
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": ASK}], "max_tokens": 60, "seed": 3}


@pytest.fixture(scope="module")
def model(tiny: str) -> LocalModel:
    """The tiny model, as the server loads it."""
    return shared_model(tiny)


class _Unread(AnswerReader):
    """A reader that must not be asked: the activations are there already."""

    def read(self, *_: object, **__: object) -> torch.Tensor:
        """Fail.

        Raises:
            AssertionError: Always.
        """
        raise AssertionError("the answer was read a second time")


def _scorer(model: LocalModel) -> ProbeScorer:
    torch.manual_seed(1)
    probe = Probe(4, 32)
    torch.nn.init.normal_(probe.weight)
    return ProbeScorer(_Unread(model, (1, 2, 3, 4)), probe.eval(), window=2)


@contextmanager
def _served(model: str, scorer: ProbeScorer, threshold: float) -> Generator[str]:
    settings = ServerSettings.model_validate({"upstream": {"model": model}})
    guard = Guard(None, scorer, Policy(0.0, threshold, stride=4, warmup=(), debounce=1), views={})
    service = make_service(guard, make_upstream(settings.upstream), settings)
    if scorer.reader.model is shared_model(model):
        service.try_out()
        assert service.gate.room == settings.limits.streams
    with running(create_app(service)) as url:
        yield url


def _streamed(url: str, **more: object) -> tuple[str, str]:
    text, reason = "", ""
    with httpx2.stream("POST", url + "/v1/chat/completions", json=BODY | {"stream": True} | more, timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
                    reason = choice["finish_reason"] or reason
    return text, reason


def _logits(model: LocalModel, scorer: ProbeScorer) -> list[tuple[str, float]]:
    how = Sampling(60, Sampling().temperature, Sampling().top_p, seed=3)
    return list(model.stream_read(ask(ASK), how, scorer.tap()))


def test_an_answer_under_the_threshold_comes_whole(tiny: str, model: LocalModel) -> None:
    """As the model alone would write it, with the probe reading the passes that write it."""
    scorer = _scorer(model)
    read = _logits(model, scorer)
    with _served(tiny, scorer, max(logit for _, logit in read) + 1) as url:
        text, reason = _streamed(url)

    assert text == "".join(piece for piece, _ in read)
    assert reason in {"length", "stop"}


def test_an_answer_over_the_threshold_halts_before_it(tiny: str, model: LocalModel) -> None:
    """No character from the first piece over the threshold on is delivered, also where the text is cut by a stop."""
    scorer = _scorer(model)
    read = _logits(model, scorer)
    at = max(range(8, len(read)), key=lambda at: read[at][1])
    threshold = read[at][1] - 1e-3
    first = next(i for i, (_, logit) in enumerate(read) if logit >= threshold)
    with _served(tiny, scorer, threshold) as url:
        text, reason = _streamed(url)
        stopped, _ = _streamed(url, stop=["\x00never"])

    before = "".join(piece for piece, _ in read[:first])
    assert reason == "content_filter"
    assert before.startswith(text)
    assert before.startswith(stopped)


def test_a_prompt_the_model_cannot_take_is_an_error_and_no_wait(tiny: str, model: LocalModel) -> None:
    """Its template refuses it: the client is told at once."""
    plain = model.tokenizer.chat_template
    try:
        model.tokenizer.chat_template = "{{ raise_exception('no') }}"
        with _served(tiny, _scorer(model), 1e9) as url:
            answer = httpx2.post(url + "/v1/chat/completions", json=BODY, timeout=20)
    finally:
        model.tokenizer.chat_template = plain

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")


def test_a_probe_on_other_weights_reads_along(tiny: str, model: LocalModel) -> None:
    """It is no reader of these activations: the guard then scores by itself, here into an error, and blocks."""
    other = LocalModel(tiny, "fp32")
    assert other is not model
    with _served(tiny, _scorer(other), 1e9) as url:
        text, reason = _streamed(url)

    assert (text, reason) == ("", "")
