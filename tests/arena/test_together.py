"""Turns scored by one thread for all."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lictor.arena.together import together
from lictor.server.scoring import Scores, score_each
from lictor.types import Halted, Message, Refused, Released, ScoringSession

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
