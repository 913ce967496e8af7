"""Trained scorers as the guard sees them: batched, streamed and one at a time, they say the same."""

from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest
import torch

from lictor.errors import ScoringError
from lictor.guard.tokens import encode
from lictor.llm.local import load_causal_lm
from lictor.model.backbone import Backbone, Cut
from lictor.model.heads import Head, readout_head, value_head
from lictor.model.scorers import AnswerScorer, PromptScorer, score_batch
from lictor.model.text import input_ids
from lictor.testing import ask
from lictor.types import Conversation, Message

ANSWERS = ["The bell rings.", "Soup", "", "Twelve strokes at noon, and one more for the guild, whose bell is cracked."]
PROMPTS: list[Conversation] = [
    ask("How is a bell cast?"),
    ask(""),
    (Message("system", "Be brief."), Message("user", "x"), Message("assistant", "y"), Message("user", "z?" * 60)),
]


@pytest.fixture(scope="module")
def backbone(tiny: str) -> Backbone:
    """The tiny model in fp32, cut in the middle."""
    return Backbone(tiny, Cut(2, 4), "fp32")


def loud(head: Head) -> Head:
    """`head` with a random reading, so that scores differ."""
    torch.manual_seed(3)
    torch.nn.init.normal_(head.value.weight)
    return head.eval()


@pytest.fixture(scope="module")
def prompt(backbone: Backbone) -> PromptScorer:
    """An input scorer of random weights."""
    return PromptScorer(backbone, loud(readout_head(backbone)))


@pytest.fixture(scope="module")
def answer(backbone: Backbone) -> AnswerScorer:
    """A stream scorer of random weights."""
    return AnswerScorer(backbone, loud(value_head(backbone)))


def test_several_streams_in_one_pass_say_what_each_says_alone(answer: AnswerScorer) -> None:
    """Streams of any lengths, read on together again and again, with others that come and go: the same logits."""
    texts = [text * (at + 1) for at, text in enumerate(ANSWERS * 5) if text]
    streams = [[token.id for token in encode(answer.tokenizer, text)] for text in texts]
    together = [answer.open(()) for _ in streams]
    read: list[list[float]] = [[] for _ in streams]
    for turn in range(max(map(len, streams)) // 7 + 1):
        steps = {at: s[turn * 7 : turn * 7 + 7 - at % 3] for at, s in enumerate(streams)}
        steps = {at: ids for at, ids in steps.items() if ids}
        for at, logits in zip(steps, score_batch([together[at] for at in steps], list(steps.values())), strict=True):
            assert not isinstance(logits, Exception)
            read[at] += logits

    for at, stream in enumerate(streams):
        alone = answer.open(())
        ids = [stream[start : start + 7 - at % 3] for start in range(0, len(stream), 7)]
        assert read[at] == pytest.approx([x for part in ids for x in alone.score(part)], abs=1e-3)


def test_a_stream_too_long_fails_alone_in_its_batch(answer: AnswerScorer, backbone: Backbone) -> None:
    """One answer beyond the backbone's length is an error of its own; those beside it are scored."""
    sessions = [answer.open(()) for _ in range(3)]

    found = score_batch(sessions, [[5], [5] * backbone.max_tokens, [5]])

    assert isinstance(found[1], ScoringError)
    alone = answer.open(()).score([5])
    assert [found[0], found[2]] == [pytest.approx(alone, abs=1e-3)] * 2


def test_a_stream_says_what_one_pass_says(answer: AnswerScorer) -> None:
    """Token by token, in batches of any size, and whole beside other answers: the same logits."""
    ids = [[token.id for token in encode(answer.tokenizer, text)] for text in ANSWERS]
    batched = answer.score_many(ids)
    for tokens, whole in zip(ids, batched, strict=True):
        assert len(whole) == len(tokens)
        for step in (1, 4, 1000):
            session = answer.open(ask("unread"))
            parts = [x for at in range(0, len(tokens), step) for x in session.score(tokens[at : at + step])]
            assert parts == pytest.approx(whole, abs=1e-4)
    assert torch.tensor(batched[3]).std() > 0.1


def test_a_logit_is_the_mean_of_the_last_ones_of_the_head(backbone: Backbone) -> None:
    """Whole and streamed alike, over as many tokens as the scorer was made with."""
    head = loud(value_head(backbone))
    bare, mean = AnswerScorer(backbone, head), AnswerScorer(backbone, head, window=3)
    ids = [token.id for token in encode(mean.tokenizer, ANSWERS[3])]
    [logits] = bare.score_many([ids])
    expected = [fmean(logits[max(0, end - 3) : end]) for end in range(1, len(logits) + 1)]

    session = mean.open(())
    assert mean.score_many([ids]) == [pytest.approx(expected, abs=1e-4)]
    assert [*session.score(ids[:5]), *session.score(ids[5:])] == pytest.approx(expected, abs=1e-4)


def test_sessions_do_not_share_state(answer: AnswerScorer) -> None:
    """Two streams read in turns score as each alone."""
    ids = [token.id for token in encode(answer.tokenizer, ANSWERS[3])]
    one, two = answer.open(()), answer.open(())
    mixed = [(one.score([i])[0], two.score([j])[0]) for i, j in zip(ids, reversed(ids), strict=True)]

    assert [a for a, _ in mixed] == pytest.approx(answer.open(()).score(ids), abs=1e-4)
    assert [b for _, b in mixed] == pytest.approx(answer.open(()).score(ids[::-1]), abs=1e-4)


def test_prompts_score_alike_alone_and_together(prompt: PromptScorer) -> None:
    """Neither padding nor neighbours change a prompt's logit, and different prompts get different ones."""
    together = prompt.score_many(PROMPTS, batch_tokens=300)

    assert together == pytest.approx([prompt.score(p) for p in PROMPTS], abs=1e-4)
    assert all(abs(a - b) > 1e-3 for a, b in pairwise(together))
    assert prompt.score_many([]) == []


def test_a_prompt_is_read_at_its_last_token(backbone: Backbone, prompt: PromptScorer) -> None:
    """The logit is the head's reading of the whole model's state where the answer would follow."""
    decoder: Any = load_causal_lm(backbone.reference, "fp32").get_decoder()
    ids = torch.tensor([input_ids(PROMPTS[0], backbone.tokenizer, 4096)])
    head = loud(readout_head(backbone))

    with torch.inference_mode():
        expected = head.read(decoder(input_ids=ids).last_hidden_state[:, -1])

    assert prompt.score(PROMPTS[0]) == pytest.approx(expected.item(), abs=1e-4)


def test_odd_text_gets_a_finite_score(prompt: PromptScorer, answer: AnswerScorer) -> None:
    """Lone surrogates, control and zero-width characters, and nothing at all are scored like any text."""
    for text in ("\ud800", "a\udfffb", "\x00\x07\x1b[2J", "\u200b\u200d\ufeff\u202e", "", "\n\n\n", "e\u0301" * 9):
        ids = [token.id for token in encode(answer.tokenizer, text)]
        assert abs(prompt.score(ask(text))) < 1e4
        assert all(abs(logit) < 1e4 for logit in answer.open(()).score(ids) if ids)


def test_a_prompt_over_the_limit_is_a_typed_error(backbone: Backbone) -> None:
    """The error names its reason; the limit is never above what the backbone was made for."""
    short = PromptScorer(backbone, readout_head(backbone), max_tokens=60)
    wide = PromptScorer(backbone, readout_head(backbone), max_tokens=1_000_000)
    for scorer, text in ((short, "ring " * 40), (wide, "ring " * 520)):
        with pytest.raises(ScoringError) as caught:
            scorer.score(ask(text))
        assert caught.value.reason == "conversation_too_long"


def test_an_answer_over_the_limit_is_a_typed_error(answer: AnswerScorer) -> None:
    """The token that passes what the backbone was made for is refused, counting those read before."""
    session = answer.open(())
    session.score([5] * 2000)
    session.score([5] * 47)
    with pytest.raises(ScoringError) as caught:
        session.score([5])
    assert caught.value.reason == "answer_too_long"


def test_a_model_that_fails_is_a_typed_error(backbone: Backbone) -> None:
    """A tensor error inside the model becomes a ScoringError, which the guard blocks on."""
    misfit = value_head(Backbone(backbone.reference, Cut(2, 3), "fp32"))
    misfit.value = torch.nn.Linear(5, 1)

    with pytest.raises(ScoringError):
        PromptScorer(backbone, misfit).score(ask("x"))
    with pytest.raises(ScoringError):
        AnswerScorer(backbone, misfit).open(()).score([5])
