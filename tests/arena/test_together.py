"""Turns scored by one thread for all."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lictor.arena.together import PROMPTS, together
from lictor.errors import ScoringError
from lictor.guard.guard import Guard
from lictor.server.scoring import Scores, score_each
from lictor.testing import FakeInputScorer, KeywordInputScorer
from lictor.types import Conversation, Halted, Message, Refused, Released, ScoringSession

from .small import guard


def test_turns_at_once_are_scored_in_batches_and_come_to_the_same() -> None:
    """Eight turns at once get the events they get one by one, and their answers share calls of the scorer."""
    asked: list[int] = []

    def slow_batch(sessions: Sequence[ScoringSession], token_ids: Sequence[Sequence[int]]) -> list[Scores]:
        asked.append(len(sessions))
        time.sleep(0.02)
        return score_each(sessions, token_ids)

    alone, shared = guard(), together(guard(), slow_batch)
    turns = [("hello", "one two halt-here three"), ("forbidden", "never"), ("hello", "one two three four")] * 3

    def play(turn: tuple[str, str]) -> list[Released | Halted | Refused]:
        return list(shared.stream((Message("user", turn[0]),), [turn[1]]))

    with ThreadPoolExecutor(len(turns)) as at_once:
        found = list(at_once.map(play, turns))

    assert found == [list(alone.stream((Message("user", sent),), [said])) for sent, said in turns]
    assert max(asked) > 1
    assert shared.version == alone.version


def test_prompts_that_wait_together_are_read_together_and_one_that_fails_fails_alone() -> None:
    """Twelve turns at once need fewer readings than turns; one prompt that cannot be read spoils no other."""
    scorer, sizes = KeywordInputScorer("forbidden"), list[int]()

    def read(conversations: Sequence[Conversation]) -> list[float]:
        sizes.append(len(conversations))
        time.sleep(0.02)
        return [score(conversation) for conversation in conversations]

    def score(conversation: Conversation) -> float:
        if conversation[-1].content == "broken":
            raise ScoringError("broken")
        return scorer.score(conversation)

    shared = together(Guard(FakeInputScorer(score), None, guard().policy), score_each, read)
    texts = ["forbidden", *(f"hello {n}" for n in range(10)), "broken"]

    with ThreadPoolExecutor(len(texts)) as at_once:
        found = list(at_once.map(shared.check, [(Message("user", text),) for text in texts]))

    assert [one.action for one in found] == ["block", *["allow"] * 10, "block"]
    assert [one.status for one in found] == [*["ok"] * 11, "error"]
    assert 1 < max(sizes) <= PROMPTS
    shared.check((Message("user", "hello 3"),))
    assert sum(sizes) <= len(texts)
