"""Scores of prompts that are sent again."""

import pytest

from lictor.errors import ScoringError
from lictor.server.remembered import Remembered
from lictor.testing import FakeInputScorer
from lictor.types import Conversation, Message


def said(*words: str) -> Conversation:
    """A conversation of a user and an assistant in turn."""
    return tuple(Message("assistant" if at % 2 else "user", text) for at, text in enumerate(words))


def test_the_same_conversation_is_read_once() -> None:
    """Word for word the same is not read again; another role, order or turn is another conversation."""
    scorer = FakeInputScorer(lambda conversation: float(len(conversation)))
    remembered = Remembered(scorer)
    other = (Message("system", "soup"),)
    sent = [said("soup"), said("soup"), other, said("soup", "bread", "soup"), said("soup")]

    found = [remembered.score(one) for one in sent]

    assert found == [1.0, 1.0, 1.0, 3.0, 1.0]
    assert scorer.read == [said("soup"), other, said("soup", "bread", "soup")]


def test_only_the_last_conversations_are_remembered() -> None:
    """Beyond the limit the one that was longest not asked for is forgotten; a limit of 0 remembers none."""
    scorer, forgetful = FakeInputScorer(lambda _: 1.0), FakeInputScorer(lambda _: 1.0)
    remembered, none = Remembered(scorer, 2), Remembered(forgetful, 0)

    for word in ("a", "b", "a", "c", "a", "b"):
        remembered.score(said(word))
        none.score(said(word))

    assert scorer.read == [said("a"), said("b"), said("c"), said("b")]
    assert len(forgetful.read) == 6


def test_a_failure_is_not_remembered() -> None:
    """A scorer that failed is asked again."""
    scores: list[float | Exception] = [ScoringError("out"), 2.0]
    remembered = Remembered(FakeInputScorer(lambda _: scores.pop(0)))

    with pytest.raises(ScoringError):
        remembered.score(said("soup"))
    found = remembered.score(said("soup"))

    assert found == 2.0
