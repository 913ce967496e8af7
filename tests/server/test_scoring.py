"""One thread scores for everybody."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from lictor.errors import ScoringError
from lictor.guard.session import Readers
from lictor.server.scoring import Scores, ScoringThread, score_each
from lictor.testing import FakeStreamScorer, PieceTokenizer
from lictor.types import ScoreRequest, ScoringSession

IDS = tuple(token.id for token in PieceTokenizer().encode("soup"))


def reader() -> Readers:
    """A reader whose logits are the places in its own stream."""
    return Readers((), FakeStreamScorer(lambda _text, place: float(place)), None)


def test_what_waits_is_scored_in_one_batch() -> None:
    """While the thread is at one job the others gather; each stream gets its own logits, in order."""
    sizes: list[int] = []
    gate = threading.Event()

    def score(sessions: Sequence[ScoringSession], ids: Sequence[Sequence[int]]) -> Sequence[Scores]:
        sizes.append(len(sessions))
        return score_each(sessions, ids)

    async def scored() -> list[Sequence[float]]:
        thread = ScoringThread(score)
        try:
            blocking = asyncio.create_task(thread.call(gate.wait))
            await asyncio.sleep(0.05)
            readers = [reader() for _ in range(5)]
            jobs = [thread.stream(r, ScoreRequest(None, IDS)) for r in (*readers, readers[0])]
            results = asyncio.gather(*jobs)
            await asyncio.sleep(0.05)
            gate.set()
            await blocking
            return await results
        finally:
            thread.close()

    found = asyncio.run(scored())

    count = len(IDS)
    assert sizes == [5, 1]
    assert found[:5] == [[float(n) for n in range(count)]] * 5
    assert found[5] == [float(n) for n in range(count, 2 * count)]


@pytest.mark.parametrize("error", [ScoringError("x"), ValueError("x"), SystemExit(), MemoryError()])
def test_one_streams_failure_is_its_own(error: BaseException) -> None:
    """Whatever a scorer raises reaches the stream it belongs to; the thread serves on."""

    class Broken:
        def score(self, token_ids: Sequence[int]) -> Sequence[float]:
            del token_ids
            raise error

    class BrokenScorer(FakeStreamScorer):
        def open(self, conversation: object) -> Broken:  # pyright: ignore[reportIncompatibleMethodOverride]
            del conversation
            return Broken()

    async def scored() -> list[object]:
        thread = ScoringThread()
        try:
            bad = Readers((), BrokenScorer(lambda _text, _place: 0.0), None)
            jobs = [thread.stream(r, ScoreRequest(None, IDS)) for r in (bad, reader())]
            return list(await asyncio.gather(*jobs, return_exceptions=True))
        finally:
            thread.close()

    failed, fine = asyncio.run(scored())

    assert isinstance(failed, Exception)
    assert fine == [float(n) for n in range(len(IDS))]


def test_what_nobody_waits_for_is_not_scored() -> None:
    """A cancelled job is skipped."""
    gate = threading.Event()
    scorer = FakeStreamScorer(lambda _text, _place: 0.0)

    async def scored() -> None:
        thread = ScoringThread()
        try:
            blocking = asyncio.create_task(thread.call(gate.wait))
            await asyncio.sleep(0.05)
            job = asyncio.create_task(thread.stream(Readers((), scorer, None), ScoreRequest(None, IDS)))
            await asyncio.sleep(0.05)
            job.cancel()
            await asyncio.wait([job])  # cancelled before the thread is let go on
            gate.set()
            await blocking
            await thread.call(lambda: None)
        finally:
            thread.close()

    asyncio.run(scored())

    assert scorer.calls == 0


def test_a_batch_of_the_wrong_size_is_an_error() -> None:
    """A batch scorer that forgets a session fails them all; none waits for ever."""

    async def scored() -> list[object]:
        thread = ScoringThread(lambda _sessions, _ids: [])
        try:
            return [*await asyncio.gather(thread.stream(reader(), ScoreRequest(None, IDS)), return_exceptions=True)]
        finally:
            thread.close()

    (found,) = asyncio.run(scored())

    assert isinstance(found, ScoringError)
