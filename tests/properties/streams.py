"""Texts, chunkings, policies and scorers for the stream properties."""

import base64
import codecs
from collections.abc import Callable
from string import ascii_lowercase
from zlib import crc32

from hypothesis import strategies as st

from lictor.guard.session import Readers
from lictor.guard.stream import StreamGuard, StreamStep
from lictor.guard.views import VIEWS, Views
from lictor.testing import FakeStreamScorer, PieceTokenizer, ScoreToken, cut_text
from lictor.types import Cascade, Decision, Halted, Policy, Released, ScoreRequest

_plain = st.text(st.sampled_from("abcde fgh,.x1\n"), max_size=40)
_odd = st.text(
    st.one_of(st.characters(), st.sampled_from("中文😀👩‍👧\u200b\u0000\ud83d\ude00\ud800é ")), min_size=1, max_size=20
)
_spaces = st.integers(1, 80).map(lambda count: " " * count)
_long_word = st.integers(1, 90).map(lambda count: "x" * count)
_secrets = st.text(st.sampled_from("meltglass cone at 12.é中"), min_size=3, max_size=60)


def _disguise(secret: str, width: int, tail: str) -> str:
    text = base64.b64encode(secret.encode()).decode()
    return ("\n".join(cut_text(text, [width])) if width else text) + tail


def _turn_each(text: str) -> str:
    return " ".join(word[::-1] for word in text.split(" "))


HIDING: tuple[Callable[[str], str], ...] = (
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.b32encode(text.encode()).decode(),
    lambda text: text.encode().hex(),
    lambda text: " ".join(f"0x{byte:02X}" for byte in text.encode()),
    lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    lambda text: ", ".join(str(byte) for byte in text.encode()),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    lambda text: "".join(f"&#{ord(char)};" for char in text),
    lambda text: "".join(f"\\u{ord(char):04x}" for char in text if ord(char) < 0x10000),
    lambda text: "".join(chr(0xE0000 + ord(char)) if " " <= char <= "~" else char for char in text),
    "\u200b".join,
    lambda text: text.replace("a", "а").replace("e", "е").replace("o", "о"),
    lambda text: text.translate(str.maketrans("aeiost", "431057")),
    lambda text: codecs.encode(text, "rot13"),
    lambda text: text.translate(str.maketrans(ascii_lowercase, ascii_lowercase[::-1])),
    lambda text: text[::-1],
    _turn_each,
)
"""Disguises as plain functions, written apart from the views and from the transforms."""


def _spread(word: str, between: str) -> str:
    return between.join(word)


_base64 = st.builds(_disguise, _secrets, st.sampled_from([0, 0, 7, 20]), st.sampled_from(["", " ", "\n", ".", "!"]))
_spaced = st.builds(
    _spread,
    st.text(st.sampled_from("abc de"), min_size=4, max_size=30),
    st.sampled_from([" ", "-", ".", "\u200b"]),
)

_sentences = st.lists(
    st.sampled_from("how do you make the glass melt in a pot with some lime, and when is it done? ".split()),
    min_size=6,
    max_size=14,
).map(" ".join)


@st.composite
def disguises(draw: st.DrawFn, depth: int = 3) -> str:
    """A sentence under up to `depth` disguises, one over the other."""
    text = draw(_sentences)
    for hide in draw(st.lists(st.sampled_from(HIDING), min_size=1, max_size=depth)):
        text = hide(text)
    return text


spelt = st.lists(st.sampled_from("lapper thoddle dollopal ddhhllpp pplltthh".split()), min_size=8, max_size=30).map(
    " ".join
)
"""Words that `PieceTokenizer` takes many tokens for."""
texts = st.lists(st.one_of(_plain, _odd, _spaces, _long_word, _base64, _spaced, spelt, disguises()), max_size=6).map(
    "".join
)
chunkings = st.lists(st.integers(0, 40), max_size=6)
policies = st.builds(
    Policy,
    input_threshold=st.just(0.0),
    output_threshold=st.sampled_from([-1.0, 0.0, 0.5, 0.9, 0.97]),
    stride=st.integers(1, 20),
    warmup=st.sampled_from([(), (4, 8), (1, 2, 3)]),
    hold_back=st.sampled_from([0, 0, 1, 5, 30]),
    debounce=st.integers(1, 4),
)
cascades = st.builds(
    Cascade,
    prompt_escalation=st.sampled_from([-1.0, 1.0]),
    answer_escalation=st.sampled_from([-1.0, 0.0, 0.5, 0.9]),
    weight=st.sampled_from([0.0, 0.4, 1.0]),
    scale=st.sampled_from([0.5, 1.0]),
    shift=st.sampled_from([-0.5, 0.0, 0.4]),
)
tokenizers = st.booleans().map(lambda bytewise: PieceTokenizer(bytewise=bytewise))


def seeded(seed: int) -> ScoreToken:
    """Logits in -1..1 that depend on a token's text and place, with runs of like values."""

    def score_token(text: str, place: int) -> float:
        run = crc32(f"{seed}:{place // 3}".encode()) % 200 / 100 - 1
        own = crc32(f"{seed}:{text}".encode("utf-8", "replace")) % 200 / 100 - 1
        return max(run, own) if place % 2 else run

    return score_token


score_functions = st.integers(0, 1000).map(seeded)


class Outcome:
    """What came of driving a StreamGuard to its end."""

    def __init__(self, delivered: str, decision: Decision, halted: bool) -> None:
        self.delivered = delivered
        self.decision = decision
        self.halted = halted


def drive(
    text: str,
    sizes: list[int],
    policy: Policy,
    scorer: FakeStreamScorer,
    *,
    exchange: FakeStreamScorer | None = None,
    views: Views = VIEWS,
    late: bool = False,
) -> Outcome:
    """Drive a StreamGuard by hand; `late` answers no ScoreRequest before the end."""
    guard = StreamGuard(scorer.tokenizer, policy, views=views)
    guard.after_prompt(0.0)
    readers = Readers((), scorer, exchange)
    delivered: list[str] = []
    requests: list[ScoreRequest] = []

    def sort(steps: list[StreamStep]) -> None:
        for step in steps:
            if isinstance(step, ScoreRequest):
                requests.insert(0 if step.scorer == "exchange" else len(requests), step)
        delivered.extend(step.text for step in steps if isinstance(step, Released))
        if any(isinstance(step, Halted) for step in steps):
            requests.clear()

    def answer() -> None:
        while requests:
            request = requests.pop(0)
            logits = readers.session(request).score(request.token_ids)
            sort(guard.scored(request.view, logits, request.scorer))

    for chunk in cut_text(text, sizes):
        sort(guard.push(chunk))
        if not late:
            answer()
        if guard.ended:
            break
    if not guard.ended:
        sort(guard.finish())
        answer()
    assert guard.ended
    return Outcome("".join(delivered), guard.decision, guard.decision.action == "block")
