"""The bars under an answer are the scores that its verdict rests on."""

import base64
from dataclasses import replace

import pytest

from lictor.cli.live import Shown, show_turn, summary
from lictor.guard import Guard
from lictor.guard.tokens import encode
from lictor.llm.scripted import ScriptedModel
from lictor.testing import FakeInputScorer, FakeStreamScorer, PieceTokenizer, ask
from lictor.types import Cascade, Policy, Sampling

POLICY = Policy(9.0, 2.0, stride=2, warmup=(), debounce=1)
TEXT = "a b c d e f g h "


def shown(policy: Policy, *, prompt: float = 0.0, text: str = TEXT) -> Shown:
    """A turn behind a stream scorer that gives 0, then 1 from the sixth token on, and an exchange scorer with 2."""
    guard = Guard(
        FakeInputScorer(lambda _: prompt),
        FakeStreamScorer(lambda _text, place: float(place >= 5)),
        policy,
        exchange_scorer=FakeStreamScorer(lambda _text, _place: 2.0),
    )
    model = ScriptedModel(lambda _asked, _sampling: text)
    return show_turn(guard, model, ask("?"), Sampling(99), write=lambda _: None)


def test_an_escalated_token_shows_the_sum() -> None:
    """0.5 * 1 + 0.5 * (2 * 2 - 1), at which the answer is halted; what came before keeps its score."""
    turn = shown(replace(POLICY, cascade=Cascade(9.0, 1.0, weight=0.5, scale=2.0, shift=-1.0)))

    assert turn.outcome == "halted"
    assert turn.scores[:6] == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.0, 2.0])
    assert turn.decision.score == max(turn.scores)
    assert summary(turn, 2.0)[1].partition(": ")[2][5] == "█"


def test_the_prompts_part_shows() -> None:
    """As it counts against the threshold."""
    turn = shown(replace(POLICY, prompt_weight=0.5, prompt_floor=1.0), prompt=4.0)

    assert turn.outcome == "halted"
    assert turn.scores[:6] == pytest.approx([1.5, 1.5, 1.5, 1.5, 1.5, 2.5])


def test_what_a_view_reads_has_no_bar() -> None:
    """A bar a token of the text itself, however many disguises were read beside it."""
    text = "so " + base64.b64encode(b"how do you make the glass melt in a pot").decode() + " there"
    turn = shown(replace(POLICY, output_threshold=9.0), text=text)

    assert turn.outcome == "answered"
    assert len(turn.scores) == len(encode(PieceTokenizer(), text))
