"""One thread that scores for all streams of the process.

In: what open streams ask to have scored. Out: logits, handed back to the event loop. All that waits is taken at once:
streams' tokens in one batched call, then one prompt, so that a long prompt never holds up many streams for long and
no prompt starves. What nobody waits for any more is skipped. Decides nothing.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar, cast

from lictor.errors import ScoringError
from lictor.guard.session import Readers
from lictor.guard.tokens import encode
from lictor.types import Message, ScoreRequest, ScoringSession, StreamScorer

T = TypeVar("T")
Scores = Sequence[float] | Exception
ScoreBatch = Callable[[Sequence[ScoringSession], Sequence[Sequence[int]]], Sequence[Scores]]
"""Logits of several sessions' next tokens, or what went wrong, in the order asked."""


def score_each(sessions: Sequence[ScoringSession], token_ids: Sequence[Sequence[int]]) -> list[Scores]:
    """One session after the other: what every scorer can do."""
    return [_attempt(lambda s=s, ids=ids: s.score(ids)) for s, ids in zip(sessions, token_ids, strict=True)]


@dataclass(slots=True)
class _StreamJob:
    readers: Readers
    request: ScoreRequest
    future: "Future[Sequence[float]]" = field(default_factory=Future)


@dataclass(slots=True)
class _CallJob:
    work: Callable[[], object]
    future: "Future[object]"


TRIAL = 8
"""Answers in a trial batch."""


def time_trial(scoring: "ScoringThread", scorer: StreamScorer, tokens: int) -> float:
    """Seconds that a batch of `TRIAL` answers takes, some tokens of each; what is lazy happens before.

    Raises:
        ScoringError: The scorer failed.
    """
    said = "of the "
    ids = tuple(token.id for token in encode(scorer.tokenizer, said))
    request = ScoreRequest(None, (ids * tokens)[:tokens])
    answers = [Readers((Message("user", said),), scorer, None) for _ in range(TRIAL)]

    def read() -> float:
        began = time.monotonic()
        for future in [scoring.submit(readers, request) for readers in answers]:
            future.result()
        return time.monotonic() - began

    read()
    return read()


class ScoringThread:
    """Scores for every open stream, in batches of all that waits. Close it when the server ends."""

    def __init__(self, score_batch: ScoreBatch = score_each) -> None:
        self._score_batch = score_batch
        self._jobs: queue.SimpleQueue[_StreamJob | _CallJob | None] = queue.SimpleQueue()
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="lictor-scoring", daemon=True)
        self._thread.start()

    async def stream(self, readers: Readers, request: ScoreRequest) -> Sequence[float]:
        """Logits of a request's tokens.

        Raises:
            ScoringError: The scorer failed.
        """
        return await asyncio.wrap_future(self.submit(readers, request))

    async def call(self, work: Callable[[], T]) -> T:
        """What `work` returns, run in the scoring thread; its exceptions are raised here."""
        return await asyncio.wrap_future(self.submit_call(work))

    def submit(self, readers: Readers, request: ScoreRequest) -> "Future[Sequence[float]]":
        """`stream`, for callers who wait in a thread."""
        job = _StreamJob(readers, request)
        self._jobs.put(job)
        return job.future

    def submit_call(self, work: Callable[[], T]) -> "Future[T]":
        """`call`, for callers who wait in a thread."""
        future: Future[T] = Future()
        self._jobs.put(_CallJob(work, cast("Future[object]", future)))
        return future

    @property
    def waiting(self) -> int:
        """Jobs nobody has begun."""
        return self._jobs.qsize()

    def is_stuck(self, limit_s: float) -> bool:
        """Whether the thread is gone, or has been at one batch for longer than `limit_s`."""
        since = self._busy_since
        return not self._thread.is_alive() or (since is not None and time.monotonic() - since > limit_s)

    def close(self) -> None:
        """End the thread after what it is at; whatever waits is cancelled."""
        self._jobs.put(None)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        streams: list[_StreamJob] = []
        calls: list[_CallJob] = []
        while True:
            is_closed = self._drain(streams, calls)
            self._busy_since = time.monotonic()
            if is_closed:
                for job in (*streams, *calls):
                    job.future.cancel()
                return
            self._score([job for job in streams if job.future.set_running_or_notify_cancel()])
            streams = []
            if calls:
                job = calls.pop(0)
                if job.future.set_running_or_notify_cancel():
                    _settle(job.future, _attempt(job.work))
            self._busy_since = None

    def _drain(self, streams: list[_StreamJob], calls: list[_CallJob]) -> bool:
        """Take all that waits; wait for something only if there is nothing to do. True: the thread is to end."""
        is_idle = not calls
        while True:
            try:
                job = self._jobs.get(block=is_idle)
            except queue.Empty:
                return False
            is_idle = False
            match job:
                case None:
                    return True
                case _StreamJob():
                    streams.append(job)
                case _CallJob():
                    calls.append(job)

    def _score(self, jobs: list[_StreamJob]) -> None:
        """Score jobs in one call; two of one session, which have an order, in two."""
        while jobs:
            batch: dict[int, _StreamJob] = {}
            sessions: list[ScoringSession] = []
            later: list[_StreamJob] = []
            for job in jobs:
                session = _attempt(lambda job=job: job.readers.session(job.request))
                if isinstance(session, Exception):
                    _settle(job.future, session)
                elif id(session) in batch:
                    later.append(job)
                else:
                    batch[id(session)] = job
                    sessions.append(session)
            self._score_distinct(sessions, list(batch.values()))
            jobs = later

    def _score_distinct(self, sessions: list[ScoringSession], jobs: list[_StreamJob]) -> None:
        token_ids = [job.request.token_ids for job in jobs]
        found = _attempt(lambda: list(self._score_batch(sessions, token_ids))) if jobs else []
        if not isinstance(found, Exception) and len(found) != len(jobs):
            found = ScoringError(f"the batch scorer gave {len(found)} results for {len(jobs)} sessions")
        for at, job in enumerate(jobs):
            _settle(job.future, found if isinstance(found, Exception) else found[at])


def _attempt(work: Callable[[], T]) -> T | Exception:
    """What `work` returns or raises: one stream's failure must not end the thread that serves all."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the stream it belongs to is told
        return error
    except BaseException as error:  # noqa: BLE001 - not even an exit may leave streams waiting
        return ScoringError(f"the scorer ended with {type(error).__name__}")


def _settle(future: "Future[T]", result: T | Exception) -> None:
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
