"""All that one server holds, and the life of one answer in it: admitted, guarded, recorded.

In: a chat request from a client. Out: its flow events, while the gate, the metrics and the decision log keep count.
Knows no HTTP and no wire format.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import asdict, dataclass, field
from datetime import datetime

from lictor.server.admission import Gate
from lictor.server.blocks import BlockStyle
from lictor.server.capacity import Capacity
from lictor.server.errors import ServiceError
from lictor.server.export import make_export
from lictor.server.flow import Blocked, ChoiceEnded, Counted, Delivered, Failed, Flow, FlowEvent
from lictor.server.local_upstream import LocalUpstream
from lictor.server.memory import free_bytes
from lictor.server.metrics import Metrics
from lictor.server.probes import Campaign, ProbeWatch
from lictor.server.record import DecisionLog, Record, record_row, utc_now
from lictor.server.requests import ChatRequest
from lictor.server.scoring import TRIAL, ScoringThread, time_trial
from lictor.server.settings import KeySection, ServerSettings
from lictor.server.shelf import Served, Shelf
from lictor.server.tracing import Tracing
from lictor.server.upstream import Upstream
from lictor.server.upstream_wire import Chunk, Usage
from lictor.types import Conversation, Decision

RECENT = 200
"""Requests that the status page speaks of."""

_log = logging.getLogger("lictor.server")


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks for what."""

    request_id: str
    client: KeySection
    endpoint: str
    model: str
    conversation: Conversation
    choices: int = 1
    is_streamed: bool = False
    traceparent: str | None = None


@dataclass
class Service:
    """What one server holds."""

    settings: ServerSettings
    shelf: Shelf
    scoring: ScoringThread
    upstream: Upstream
    tracing: Tracing | None = None
    metrics: Metrics = field(default_factory=Metrics)
    is_draining: bool = False
    began: float = field(default_factory=time.time)
    results: dict[str, int] = field(default_factory=dict[str, int])
    """Requests by what the guard did."""
    rules: dict[str, int] = field(default_factory=dict[str, int])
    """Decisions against a text, by the rule it most likely falls under."""
    recent: deque[Mapping[str, object]] = field(default_factory=lambda: deque[Mapping[str, object]](maxlen=RECENT))
    """Rows of the last requests, without their text."""
    exchanges: set["Exchange"] = field(default_factory=set["Exchange"])

    def __post_init__(self) -> None:
        limits, decisions = self.settings.limits, self.settings.decisions
        self.gate = Gate(limits.streams, limits.retry_after_s, Capacity(limits.wait_s))
        self.log = DecisionLog(decisions.folder, decisions.keep_days)
        self.probes = ProbeWatch(self.settings.probes)
        self.export = make_export(self.metrics, self.measure)
        if any(key.tokens_per_day for key in self.settings.keys):
            now = utc_now()
            for client, tokens in self.log.tokens_of(now).items():
                self.gate.charge(client, tokens, now)

    @property
    def served(self) -> Served:
        """The guard for new requests.

        Raises:
            ServiceError: There is none, or none may begin (HTTP 503).
        """
        served = self.shelf.served
        reason = self.unready
        if served is None or reason in {"draining", "log"}:
            error = ServiceError("the service is not taking requests", f"not_ready_{reason or 'guard'}")
            error.status = 503
            error.headers["retry-after"] = str(self.settings.limits.retry_after_s)
            raise error
        return served

    @property
    def unready(self) -> str | None:
        """Why it is not ready; None where it is."""
        if self.shelf.served is None:
            return "guard"
        if self.is_draining:
            return "draining"
        if self.scoring.is_stuck(self.settings.limits.score_s):
            return "scoring"
        if self.settings.decisions.required and not self._has_log():
            return "log"
        return None

    def slots(self, client: KeySection, count: int) -> AbstractContextManager[None]:
        """Room for `count` answers, given back at the end.

        Raises:
            BusyError: There is none: too many are open, scores come too late, or memory is low.
        """
        free = free_bytes()
        is_memory_low = free is not None and free < self.settings.limits.free_bytes
        return self.gate.slots(client, count, is_memory_low=is_memory_low)

    def try_out(self) -> None:
        """Find out how many answers at once to begin with.

        Raises:
            ScoringError: The scorer failed.
        """
        guard = self.shelf.served and self.shelf.served.guard
        if guard is None or guard.stream_scorer is None:
            return
        if isinstance(self.upstream, LocalUpstream) and self.upstream.is_read_by(guard.stream_scorer):
            return  # answers bring their scores along
        self.gate.capacity.start(TRIAL, time_trial(self.scoring, guard.stream_scorer, guard.policy.stride))

    def _has_log(self) -> bool:
        """Whether decisions can be recorded; where they could not, a row that says so is tried first."""
        if self.log.error:
            now = utc_now()
            self.log.append({"time": now.isoformat(), "event": "log_resumed"}, now, time.monotonic())
        return self.log.error is None

    def style(self, served: Served) -> BlockStyle:
        """How blocks are told."""
        return BlockStyle(self.settings.blocking, served.category)

    def record(self, record: Record) -> None:
        """Count a finished request and write it down."""
        self.results[record.result] = self.results.get(record.result, 0) + 1
        if rule := record.decision.rule:
            self.rules[rule] = self.rules.get(rule, 0) + 1
        self.metrics.count(record)
        if self.tracing:
            self.tracing.write(record)
        now = utc_now()
        row = record_row(record, content=False, now=now)
        self.recent.append(row)
        _log.info("request", extra={"fields": row})
        self.write_down(record_row(record, content=True, now=now) if self.settings.decisions.content else row, now)
        self.gate.charge(record.client, record.prompt_tokens + record.completion_tokens, now)
        campaign = self.probes.see(record.client, record.decision, _judged(record.conversation, ""), time.monotonic())
        if campaign:
            self._raise(campaign, record.request_id, now)

    def measure(self) -> None:
        """Set the numbers that are of this moment."""
        if self.shelf.served:
            self.metrics.show_guard(self.shelf.served.guard)
        self.metrics.active.set(len(self.exchanges))
        self.metrics.waiting.set(self.scoring.waiting)
        self.metrics.capacity.set(self.gate.room)

    def write_down(self, row: Mapping[str, object], now: datetime) -> None:
        """Add a row to the decision log."""
        self.log.append(row, now, time.monotonic())
        if self.log.error:
            self.metrics.count_log_error()

    def _raise(self, campaign: Campaign, request_id: str, now: datetime) -> None:
        """Tell of a client that probes, and slow it down where the settings say so."""
        self.metrics.count_campaign(campaign.kind)
        fields = asdict(campaign) | {"request_id": request_id}
        _log.warning("a client is probing the guard's threshold", extra={"fields": fields})
        self.write_down({"time": now.isoformat(), "event": "campaign", **fields}, now)
        probes = self.settings.probes
        if probes.throttle_per_minute is not None:
            self.gate.throttle(campaign.client, probes.throttle_per_minute, time.monotonic() + probes.throttle_s)

    def end_all(self) -> None:
        """End every open answer with a typed error; nothing is dropped without a word."""
        for exchange in list(self.exchanges):
            exchange.end()

    async def aclose(self) -> None:
        """Let go of threads and connections."""
        await self.upstream.aclose()
        self.scoring.close()
        for sent in (self.tracing, self.export):
            if sent:
                await asyncio.to_thread(sent.close)

    def exchange(self, ask: Ask, chat: ChatRequest) -> "Exchange":
        """An answer to be iterated once."""
        served = self.served
        if isinstance(self.upstream, LocalUpstream):
            return Exchange(self, served, ask, self.upstream.stream(chat, served.guard.stream_scorer))
        return Exchange(self, served, ask, self.upstream.stream(chat))


class Exchange:
    """One answer under way."""

    def __init__(self, service: Service, served: Served, ask: Ask, chunks: AsyncGenerator[Chunk]) -> None:
        limits, blocking = service.settings.limits, service.settings.blocking
        self._service = service
        self._served = served
        self._ask = ask
        self._chunks = chunks
        self.flow = Flow(
            served.guard,
            ask.conversation,
            service.scoring,
            choices=ask.choices,
            score_s=limits.score_s,
            refusal_wait_s=blocking.refusal_wait_ms / 1000,
            on_wait=service.gate.note_wait,
        )
        self._outcome = "abandoned"
        self._error: str | None = None
        self._usage = Usage(0, 0)
        self._delivered: list[str] = []
        self._task: asyncio.Task[object] | None = None
        self._is_ended = False

    async def events(self) -> AsyncGenerator[FlowEvent]:
        """The flow's events; recorded however they end.

        Raises:
            BusyError: There is no room.
        """
        service = self._service
        with service.slots(self._ask.client, self._ask.choices):
            service.exchanges.add(self)
            self._task = asyncio.current_task()
            service.metrics.streams.inc()
            try:
                async with aclosing(self.flow.events(self._chunks)) as events:
                    async for event in events:
                        self._note(event)
                        yield event
            except asyncio.CancelledError:
                if not self._is_ended or self._task is None:
                    raise
                self._task.uncancel()
                error = ServiceError("the service is shutting down", "shutting_down")
                error.status = 503
                for event in self._break_off(error):
                    yield event
            except Exception as error:  # noqa: BLE001 - whatever broke, the answer ends in its protocol's words
                _log.error("answer failed", exc_info=error, extra={"fields": {"request_id": self._ask.request_id}})
                for event in self._break_off(ServiceError("the service failed on this request", "internal_error")):
                    yield event
            finally:
                service.metrics.streams.dec()
                service.exchanges.discard(self)
                service.record(self._record())

    def end(self) -> None:
        """End it with a typed error."""
        self._is_ended = True
        if self._task is not None:
            self._task.cancel()

    def _break_off(self, error: ServiceError) -> tuple[FlowEvent, ...]:
        """The events that end the answer with an error."""
        ending = (Failed(error), Counted(self._usage))
        for event in ending:
            self._note(event)
        return ending

    def _note(self, event: FlowEvent) -> None:
        match event:
            case Delivered(_, piece):
                self._delivered.append(piece.text)
            case Blocked(decision):
                self._outcome = "blocked" if decision.status == "ok" else "failed"
                self._error = "content_filter" if decision.status == "ok" else decision.reason
            case Failed(error):
                self._outcome, self._error = "failed", error.code
            case Counted(usage):
                self._usage = usage
                self._outcome = "answered" if self._outcome == "abandoned" else self._outcome
            case ChoiceEnded():
                pass

    def _record(self) -> Record:
        ask = self._ask
        delivered = "".join(self._delivered)
        return Record(
            request_id=ask.request_id,
            client=ask.client.name,
            endpoint=ask.endpoint,
            model=ask.model,
            guard=self._served.category,
            is_streamed=ask.is_streamed,
            outcome=self._outcome,
            decision=self._served.named(self.flow.decision, _judged(ask.conversation, self.flow.read)),
            error=self._error,
            times=self.flow.times,
            prompt_tokens=self._usage.prompt_tokens,
            completion_tokens=self._usage.completion_tokens,
            delivered_chars=len(delivered),
            conversation=ask.conversation,
            delivered=delivered,
            traceparent=ask.traceparent,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and how long it took."""

    decision: Decision
    took_s: float


async def judge(service: Service, ask: Ask) -> Verdict:
    """The verdict on a whole conversation: its prompt, and its answer if it ends with one.

    Raises:
        BusyError: There is no room.
    """
    *before, last = ask.conversation
    answer = last.content if last.role == "assistant" else None
    prompt = ask.conversation if answer is None else tuple(before)
    served = service.served
    flow = Flow(served.guard, prompt, service.scoring, score_s=service.settings.limits.score_s)
    with service.slots(ask.client, 1):
        decision = served.named(await flow.judge(answer), _judged(prompt, answer or ""))
    record = Record(
        request_id=ask.request_id,
        client=ask.client.name,
        endpoint=ask.endpoint,
        model=ask.model,
        guard=served.category,
        is_streamed=False,
        outcome="blocked" if decision.action == "block" else "answered",
        decision=decision,
        error=decision.error,
        times=flow.times,
        prompt_tokens=0,
        completion_tokens=0,
        delivered_chars=0,
        conversation=ask.conversation,
        traceparent=ask.traceparent,
    )
    service.record(record)
    return Verdict(decision, flow.times.now())


def _judged(prompt: Conversation, answer: str) -> str:
    """What a decision is about: the last question, and what of an answer was read."""
    asked = [message.content for message in prompt if message.role == "user"][-1:]
    return "\n".join([*asked, *([answer] if answer else [])])
