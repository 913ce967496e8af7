"""Every disguise is undone by its view, alone and under others, and no text makes a view stumble."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.augment import Transform, transforms
from lictor.guard import Guard, StreamGuard
from lictor.guard.stream import HELD_CHARS
from lictor.guard.views import DEPTH, READINGS, VIEWS, Decoded, view_texts
from lictor.testing import FakeInputScorer, FakeStreamScorer, PieceTokenizer, ask, piece_text
from lictor.types import Policy, Released, ScoreRequest

from .streams import HIDING, texts
from .streams import drive as drive_pieces

READ = [made for made in transforms().values() if made.view]
WORDS = "how would you please describe the small lamp and what is needed before they take it out of the oven".split()
Hide = Callable[[str], str]
SENTENCE = " ".join(WORDS * 2)
sentences = st.lists(st.sampled_from(WORDS), min_size=24, max_size=40).map(lambda drawn: " ".join(["please", *drawn]))
"""Each begins with a word whose hexadecimal is no decimal number: a run of those is one until it is told otherwise."""
BASE64, HEX, SPACED_HEX, PERCENT, TAGS, ROT, ATBASH, LINES = (HIDING[at] for at in (0, 2, 3, 6, 9, 13, 14, 15))


@pytest.mark.parametrize("made", READ, ids=[made.name for made in READ])
@settings(max_examples=25, deadline=None)
@given(sentence=sentences, seed=st.integers(0, 100))
def test_the_view_of_a_transform_reads_it(made: Transform, sentence: str, seed: int) -> None:
    """What is hidden by a transform that names a view is read to the letter, but for what a code adds at its end."""
    readings = view_texts(made.apply(sentence, np.random.default_rng(seed)))

    assert sentence in {reading.rstrip("=") for reading in readings.values()}


@pytest.mark.parametrize(
    ("hiding", "path"),
    [
        ((ROT, BASE64), "base64/rot"),
        ((ATBASH, HEX), "hex/atbash"),
        ((BASE64, LINES, HEX), "hex/base64_mirrored/reversed_lines"),
        ((ROT, BASE64, BASE64), "base64/base64/rot"),
        ((LINES, ROT, PERCENT), "percent/rot/reversed_lines"),
        ((HEX, BASE64, TAGS), "invisible/base64/hex"),
        ((BASE64, SPACED_HEX, " ".join), "spaced/hex/base64"),
    ],
)
def test_disguises_over_disguises_are_read(hiding: tuple[Hide, ...], path: str) -> None:
    """Up to three disguises, one over the other, are read through, in prompts and in streams alike."""
    sentence = text = SENTENCE
    for hide in hiding:
        text = hide(text)

    assert len(hiding) <= DEPTH
    assert sentence in view_texts(text)[path]
    assert sentence in read_by_stream(text)[path]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), sentences, st.sampled_from(HIDING), st.text(max_size=30))
def test_a_disguise_may_start_anywhere(before: str, sentence: str, hide: Hide, after: str) -> None:
    """A disguise that starts on a line of its own, whatever stands around it, is read by some view of the stream."""
    readings = read_by_stream(f"{before}\n\n{hide(sentence)}\n\n{after}")
    middle = "".join(sentence.split()[8:-8])

    assert any(middle in "".join(reading.split()) for reading in readings.values())


@settings(max_examples=150, deadline=None)
@given(st.one_of(texts, st.text(max_size=200), st.binary(max_size=100).map(lambda data: data.decode("latin-1"))))
def test_no_text_makes_a_view_stumble(text: str) -> None:
    """Any text is read without an error, by no more views than are allowed at once, give or take the last one."""
    assert len(view_texts(text)) <= READINGS + 1


class EchoView:
    """Reads everything as it stands, at once; or holds everything back."""

    def __init__(self, *, holds: bool = False) -> None:
        self.pending_limit = 10_000
        self._holds = holds
        self._read = 0

    @property
    def pending_start(self) -> int:
        """What is held back."""
        return 0 if self._holds else self._read

    def push(self, segment: str) -> list[Decoded]:
        """The segment."""
        start, self._read = self._read, self._read + len(segment)
        return [] if self._holds else [Decoded(segment, start, self._read, opens=start == 0)]

    def finish(self) -> list[Decoded]:
        """Nothing more."""
        return []


def test_too_many_disguises_at_once_halt() -> None:
    """When more views are open at once than are allowed, the answer is blocked, in whatever pieces it came."""
    views = {"one": EchoView, "two": EchoView}
    scorer = FakeStreamScorer(lambda _text, _place: -1.0)

    whole, parts = (drive_pieces(SENTENCE, sizes, Policy(0.0, 0.0), scorer, views=views) for sizes in ([], [3]))

    assert (whole.decision.action, whole.decision.reason) == ("block", "too_many_views")
    assert (whole.decision, whole.delivered) == (parts.decision, parts.delivered)


def test_a_disguise_that_holds_back_too_much_halts() -> None:
    """Once a view holds back more than `HELD_CHARS`, the answer is blocked, with nothing of it delivered."""
    guard = StreamGuard(PieceTokenizer(), Policy(0.0, 0.0), views={"one": lambda: EchoView(holds=True)})
    short = StreamGuard(PieceTokenizer(), Policy(0.0, 0.0), views={"one": lambda: EchoView(holds=True)})

    assert drive(guard, "word " * (HELD_CHARS // 4)) == ""
    assert (guard.decision.action, guard.decision.reason) == ("block", "disguise_too_wide")
    assert drive(short, "word " * 20) == "word " * 20


def test_a_prompt_in_too_many_disguises_is_blocked() -> None:
    """A prompt in which more views open than are allowed is refused, with its reason."""
    views = {str(number): partial(NumberedView, number) for number in range(READINGS + 1)}
    guard = Guard(FakeInputScorer(lambda _conversation: -1.0), None, Policy(0.0, 0.0), views=views)

    decision = guard.check(ask("hello"))

    assert (decision.action, decision.status, decision.reason) == ("block", "error", "too_many_views")


class NumberedView(EchoView):
    """Reads any text as its own number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def finish(self) -> list[Decoded]:
        """The number, at the end of the text."""
        return [Decoded(str(self._number), self._read, self._read)]


def drive(guard: StreamGuard, text: str, readings: dict[str, str] | None = None) -> str:
    """What is delivered of `text` when nothing scores over the threshold; `readings` takes what views had scored."""
    delivered = ""
    steps = guard.push(text)
    while not guard.ended:
        steps = steps or guard.finish()
        step = steps.pop(0)
        if isinstance(step, ScoreRequest):
            if readings is not None and step.view:
                readings[step.view] = readings.get(step.view, "") + "".join(map(piece_text, step.token_ids))
            steps = guard.scored(step.view, [-1.0] * len(step.token_ids)) + steps
        elif isinstance(step, Released):
            delivered += step.text
    return delivered + "".join(step.text for step in steps if isinstance(step, Released))


def read_by_stream(text: str) -> dict[str, str]:
    """What each view of a stream is asked to score."""
    readings: dict[str, str] = {}
    drive(StreamGuard(PieceTokenizer(), Policy(0.0, 0.0), views=VIEWS), text, readings)
    return readings
