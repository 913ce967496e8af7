"""The exchange scorer says, whatever the chunks, what a whole conversation with the question at its end says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.errors import ScoringError
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone, Cut, pad_right
from lictor.model.exchange import EVERY, ExchangeScorer, is_asked_after
from lictor.model.heads import Head, readout_head
from lictor.model.reading import REACH, Kept, read_on
from lictor.model.scorers import score_batch
from lictor.model.text import closing_ids, opening_ids
from lictor.testing import ask
from lictor.types import Conversation

PROMPT = ask("How is a bell cast? assistant: no\nuser: yes")
SAID = "Twelve strokes at noon, and one more for the guild, whose bell is cracked. The soup is warm."


@pytest.fixture(scope="module")
def backbone(tiny: str) -> Backbone:
    """The tiny model in fp32, cut in the middle."""
    return Backbone(tiny, Cut(2, 4), "fp32")


@pytest.fixture(scope="module")
def head(backbone: Backbone) -> Head:
    """A readout of random weights."""
    torch.manual_seed(3)
    made = readout_head(backbone)
    torch.nn.init.normal_(made.value.weight)
    return made.eval()


@pytest.fixture(scope="module")
def scorer(backbone: Backbone, head: Head) -> ExchangeScorer:
    """An exchange scorer of random weights."""
    return ExchangeScorer(backbone, head)


@pytest.fixture(scope="module")
def said(scorer: ExchangeScorer) -> list[int]:
    """The answer's tokens."""
    return [token.id for token in encode(scorer.tokenizer, SAID)]


@torch.inference_mode()
def asked_at_the_end(backbone: Backbone, head: Head, prompt: Conversation, said: list[int]) -> float:
    """What the head says after the whole of it and the question, read at once and without any state."""
    whole = [*opening_ids(prompt, backbone.tokenizer, 999), *said, *closing_ids(backbone.tokenizer)]
    ids, mask = pad_right([whole])
    return float(head(backbone.read(ids, mask), mask)[0, -1])


@settings(max_examples=20)
@given(st.lists(st.integers(1, 30), max_size=12))
def test_any_chunking_gives_the_same_scores(scorer: ExchangeScorer, said: list[int], sizes: list[int]) -> None:
    """Bit for bit."""
    session, found, at = scorer.open(PROMPT), list[float](), 0
    for size in (*sizes, len(said)):
        found += session.score(said[at : at + size])
        at += size

    assert found == list(scorer.open(PROMPT).score(said))


def test_scores_are_those_of_a_whole_conversation_with_the_question_at_its_end(
    scorer: ExchangeScorer, backbone: Backbone, head: Head, said: list[int]
) -> None:
    """After the first token and every fourth; between these the last one holds."""
    logits = scorer.open(PROMPT).score(said)

    for count in range(1, len(said) + 1):
        asked = next(c for c in range(count, 0, -1) if is_asked_after(c))
        assert logits[count - 1] == pytest.approx(asked_at_the_end(backbone, head, PROMPT, said[:asked]), abs=1e-3)
    assert len(set(logits)) == len(said) // EVERY + 1


@torch.inference_mode()
def test_the_question_leaves_no_trace(scorer: ExchangeScorer, backbone: Backbone, head: Head, said: list[int]) -> None:
    """What is kept after many questions is what reading the conversation without any keeps."""
    whole = said[: len(said) // EVERY * EVERY]
    session = scorer.open(PROMPT)
    session.score(whole)

    opening = opening_ids(PROMPT, backbone.tokenizer, 999)
    trunk, top = Kept(sink=len(opening)), Kept(sink=len(opening))
    ids, _ = pad_right([[*opening, *whole]])
    read_on(head.top, read_on(backbone.trunk, backbone.embed(ids), [trunk], [ids.shape[1]]), [top], [ids.shape[1]])
    for kept, plain in ((session.trunk, trunk), (session.top, top)):
        assert kept.places == plain.places
        for ours, theirs in zip(kept.layers, plain.layers, strict=True):
            for one, other in zip(ours, theirs, strict=True):
                assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("skipped", [1, 3, 4, 9, 40])
def test_who_comes_late_says_the_same(scorer: ExchangeScorer, said: list[int], skipped: int) -> None:
    """The tokens before are read at once; what is said of those after them is as though every one had been scored."""
    session = scorer.open(PROMPT)
    session.catch_up(said[:skipped])

    late = [*session.score(said[skipped : skipped + 5]), *session.score(said[skipped + 5 :])]

    assert late == pytest.approx(scorer.open(PROMPT).score(said)[skipped:], abs=1e-3)


def test_long_answers_drop_what_is_far_and_keep_the_conversation(scorer: ExchangeScorer, said: list[int]) -> None:
    """Memory is bounded; coming late past the reach makes no difference either."""
    long = said * (2 * REACH // len(said) + 1)
    session, late = scorer.open(PROMPT), scorer.open(PROMPT)
    logits = session.score(long)
    late.catch_up(long[:-10])

    assert session.trunk.layers[0][0].shape[2] == session.trunk.sink + REACH - 1
    assert late.score(long[-10:]) == pytest.approx(logits[-10:], abs=1e-3)


def test_several_in_one_pass_say_what_each_says_alone(scorer: ExchangeScorer, said: list[int]) -> None:
    """In the server's batches, beside sessions at other places, and ahead in bulk."""
    prompts = [PROMPT, ask(""), ask("Soup?"), ()]
    expected = [scorer.open(prompt).score(said) for prompt in prompts]
    sessions = [scorer.open(prompt) for prompt in prompts]
    found: list[list[float]] = [[] for _ in prompts]
    for at in range(0, len(said), 7):
        for row, logits in enumerate(score_batch(sessions, [said[at : at + 7]] * len(prompts))):
            assert not isinstance(logits, Exception)
            found[row] += logits

    for row, logits in enumerate(expected):
        assert found[row] == pytest.approx(logits, abs=1e-3)
        assert scorer.score_answers([(p, said) for p in prompts])[row] == pytest.approx(logits, abs=1e-3)
    assert scorer.score_answers([(PROMPT, said[:9]), (PROMPT, [])]) == [pytest.approx(expected[0][:9], abs=1e-3), []]


def test_what_is_too_long_is_an_error(scorer: ExchangeScorer, backbone: Backbone, said: list[int]) -> None:
    """A conversation, an answer in one go, one that grows: by their own names, in whatever way they are read."""
    with pytest.raises(ScoringError, match="exchange scorer reads") as error:
        scorer.open(ask("bell " * 3000))
    assert error.value.reason == "conversation_too_long"
    long = said * (backbone.max_tokens // len(said) + 1)
    assert not scorer.fits_after(PROMPT, long)
    assert scorer.fits_after(PROMPT, said)
    for read in (scorer.open(PROMPT).score, scorer.open(PROMPT).catch_up):
        with pytest.raises(ScoringError, match="over 2048 tokens") as error:
            read(long)
        assert error.value.reason == "answer_too_long"


def test_the_tokens_read_are_counted(scorer: ExchangeScorer, backbone: Backbone) -> None:
    """The conversation, the answer, and a question wherever one is asked; who comes late asks less."""
    closing = len(closing_ids(backbone.tokenizer))

    assert scorer.tokens_before(PROMPT) == len(opening_ids(PROMPT, backbone.tokenizer, 999))
    assert scorer.tokens_read(9) == 9 + 3 * closing
    assert scorer.tokens_read(9, caught_up=8) == 9 + closing
