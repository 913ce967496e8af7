"""One request under guard, from its conversation to the end of its answer.

In: a guard, a conversation, the chunks of an upstream. Out: flow events in the order a client may see them. The prompt
is screened beside the answer's beginning; nothing is yielded before it passed. Every end is an event: done, blocked
or failed. Knows no wire format; chat.py, responses.py and messages.py write these events.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from math import inf

from lictor.errors import ScoringError
from lictor.guard import Guard, GuardSession, StreamGuard
from lictor.guard.session import Readers
from lictor.guard.tokens import encode
from lictor.server.choice import ChoiceGuard, ChoiceStep
from lictor.server.errors import ServiceError, UpstreamError
from lictor.server.heard import Heard
from lictor.server.scoring import ScoringThread
from lictor.server.upstream_wire import ChoiceDelta, Chunk, FinishReason, Piece, Usage
from lictor.types import Conversation, Decision, Halted, ScoreRequest

_log = logging.getLogger("lictor.server")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A cleared piece of a choice."""

    choice: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class ChoiceEnded:
    """A choice is complete."""

    choice: int
    reason: FinishReason


@dataclass(frozen=True, slots=True)
class Blocked:
    """The answer ends here, by the guard's verdict or its failure."""

    decision: Decision
    is_first: bool
    """Whether nothing was delivered before: then it looks the same whichever stage spoke."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer ends here, by the upstream's fault or the server's."""

    error: ServiceError


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens read and written; the last event of an answer."""

    usage: Usage


FlowEvent = Delivered | ChoiceEnded | Blocked | Failed | Counted


@dataclass(slots=True)
class FlowTimes:
    """Where a request's time went, in seconds since it began; what is not set never happened."""

    began: float = field(default_factory=time.monotonic)
    first_chunk: float | None = None
    last_chunk: float | None = None
    chunk_gaps: list[float] = field(default_factory=list[float])
    """Between one chunk of the model and the next."""
    first_delivered: float | None = None
    screened: float | None = None
    scoring: float = 0.0
    """Waited for scores of the answer, in all."""

    def now(self) -> float:
        """Seconds since the request began."""
        return time.monotonic() - self.began

    def note_chunk(self) -> None:
        """The model has sent something."""
        now = self.now()
        if self.last_chunk is not None:
            self.chunk_gaps.append(now - self.last_chunk)
        self.first_chunk = now if self.first_chunk is None else self.first_chunk
        self.last_chunk = now


class Flow:
    """The state of one guarded request; iterate `events` once."""

    def __init__(
        self,
        guard: Guard,
        conversation: Conversation,
        scoring: ScoringThread,
        *,
        choices: int = 1,
        score_s: float = 30.0,
        refusal_wait_s: float = 0.0,
        on_wait: Callable[[float, float], object] = lambda _waited_s, _now: None,
    ) -> None:
        self._guard = guard
        self._conversation = conversation
        self._scoring = scoring
        self._score_s = score_s
        self._refusal_wait_s = refusal_wait_s
        self._on_wait = on_wait
        self._choices = [ChoiceGuard(self._stream_guard()) for _ in range(choices)]
        self._readers = [self._open_readers() for _ in range(choices)]
        self._heard = [Heard() for _ in range(choices)]
        self._ended: list[FinishReason | None] = [None] * choices
        self._usage: Usage | None = None
        self._read: list[str] = []
        self.times = FlowTimes()
        self.screened: Decision | None = None
        self._is_screened = asyncio.Event()

    @property
    def decision(self) -> Decision:
        """The verdict so far: a block or would-be block first, else that of the stage nearer its threshold."""
        if self.screened is not None and self.screened.action != "allow":
            return self.screened
        found = [d for d in (self.screened, *(choice.decision for choice in self._choices)) if d is not None]
        if not found:
            return Decision("allow", None, None, -inf, self._guard.policy.input_threshold, guard_version=self.version)
        worst = max(found, key=lambda d: (d.action == "block", d.action == "flag", d.score - d.threshold))
        return replace(worst, escalated=any(d.escalated for d in found))

    @property
    def read(self) -> str:
        """What the model has said, delivered or not, all choices and channels in the order they came."""
        return "".join(self._read)

    @property
    def version(self) -> str:
        """Of the guard that is used to the end, whatever is loaded meanwhile."""
        return self._guard.version

    async def events(self, chunks: AsyncGenerator[Chunk]) -> AsyncGenerator[FlowEvent]:
        """The guarded answer. Ends with `Counted`, after at most one of `Blocked` and `Failed`."""
        async with aclosing(self._answer(chunks)) as answer:
            first = asyncio.create_task(_next(answer))
            try:
                screened = await self._screen()
                self._note_screened(screened)
                if screened.action == "block":
                    await asyncio.wait({first}, timeout=self._refusal_wait_s)
                    yield Blocked(screened, is_first=True)
                else:
                    event = await first
                    self.times.first_delivered = self.times.now()
                    while event is not None:
                        yield event
                        event = await _next(answer)
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
        yield Counted(await self._count())

    async def judge(self, answer: str | None) -> Decision:
        """The verdict on the conversation, and on a whole answer to it, with nothing delivered."""

        async def whole() -> AsyncGenerator[Chunk]:
            yield Chunk((ChoiceDelta(0, (Piece("content", answer or ""),), "stop"),))

        if answer is None:
            self.screened = await self._screen()
        else:
            async for _ in self.events(whole()):
                pass
        return self.decision

    def _note_screened(self, decision: Decision) -> None:
        self.screened = decision
        for choice in self._choices:
            choice.after_prompt(decision.score)
        self._is_screened.set()

    async def _screen(self) -> Decision:
        """The verdict on the prompt."""
        guard = self._guard
        passed = Decision("allow", None, None, -inf, guard.policy.input_threshold, guard_version=guard.version)
        if guard.input_scorer is None:
            return passed
        session = GuardSession(
            self._conversation,
            guard.input_scorer,
            guard.stream_scorer,
            guard.policy,
            views=guard.views,
            version=guard.version,
        )
        try:
            async with asyncio.timeout(self._score_s):
                await self._scoring.call(session.settle)
            return session.decision
        except TimeoutError:
            blocked = replace(passed, action="block", stage="input", status="error", reason="scorer_timeout")
            is_open = guard.policy.on_error == "open"
            return replace(blocked, action="flag", would_block=True) if is_open else blocked
        except Exception:  # noqa: BLE001 - fail closed on whatever a scorer does
            return replace(passed, action="block", stage="input", status="error", reason="crashed")
        finally:
            self.times.screened = self.times.now()

    async def _answer(self, chunks: AsyncGenerator[Chunk]) -> AsyncGenerator[FlowEvent]:
        """The guarded answer, as though the prompt had passed."""
        is_first = True
        async with aclosing(chunks):
            try:
                async for chunk in chunks:
                    self.times.note_chunk()
                    self._usage = chunk.usage or self._usage
                    halted = None
                    async for event in self._advance(chunk):
                        if isinstance(event, Halted):
                            halted = event.decision
                            continue
                        yield event
                        is_first = False
                    if halted is not None:
                        yield Blocked(halted, is_first)
                        return
                if None in self._ended:
                    yield Failed(UpstreamError("the model's answer broke off", "upstream_truncated"))
            except ServiceError as error:
                yield Failed(error)

    async def _advance(self, chunk: Chunk) -> AsyncGenerator[Delivered | ChoiceEnded | Halted]:
        for delta in chunk.deltas:
            at = delta.index
            if self._ended[at] is not None:
                continue
            self._read += [piece.text for piece in delta.pieces]
            for piece in delta.pieces:
                self._heard[at].add(piece.read)
                async for step in self._settle(at, self._push(at, piece)):
                    yield step
                if self._choices[at].halted:
                    return
            if delta.finish is not None:
                async for step in self._settle(at, self._finish(at)):
                    yield step
                if self._choices[at].halted:
                    return
                self._ended[at] = delta.finish
                yield ChoiceEnded(at, delta.finish)

    def _push(self, at: int, piece: Piece) -> list[ChoiceStep]:
        try:
            return self._choices[at].push(piece)
        except (ScoringError, MemoryError) as error:
            return self._choices[at].failed(_reason(error))

    def _finish(self, at: int) -> list[ChoiceStep]:
        try:
            return self._choices[at].finish()
        except (ScoringError, MemoryError) as error:
            return self._choices[at].failed(_reason(error))

    async def _settle(self, at: int, steps: list[ChoiceStep]) -> AsyncGenerator[Delivered | Halted]:
        """Have everything scored that `steps` ask for; yield what leaves."""
        asked: list[ScoreRequest] = []
        while True:
            for step in steps:
                match step:
                    case ScoreRequest(scorer="exchange"):
                        asked.insert(0, step)
                    case ScoreRequest():
                        asked.append(step)
                    case Piece():
                        yield Delivered(at, step)
                    case Halted():
                        yield step
                        return
            if not asked or self._is_bypassed(at):
                return
            steps = await self._score(at, asked.pop(0))

    async def _score(self, at: int, request: ScoreRequest) -> list[ChoiceStep]:
        choice, readers = self._choices[at], self._readers[at]
        if readers is None:
            return []
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(self._score_s):
                logits = await self._logits(at, readers, request)
            await self._is_screened.wait()  # the prompt's score counts in the answer's
            return choice.scored(request, logits)
        except TimeoutError:
            return choice.failed("scorer_timeout")
        except (ScoringError, MemoryError) as error:
            return choice.failed(_reason(error))
        except Exception:  # noqa: BLE001 - fail closed on whatever a scorer does, even where the policy is open
            threshold = self._guard.policy.output_threshold
            crashed = Decision("block", "output", None, -inf, threshold, status="error", reason="crashed")
            choice.halted = replace(crashed, guard_version=self.version)
            return [Halted(choice.halted)]
        finally:
            self.times.scoring += time.monotonic() - asked_at

    async def _logits(self, at: int, readers: Readers, request: ScoreRequest) -> Sequence[float]:
        """From the probe that read along where the text was written, else from the scoring thread, the wait told."""
        heard = self._heard[at]
        if heard and request.view is None and request.scorer == "stream":
            return heard.logits(request.ends)
        asked_at = time.monotonic()
        try:
            return await self._scoring.stream(readers, request)
        finally:
            now = time.monotonic()
            self._on_wait(now - asked_at, now)

    def _is_bypassed(self, at: int) -> bool:
        """Whether the choice passes unscored from here on: its requests are void."""
        decision = self._choices[at].decision
        return decision is not None and decision.action == "flag"

    async def _count(self) -> Usage:
        """The upstream's count; where it gave none, or was cut off, the guard's tokenizer counts what was read."""
        if self._usage is not None and None not in self._ended:
            return self._usage
        scorer = self._guard.stream_scorer
        texts = "\n".join(message.content for message in self._conversation), self.read
        if scorer is None:
            return Usage(*(len(text.split()) for text in texts))
        tokenizer = scorer.tokenizer
        try:
            counts = await asyncio.to_thread(lambda: [len(encode(tokenizer, text)) for text in texts])
        except Exception as error:  # noqa: BLE001 - a count is no reason for an answer to fail; words are counted then
            _log.error("tokens not counted", exc_info=error)
            counts = [len(text.split()) for text in texts]
        return Usage(*counts)

    def _stream_guard(self) -> StreamGuard | None:
        guard = self._guard
        if guard.stream_scorer is None:
            return None
        return StreamGuard(guard.stream_scorer.tokenizer, guard.policy, views=guard.views, version=guard.version)

    def _open_readers(self) -> Readers | None:
        scorer = self._guard.stream_scorer
        return Readers(self._conversation, scorer, self._guard.exchange_scorer) if scorer else None


async def _next(events: AsyncGenerator[FlowEvent]) -> FlowEvent | None:
    return await anext(events, None)


def _reason(error: ScoringError | MemoryError) -> str:
    return error.reason if isinstance(error, ScoringError) else "out_of_memory"
