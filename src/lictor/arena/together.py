"""Have all turns of an arena scored by one thread, in batches, instead of each by its own.

In: a guard. Out: the same guard, whose scorers wait their turn; same verdicts, but for rounding. Threads that score at
once would fight over the same cores. A message that many players send is read once. Knows no turn, log or page.
"""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from lictor.guard.guard import Guard
from lictor.guard.session import Readers
from lictor.server.remembered import Remembered
from lictor.server.scoring import ScoreBatch, ScoringThread
from lictor.types import (
    Context,
    Conversation,
    ExchangeScorer,
    InputScorer,
    ScoreRequest,
    ScorerName,
    StreamScorer,
    Tokenizer,
)

ReadPrompts = Callable[[Sequence[Conversation]], Sequence[float]]
PROMPTS = 8
"""Most prompts read at once: streams wait so long."""


def together(guard: Guard, score_batch: ScoreBatch, read_prompts: ReadPrompts | None = None) -> Guard:
    """`guard`, to be used from threads; its scoring is done in a thread of its own, which ends with the process.

    Args:
        guard: The guard of one answer.
        score_batch: Scores next tokens of several answers at once.
        read_prompts: Scores several prompts at once; without it, its input scorer does, one by one.
    """
    thread = ScoringThread(score_batch)
    scorer = guard.input_scorer
    prompts = None if scorer is None else Remembered(_Prompts(scorer, thread, read_prompts))
    answers = None if guard.stream_scorer is None else _Answers(guard.stream_scorer, thread)
    escalated = guard.exchange_scorer and _Answers(guard.exchange_scorer, thread, guard.exchange_scorer)
    return Guard(prompts, answers, guard.policy, exchange_scorer=escalated, views=guard.views, version=guard.version)


@dataclass(frozen=True, slots=True)
class _Waiting:
    conversation: Conversation
    score: "Future[float]" = field(default_factory=Future)


class _Prompts:
    """An input scorer that waits for the thread; prompts that wait together are read together."""

    def __init__(self, scorer: InputScorer, thread: ScoringThread, read_prompts: ReadPrompts | None) -> None:
        self._scorer, self._thread, self._read_prompts = scorer, thread, read_prompts
        self._waiting: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()

    def score(self, conversation: Conversation) -> float:
        mine = _Waiting(conversation)
        self._waiting.put(mine)
        self._thread.submit_call(self._read).result()  # there are as many calls as prompts: mine is read by then
        return mine.score.result()

    def _read(self) -> None:
        batch = [self._waiting.get() for _ in range(min(PROMPTS, self._waiting.qsize()))]
        found = self._read_at_once([one.conversation for one in batch])
        for at, one in enumerate(batch):
            if found is not None:
                one.score.set_result(found[at])
                continue
            try:
                one.score.set_result(self._scorer.score(one.conversation))
            except Exception as error:  # noqa: BLE001 - the turn it belongs to is told
                one.score.set_exception(error)

    def _read_at_once(self, conversations: list[Conversation]) -> Sequence[float] | None:
        """None where they are to be read one by one: one of them may be at fault, and is to fail alone."""
        if self._read_prompts is None or len(conversations) < 2:
            return None
        try:
            return self._read_prompts(conversations)
        except Exception:  # noqa: BLE001 - told by the one that is at fault, when it is read alone
            return None


class _Answers:
    """A stream scorer, or an exchange scorer, whose sessions wait for the thread."""

    def __init__(self, scorer: StreamScorer, thread: ScoringThread, exchange: ExchangeScorer | None = None) -> None:
        self._scorer, self._thread, self._exchange = scorer, thread, exchange

    @property
    def context(self) -> Context:
        return self._scorer.context

    @property
    def tokenizer(self) -> Tokenizer:
        return self._scorer.tokenizer

    def open(self, conversation: Conversation) -> "_Session":
        readers = Readers(conversation, self._scorer, self._exchange)
        return _Session(readers, self._thread, "exchange" if self._exchange else "stream")


class _Session:
    def __init__(self, readers: Readers, thread: ScoringThread, scorer: ScorerName) -> None:
        self._readers, self._thread = readers, thread
        self._scorer: ScorerName = scorer
        self._said: tuple[int, ...] = ()

    def score(self, token_ids: Sequence[int]) -> Sequence[float]:
        request = ScoreRequest(None, tuple(token_ids), scorer=self._scorer, said=self._said)
        self._said = ()
        return self._thread.submit(self._readers, request).result()

    def catch_up(self, token_ids: Sequence[int]) -> None:
        self._said += tuple(token_ids)  # read with what is to be scored next
