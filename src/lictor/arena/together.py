"""Have all turns of an arena scored by one thread, in batches, instead of each by its own.

In: a guard. Out: the same guard, whose scorers wait their turn; same verdicts, but for rounding. Threads that score at
once would fight over the same cores. Knows no turn, log or page.
"""

from collections.abc import Sequence
from concurrent.futures import Future

from lictor.guard.guard import Guard
from lictor.server.scoring import Reader, ScoreBatch, ScoringThread
from lictor.types import (
    Context,
    Conversation,
    InputScorer,
    ScoreRequest,
    ScoringSession,
    StreamScorer,
    Tokenizer,
)


def together(guard: Guard, score_batch: ScoreBatch) -> Guard:
    """`guard`, to be used from threads; its scoring is done in a thread of its own, which ends with the process."""
    thread = ScoringThread(score_batch)
    prompts = None if guard.input_scorer is None else _Prompts(guard.input_scorer, thread)
    answers = None if guard.stream_scorer is None else _Answers(guard.stream_scorer, thread)
    return Guard(prompts, answers, guard.policy, views=guard.views, version=guard.version)


class _Prompts:
    """An input scorer that waits for the thread."""

    def __init__(self, scorer: InputScorer, thread: ScoringThread) -> None:
        self._scorer, self._thread = scorer, thread

    def score(self, conversation: Conversation) -> float:
        return self._thread.submit_call(lambda: self._scorer.score(conversation)).result()


class _Answers:
    """A stream scorer whose sessions wait for the thread."""

    def __init__(self, scorer: StreamScorer, thread: ScoringThread) -> None:
        self._scorer, self._thread = scorer, thread

    @property
    def context(self) -> Context:
        return self._scorer.context

    @property
    def tokenizer(self) -> Tokenizer:
        return self._scorer.tokenizer

    def open(self, conversation: Conversation) -> ScoringSession:
        return _Session(Reader(self._scorer, conversation), self._thread)


class _Session:
    def __init__(self, reader: Reader, thread: ScoringThread) -> None:
        self._reader, self._thread = reader, thread

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        waiting: Future[Sequence[float]] = self._thread.submit(self._reader, ScoreRequest(None, tuple(token_ids)))
        return waiting.result()
