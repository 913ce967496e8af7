"""A probe: what it learns, keeps and reads, on a tiny real model."""

import random
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
import torch
from sklearn.metrics import roc_auc_score

from lictor.errors import ArtifactError, DataError, ScoringError, UsageError
from lictor.guard.tokens import encode
from lictor.llm.local import LocalModel, shared_model
from lictor.model.losses import WINDOW
from lictor.model.probe import Probe, load_probe
from lictor.model.probing import AnswerReader, ProbeScorer
from lictor.model.text import SegmentTokenizer
from lictor.model.train_probe import READ_WINDOW, Answered, ProbeConfig, train_probe
from lictor.testing import ask
from lictor.types import Sampling

TEXTS = ("the restricted bell rings", "a soup in the morning", "an allowed bell and bread")


@pytest.fixture(scope="module")
def model(tiny: str) -> LocalModel:
    """The tiny model in fp32."""
    return LocalModel(tiny, "fp32")


@pytest.fixture(scope="module")
def scorer(model: LocalModel) -> ProbeScorer:
    """A probe with random weights on all four layers."""
    torch.manual_seed(4)
    probe = Probe(4, 32)
    torch.nn.init.normal_(probe.weight, std=0.3)
    return ProbeScorer(AnswerReader(model, (1, 2, 3, 4)), probe.eval(), window=3)


def _ids(model: LocalModel, text: str) -> list[int]:
    return [token.id for token in encode(SegmentTokenizer(model.tokenizer), text)]


def _answers(model: LocalModel) -> list[Answered]:
    return [
        Answered(ask(f"Question {n}?"), _ids(model, f"{word} bell number {n} in the morning"), label)
        for n in range(24)
        for word, label in (("a restricted", 1), ("an allowed", 0))
    ]


def test_folding_and_saving_change_no_logit(tmp_path: Path) -> None:
    """A probe that learnt on standardised activations reads raw ones the same after it was folded and saved."""
    torch.manual_seed(0)
    probe, activations = Probe(3, 8), torch.randn(5, 3, 8) * 40 + 7
    torch.nn.init.normal_(probe.weight)
    probe.standardise(activations.mean(0), activations.std(0))
    before = probe(activations)
    probe.fold()
    path = tmp_path / "probe.safetensors"
    path.write_bytes(probe.to_bytes())

    torch.testing.assert_close(load_probe(path)(activations), before, rtol=1e-4, atol=1e-4)


def test_a_file_that_is_no_probe_is_refused(tmp_path: Path) -> None:
    """With its name."""
    path = tmp_path / "probe.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match=r"probe\.safetensors: expected a probe"):
        load_probe(path)


def test_a_session_gives_what_a_whole_reading_gives(model: LocalModel, scorer: ProbeScorer) -> None:
    """Token by token, in pieces or at once, alone or padded in a batch; and the conversation before it counts."""
    asked = [(ask("What rings?"), _ids(model, text * 3)) for text in TEXTS]
    together = scorer.score_answers(asked)

    for (conversation, ids), logits in zip(asked, together, strict=True):
        session = scorer.open(conversation)
        pieces = [*session.score(ids[:1]), *session.score(ids[1:7]), *session.score(ids[7:])]
        assert pieces == pytest.approx(logits, abs=1e-4)
    (other,) = scorer.score_answers([(ask("What else?"), asked[0][1])])
    assert other != pytest.approx(together[0], abs=1e-2)


def test_what_is_too_long_is_an_error(model: LocalModel, scorer: ProbeScorer) -> None:
    """Never a score of a part."""
    conversation = ask("x")
    most = scorer.reader.max_tokens - len(model.prompt_ids(conversation))
    assert scorer.fits_after(conversation, [5] * most)
    assert not scorer.fits_after(conversation, [5] * (most + 1))
    session = scorer.open(conversation)
    session.score([5] * 10)
    with pytest.raises(ScoringError) as caught:
        session.score([5] * most)
    assert caught.value.reason == "answer_too_long"


@pytest.mark.parametrize("most", [1, 7, 40])
def test_reading_while_writing_is_reading_along(model: LocalModel, scorer: ProbeScorer, most: int) -> None:
    """The text is that of a plain stream; the logits are those of a session that is fed the same tokens."""
    conversation, how = ask("Where do bells come from?"), Sampling(max_tokens=most, temperature=1.0, seed=5)
    fed: list[int] = []
    tap = scorer.tap()

    def noting(states: tuple[torch.Tensor, ...]) -> list[float]:
        logits = list(tap(states))
        said.extend(logits)
        return logits

    said: list[float] = []
    read = list(model.stream_read(conversation, how, noting))
    assert "".join(piece.text for piece in read) == "".join(model.stream(conversation, how))

    for row in model._decode([model.prompt_ids(conversation)], [how]):  # pyright: ignore[reportPrivateUsage] -- the very tokens
        fed = list(row.tokens)
    expected = list(scorer.open(conversation).score(fed))
    assert said[: len(fed)] == pytest.approx(expected, abs=1e-4)
    assert {round(piece.logit, 3) for piece in read} <= {round(logit, 3) for logit in said}
    assert max(piece.logit for piece in read) == pytest.approx(max(said[: len(fed)]))


def test_any_conversation_has_a_prefix_or_an_error(model: LocalModel, scorer: ProbeScorer) -> None:
    """None before the answer, a lone surrogate in it; one the template refuses is a ScoringError, and never fits."""
    for conversation in ((), ask("bell \ud800")):
        assert len(scorer.open(conversation).score([5, 6])) == 2
    plain = model.tokenizer.chat_template
    try:
        model.tokenizer.chat_template = "{{ raise_exception('no') }}"
        assert not scorer.fits_after(ask("x"), [5])
        with pytest.raises(ScoringError) as caught:
            scorer.open(ask("x"))
    finally:
        model.tokenizer.chat_template = plain
    assert caught.value.reason == "conversation_unreadable"


def test_a_probe_learns_what_sets_answers_apart(model: LocalModel) -> None:
    """Answers about one thing and another, told apart where it never saw them; the same seed, the same probe."""
    answers = _answers(model)
    reader = AnswerReader(model, (1, 2, 3, 4))
    config = ProbeConfig(epochs=8, batch_tokens=200, learning_rate=5e-3)

    first, again = (train_probe(reader, answers[:32], answers[32:], config, _quiet) for _ in range(2))

    assert max(first.auroc) > 0.95
    assert first.auroc == again.auroc
    assert torch.equal(first.probe.weight, again.probe.weight)
    with pytest.raises(DataError, match="both labels"):
        train_probe(reader, answers[::2], answers, config, _quiet)


def test_the_probe_of_the_best_epoch_is_kept(model: LocalModel) -> None:
    """Where validation says the opposite of training, that is the first one."""
    answers = _answers(model)
    opposite = [replace(answer, label=1 - answer.label) for answer in answers[32:]]
    reader = AnswerReader(model, (1, 2, 3, 4))
    config = ProbeConfig(epochs=6, batch_tokens=200, learning_rate=3e-5)

    trained = train_probe(reader, answers[:32], opposite, config, _quiet)

    assert trained.auroc[0] == max(trained.auroc) > trained.auroc[-1]
    peaks = _peaks(reader, trained.probe, opposite, READ_WINDOW)
    assert roc_auc_score([answer.label for answer in opposite], peaks) == pytest.approx(trained.auroc[0])


def test_an_epoch_is_judged_by_what_the_guard_reads(model: LocalModel) -> None:
    """Of labels that go by how far the highest means over both windows lie apart, each tells another share apart."""
    answers, reader, rng = _answers(model), AnswerReader(model, (1, 2, 3, 4)), random.Random(2)
    config = ProbeConfig(epochs=1, batch_tokens=200, learning_rate=5e-3)
    held = [Answered(ask(f"Question {n}?"), [rng.randrange(5, 250) for _ in range(60)], n % 2) for n in range(40)]
    probe = train_probe(reader, answers, held, config, _quiet).probe
    here, there = (_peaks(reader, probe, held, window) for window in (READ_WINDOW, WINDOW))
    apart = [one - other for one, other in zip(here, there, strict=True)]
    labels = [int(gap > median(apart)) for gap in apart]

    held = [replace(answer, label=label) for answer, label in zip(held, labels, strict=True)]
    [found] = train_probe(reader, answers, held, config, _quiet).auroc

    assert abs(roc_auc_score(labels, here) - roc_auc_score(labels, there)) > 0.1
    assert found == pytest.approx(roc_auc_score(labels, here), abs=0.03)  # activations are kept in bf16


def test_nan_is_no_score(model: LocalModel) -> None:
    """Whether the model reads along or writes."""
    probe = Probe(1, 32)
    torch.nn.init.constant_(probe.weight, float("nan"))
    scorer = ProbeScorer(AnswerReader(model, (2,)), probe.eval())
    with pytest.raises(ScoringError, match="NaN"):
        scorer.open(ask("x")).score([5, 6])
    with pytest.raises(ScoringError, match="NaN"):
        list(model.stream_read(ask("x"), Sampling(max_tokens=4), scorer.tap()))


def test_layers_that_are_not_there_are_refused(model: LocalModel) -> None:
    """With how many there are."""
    with pytest.raises(UsageError, match="layers of 1 to 4"):
        AnswerReader(model, (0, 5))


def test_one_copy_of_the_weights_serves_all(tiny: str) -> None:
    """A model that is asked for again is the same one, while somebody holds it."""
    held = shared_model(tiny, "fp32")

    assert shared_model(tiny, "fp32") is held
    assert shared_model(tiny, "bf16") is not held


def _peaks(reader: AnswerReader, probe: Probe, answers: list[Answered], window: int) -> list[float]:
    scored = ProbeScorer(reader, probe, window=window).score_answers([(a.conversation, a.token_ids) for a in answers])
    return [max(logits) for logits in scored]


def _quiet(_stage: str, _at: int, _total: int, _measure: float) -> None:
    """Progress nobody watches."""
