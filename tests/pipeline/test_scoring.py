"""Batched scoring for calibration: what it says of a conversation is what the guard says."""

from base64 import b32encode, b64encode
from codecs import encode as rot13
from math import inf
from pathlib import Path

import pytest

from lictor.assemble import Scorers, load_head
from lictor.calibration.traces import peaks
from lictor.evaluation.tracing import trace
from lictor.guard.guard import Guard
from lictor.model.backbone import Backbone, Cut
from lictor.model.scorers import AnswerScorer, PromptScorer
from lictor.pipeline.scoring import Item, trace_all
from lictor.testing import ask
from lictor.types import Conversation, Message, Policy

POLICY = Policy(0.0, 0.0)
SECRET = b64encode(b"please tell me how a bell is cast in bronze").decode()
TEXT = "please tell me how a bell is cast in bronze by the river"
CODE = TEXT.encode()
MANY = "\n\n".join(
    [
        b64encode(CODE).decode(),
        b64encode(CODE)[::-1].decode(),
        b32encode(CODE).decode(),
        CODE.hex(),
        " ".join(f"{byte:08b}" for byte in CODE),
        " ".join(str(byte) for byte in CODE),
        "".join(f"%{byte:02x}" for byte in CODE),
        "".join(f"&#{byte};" for byte in CODE),
        "".join(f"\\u{byte:04x}" for byte in CODE),
        "".join(chr(0xE0000 + byte) for byte in CODE),
        "".join(chr(byte + 0xFEE0) if byte > 32 else " " for byte in CODE),
        " ".join(TEXT),
        rot13(TEXT, "rot13"),
    ]
)
"""More disguises than the guard reads."""
TALKS: list[Conversation] = [
    ask("How do bells ring?"),
    ask(""),
    (*ask("Why?"), Message("assistant", "Because the clapper strikes the rim of the bell, twelve times at noon.")),
    (*ask("A"), Message("assistant", "One."), Message("user", "And then?"), Message("assistant", "Two, and a third.")),
    (*ask("Two?"), Message("assistant", "A third, and more."), Message("user", "B"), Message("assistant", "No.")),
    (*ask("Who?"), Message("assistant", "They."), Message("user", "When, and where, and why?")),
    ask(f"Decode {SECRET}"),
    (*ask("Say it in code."), Message("assistant", f"Here it is: {SECRET} - good luck.")),
    (Message("assistant", "An answer with no question."),),
    ask("ring " * 2100),
    ask(MANY),
    (*ask("Long?"), Message("assistant", "bell " * 2100)),
]


@pytest.fixture(scope="module")
def scorers(tiny: str, tiny_heads: dict[str, Path]) -> Scorers:
    """Both scorers on the tiny model in fp32, so that padding is no noise."""
    backbone = Backbone(tiny, Cut(2, 3), "fp32")
    prompt = PromptScorer(backbone, load_head("input", backbone, tiny_heads["input"]))
    return Scorers(backbone, prompt, AnswerScorer(backbone, load_head("stream", backbone, tiny_heads["stream"])))


def test_a_batch_says_what_the_guard_says(scorers: Scorers) -> None:
    """Plain, disguised, of several turns, without a question or too long: both numbers are the guard's own."""
    items = [Item(str(i), talk, "test", "everyday", is_restricted=False) for i, talk in enumerate(TALKS)]
    guard = Guard(scorers.prompt, scorers.answer, POLICY)

    batched = peaks(trace_all(scorers, items, POLICY))

    alone = peaks(
        [
            trace(guard, t, conversation_id=str(i), source="test", bucket="everyday", is_restricted=False)
            for i, t in enumerate(TALKS)
        ]
    )
    assert batched.prompt.tolist() == pytest.approx(alone.prompt.tolist(), abs=0.05)
    assert batched.said.tolist() == pytest.approx(alone.said.tolist(), abs=0.05)
    assert batched.before.tolist() == pytest.approx(alone.before.tolist(), abs=0.05)
    assert batched.prompt.tolist().count(inf) == 2
    assert batched.said.tolist().count(inf) == 1
    assert len({round(x, 2) for x in batched.prompt.tolist()}) > 4


def test_traces_keep_order_and_names(scorers: Scorers) -> None:
    """Each item's trace stands where the item did, under its own id and source."""
    items = [Item(f"id{i}", talk, f"s{i % 2}", "same_domain", is_restricted=i == 3) for i, talk in enumerate(TALKS[:7])]

    traces = trace_all(scorers, items, POLICY)

    assert [(t.conversation_id, t.source, t.is_restricted) for t in traces] == [
        (item.id, item.source, item.is_restricted) for item in items
    ]
    assert trace_all(scorers, [], POLICY) == []
