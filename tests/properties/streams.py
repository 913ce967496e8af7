"""Texts, chunkings, policies and scorers for the stream properties."""

import base64
from zlib import crc32

from hypothesis import strategies as st

from lictor.guard.stream import StreamGuard, StreamStep
from lictor.guard.views import VIEWS, Views
from lictor.testing import FakeStreamScorer, PieceTokenizer, ScoreToken, cut_text
from lictor.types import Decision, Halted, Policy, Released, ScoreRequest

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


def _spread(word: str, between: str) -> str:
    return between.join(word)


_base64 = st.builds(_disguise, _secrets, st.sampled_from([0, 0, 7, 20]), st.sampled_from(["", " ", "\n", ".", "!"]))
_spaced = st.builds(
    _spread,
    st.text(st.sampled_from("abc de"), min_size=4, max_size=30),
    st.sampled_from([" ", "-", ".", "\u200b"]),
)

texts = st.lists(st.one_of(_plain, _odd, _spaces, _long_word, _base64, _spaced), max_size=6).map("".join)
chunkings = st.lists(st.integers(0, 40), max_size=6)
policies = st.builds(
    Policy,
    input_threshold=st.just(0.0),
    output_threshold=st.sampled_from([-1.0, 0.0, 0.5, 0.9, 0.97]),
    stride=st.integers(1, 20),
    warmup=st.sampled_from([(), (4, 8), (1, 2, 3)]),
    debounce=st.integers(1, 4),
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
    views: Views = VIEWS,
    late: bool = False,
) -> Outcome:
    """Drive a StreamGuard by hand; `late` answers no ScoreRequest before the end."""
    guard = StreamGuard(scorer.tokenizer, policy, views=views)
    sessions = {None: scorer.open(()), **{name: scorer.open(()) for name in views}}
    delivered: list[str] = []
    requests: list[ScoreRequest] = []

    def sort(steps: list[StreamStep]) -> None:
        requests.extend(step for step in steps if isinstance(step, ScoreRequest))
        delivered.extend(step.text for step in steps if isinstance(step, Released))
        if any(isinstance(step, Halted) for step in steps):
            requests.clear()

    def answer() -> None:
        while requests:
            request = requests.pop(0)
            sort(guard.scored(request.view, sessions[request.view].score(request.token_ids)))

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
