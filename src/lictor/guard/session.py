"""One conversation under guard: its prompt screened, its answer streamed, every failure turned into a verdict.

In: the prompt, the chunks of the answer, scorers and a policy. Out: guard events and a decision.
Knows no server, thread or clock, but for `asettle`, which moves scoring off the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf, isnan

from lictor.errors import ScoringError, UsageError
from lictor.guard.legible import is_legible
from lictor.guard.stream import OnScore, StreamGuard, StreamStep
from lictor.guard.views import READINGS, Views, view_texts
from lictor.types import (
    UNREADABLE,
    Conversation,
    Decision,
    ExchangeScorer,
    ExchangeSession,
    GuardEvent,
    InputScorer,
    Policy,
    Refused,
    Released,
    ScoreRequest,
    ScoringSession,
    Stage,
    StreamScorer,
)


class GuardSession:
    """Drive it so: `settle` screens the prompt; then `push`, `settle` for each chunk; then `finish`, `settle`.

    `push` and `finish` never score; `settle` does, and may block. A scorer or tokenizer that raises ScoringError or
    runs out of memory becomes a block of status `error`, or a bypass where the policy says so. Any other exception
    passes through, and nothing is released after it.
    """

    def __init__(
        self,
        prompt: Conversation,
        input_scorer: InputScorer | None,
        stream_scorer: StreamScorer | None,
        policy: Policy,
        *,
        exchange_scorer: ExchangeScorer | None = None,
        views: Views,
        version: str = "",
        on_score: OnScore | None = None,
    ) -> None:
        self._prompt = prompt
        self._input_scorer = input_scorer
        self._policy = policy
        self._views = views
        self._version = version
        self._screened: Decision | None = None
        self._crashed: Decision | None = None
        self._has_answer = self._is_finished = False
        self._stream_scorer = stream_scorer
        self._readers = Readers(prompt, stream_scorer, exchange_scorer) if stream_scorer else None
        self._requests: deque[ScoreRequest] = deque()
        self._stream = (
            StreamGuard(stream_scorer.tokenizer, policy, views=views, version=version, on_score=on_score)
            if stream_scorer
            else None
        )

    @property
    def waiting(self) -> bool:
        """Whether `settle` has scoring to do."""
        return self._crashed is None and (self._screened is None or bool(self._requests))

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come: refused, halted, crashed, or finished with every score in."""
        if self._crashed or (self._screened and self._screened.action == "block"):
            return True
        return self._stream.ended if self._stream else self._is_finished

    @property
    def decision(self) -> Decision:
        """The verdict: the first block, or would-be block; else that of the stage nearer its threshold.

        Raises:
            UsageError: There is none yet.
        """
        screened = self._crashed or self._screened
        if screened is None:
            raise UsageError("GuardSession: no decision yet; call settle() first")
        if screened.action != "allow" or self._stream is None or not self._has_answer:
            return screened
        streamed = self._stream.decision
        if streamed.action != "allow" or _margin(streamed) >= _margin(screened):
            return streamed
        return replace(screened, escalated=streamed.escalated)

    def push(self, text: str) -> list[GuardEvent]:
        """Take the next chunk of the answer; `settle` then scores what it asks.

        Raises:
            UsageError: The prompt was not settled, or the session has ended.
        """
        self._refuse_unless_streaming("push")
        if self._stream is None:
            return [Released(text)] if text else []
        with self._crashing("output"):
            try:
                return self._sort(self._stream.push(text))
            except (ScoringError, MemoryError) as error:
                return self._sort(self._stream.failed(_reason(error)))

    def finish(self) -> list[GuardEvent]:
        """The answer ends here; `settle` then scores what is left.

        Raises:
            UsageError: The prompt was not settled, or the session has ended.
        """
        self._refuse_unless_streaming("finish")
        self._is_finished = True
        if self._stream is None:
            return []
        with self._crashing("output"):
            try:
                return self._sort(self._stream.finish())
            except (ScoringError, MemoryError) as error:
                return self._sort(self._stream.failed(_reason(error)))

    def settle(self) -> list[GuardEvent]:
        """Score all that is asked, the prompt first. Blocks while scorers work."""
        if self._screened is None and self._crashed is None:
            with self._crashing("input"):
                self._screened = self._screen()
                if self._stream:
                    self._stream.after_prompt(self._screened.score)
            if self._screened.action == "block":
                return [Refused(self._screened)]
        events: list[GuardEvent] = []
        if self._stream and self._readers and self._crashed is None:
            with self._crashing("output"):
                while self._requests:
                    events += self._score(self._stream, self._readers, self._requests.popleft())
        return events

    async def asettle(self) -> list[GuardEvent]:
        """`settle` in a thread, if there is anything to score."""
        return await asyncio.to_thread(self.settle) if self.waiting else []

    def _score(self, stream: StreamGuard, readers: "Readers", request: ScoreRequest) -> list[GuardEvent]:
        try:
            logits = readers.session(request).score(request.token_ids)
            return self._sort(stream.scored(request.view, logits, request.scorer))
        except (ScoringError, MemoryError) as error:
            return self._sort(stream.failed(_reason(error)))

    def _sort(self, steps: list[StreamStep]) -> list[GuardEvent]:
        events: list[GuardEvent] = []
        for step in steps:
            match step:
                case ScoreRequest(scorer="exchange"):
                    self._requests.appendleft(step)
                case ScoreRequest():
                    self._requests.append(step)
                case _:
                    events.append(step)
        if self._stream and not self._stream.waiting:
            self._requests.clear()
        return events

    def _screen(self) -> Decision:
        threshold = self._policy.input_threshold
        passed = Decision("allow", None, None, -inf, threshold, guard_version=self._version)
        if self._input_scorer is None or not self._prompt:
            return passed
        try:
            read = list(readings(self._prompt, self._views))
            score, view = max(((_number(self._input_scorer.score(p)), v) for v, p in read), key=lambda one: one[0])
            can_be_read = self._is_legible([prompt for _, prompt in read])
        except (ScoringError, MemoryError) as error:
            blocked = replace(passed, action="block", stage="input", status="error", reason=_reason(error))
            return _lift(blocked) if self._policy.on_error == "open" or self._is_monitor else blocked
        allowed = replace(passed, score=score, view=view)
        if score < threshold and can_be_read:
            return allowed
        blocked = replace(allowed, action="block", stage="input", reason=None if score >= threshold else UNREADABLE)
        return _lift(blocked) if self._is_monitor else blocked

    def _is_legible(self, read: Sequence[Conversation]) -> bool:
        """Whether the last user turn can be read in any of its readings, where the policy asks for that."""
        if self._policy.unreadable == "pass" or self._stream_scorer is None:
            return True
        tokenizer = self._stream_scorer.tokenizer
        turns = [turn for prompt in read for turn in _last_user_turn(prompt)]
        return not turns or any(is_legible(tokenizer, turn.content) for turn in turns)

    @property
    def _is_monitor(self) -> bool:
        return self._policy.enforcement == "monitor"

    @contextmanager
    def _crashing(self, stage: Stage) -> Generator[None, None, None]:
        """Whatever else goes wrong ends the session, with nothing more released, and is raised on."""
        try:
            yield
        except BaseException:
            threshold = self._policy.input_threshold if stage == "input" else self._policy.output_threshold
            blocked = Decision("block", stage, None, -inf, threshold, status="error", reason="crashed")
            self._crashed = replace(blocked, guard_version=self._version)
            raise

    def _refuse_unless_streaming(self, call: str) -> None:
        if self._screened is None and self._crashed is None:
            raise UsageError(f"GuardSession.{call}: the prompt was not screened; call settle() first")
        if self.ended or self._is_finished:
            raise UsageError(f"GuardSession.{call}: the session has ended; open another one")
        self._has_answer = True


def _last_user_turn(prompt: Conversation) -> Conversation:
    """Its last user turn; empty where it has none."""
    return tuple(message for message in prompt if message.role == "user")[-1:]


class Readers:
    """The scoring sessions of one answer, of each scorer one for each view, opened when they are first needed."""

    def __init__(self, prompt: Conversation, stream: StreamScorer, exchange: ExchangeScorer | None) -> None:
        self._prompt = prompt
        self._stream, self._exchange = stream, exchange
        self._sessions: dict[str | None, ScoringSession] = {}
        self._escalated: dict[str | None, ExchangeSession] = {}

    def session(self, request: ScoreRequest) -> ScoringSession:
        """The session that answers a request; it has read what comes before.

        Raises:
            ScoringError: A scorer failed, or is not there.
        """
        view = request.view
        if request.scorer == "stream":
            if view not in self._sessions:
                self._sessions[view] = self._stream.open(self._prompt)
            return self._sessions[view]
        if self._exchange is None:
            raise ScoringError("the policy escalates answers, and there is no exchange scorer")
        if view not in self._escalated:
            self._escalated[view] = self._exchange.open(self._prompt)
        if request.said:
            self._escalated[view].catch_up(request.said)
        return self._escalated[view]


def readings(prompt: Conversation, views: Views) -> Iterator[tuple[str | None, Conversation]]:
    """What input screening scores: the prompt itself, and with its last user turn as each view that opens reads it.

    Raises:
        ScoringError: More than `READINGS` views open; the guard blocks what it cannot check.
    """
    yield None, prompt
    turns = [index for index, message in enumerate(prompt) if message.role == "user"]
    for index in turns[-1:]:
        texts = view_texts(prompt[index].content, views)
        if len(texts) > READINGS:
            raise ScoringError(f"prompt: expected at most {READINGS} views to open", reason="too_many_views")
        for view, text in texts.items():
            yield view, (*prompt[:index], replace(prompt[index], content=text), *prompt[index + 1 :])


def _number(logit: float) -> float:
    if isnan(logit):
        raise ScoringError("input scorer: expected a logit, got NaN")
    return logit


def _reason(error: ScoringError | MemoryError) -> str:
    match error:
        case ScoringError():
            return error.reason
        case MemoryError():
            return "out_of_memory"


def _lift(blocked: Decision) -> Decision:
    return replace(blocked, action="flag", would_block=True)


def _margin(decision: Decision) -> float:
    return decision.score - decision.threshold
