"""From a client's request to an HTTP response: one answer, streamed or whole, in whatever protocol.

In: a chat request, and how its protocol writes. Out: a response that begins only when it is known whether it is an
answer or an error. Knows no route.
"""

import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from lictor.server.admission import client_of
from lictor.server.blocks import BlockStyle
from lictor.server.chat import AnswerHead, ChatStream, WholeAnswer, completion, gather
from lictor.server.errors import RequestError, ServiceError
from lictor.server.flow import Blocked, Failed, FlowEvent
from lictor.server.record import utc_now
from lictor.server.requests import ChatRequest, conversation_of
from lictor.server.service import Ask, Exchange, Service
from lictor.server.settings import KeySection
from lictor.types import Decision


class StreamWriter(Protocol):
    """Writes events in a protocol's frames."""

    def write(self, event: FlowEvent) -> bytes:
        """The frames of one event; they may be none."""
        ...


@dataclass(frozen=True)
class Dialect:
    """How one protocol writes answers."""

    endpoint: str
    id_prefix: str
    stream: Callable[[AnswerHead, ChatRequest, BlockStyle], StreamWriter]
    whole: Callable[[WholeAnswer, AnswerHead, BlockStyle], dict[str, object]]


def _chat_stream(head: AnswerHead, chat: ChatRequest, style: BlockStyle) -> StreamWriter:
    return ChatStream(head, chat.n or 1, chat.wants_usage, style)


CHAT = Dialect("chat.completions", "chatcmpl-", _chat_stream, completion)


def admit(service: Service, request: Request) -> KeySection:
    """The client behind a request, its rate counted.

    Raises:
        RequestError: It has no valid key.
        BusyError: Its minute or its day is spent.
    """
    headers = request.headers
    client = client_of(headers.get("authorization"), headers.get("x-api-key"), service.settings.keys)
    service.gate.spend(client, time.monotonic(), utc_now())
    return client


async def answer(
    service: Service, request: Request, client: KeySection, chat: ChatRequest, dialect: Dialect
) -> Response:
    """The guarded answer to `chat` in the words of `dialect`.

    Raises:
        ServiceError: There is none to give, and that is known before its first byte.
    """
    limits = service.settings.limits
    if len(chat.messages) > limits.messages:
        raise RequestError(f"expected at most {limits.messages} messages", "too_many_messages", "messages")
    choices = chat.n or 1
    if choices > limits.choices:
        raise RequestError(f"expected n of at most {limits.choices}", "invalid_value", "n")
    ask = Ask(
        request_id=request.state.request_id,
        client=client,
        endpoint=dialect.endpoint,
        model=chat.model,
        conversation=conversation_of(chat.messages, chat.tools, chat.response_format),
        choices=choices,
        is_streamed=bool(chat.stream),
        traceparent=request.headers.get("traceparent"),
    )
    style = service.style(service.served)
    head = AnswerHead(dialect.id_prefix + uuid.uuid4().hex, int(time.time()), chat.model)
    exchange = service.exchange(ask, chat)
    if chat.stream:
        return await _streamed(exchange, dialect.stream(head, chat, style), style)
    async with aclosing(exchange.events()) as events:
        found = [event async for event in events]
    try:
        whole = gather(found, choices, style)
    except ServiceError as error:
        error.headers.update(guard_headers(exchange))
        raise
    return JSONResponse(dialect.whole(whole, head, style), headers=guard_headers(exchange))


async def _streamed(exchange: Exchange, writer: StreamWriter, style: BlockStyle) -> Response:
    """A stream whose first event is known, so that what fails before it is an HTTP error."""
    events = exchange.events()
    try:
        first = await anext(events)
        error = _first_error(first, style)
        if error is not None:
            async for _ in events:
                pass
            error.headers.update(guard_headers(exchange))
            raise error
    except BaseException:
        await events.aclose()
        raise
    return EventStream(first, events, writer, headers=guard_headers(exchange))


def _first_error(event: FlowEvent, style: BlockStyle) -> ServiceError | None:
    match event:
        case Blocked():
            return style.error(event)
        case Failed(error):
            return error
        case _:
            return None


def guard_headers(exchange: Exchange) -> dict[str, str]:
    """What a response tells of the guard: its verdict so far, never the stage."""
    flow = exchange.flow
    return decision_headers(flow.decision, flow.version, flow.times.now())


def decision_headers(decision: Decision, version: str, duration_s: float) -> dict[str, str]:
    """The guard's headers."""
    return {
        "x-guard-decision": decision.action,
        "x-guard-duration-ms": f"{duration_s * 1000:.0f}",
        "x-guard-policy-version": version,
    }


class EventStream(Response):
    """Server-sent events, written as the client takes them: it is never more than one event ahead."""

    media_type = "text/event-stream"

    def __init__(
        self, first: FlowEvent, events: AsyncGenerator[FlowEvent], writer: StreamWriter, headers: dict[str, str]
    ) -> None:
        self._first = first
        self._events = events
        self._writer = writer
        self.status_code = 200
        self.background = None
        self.init_headers(headers | {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all; the events are closed however it ends."""
        async with aclosing(self._events):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _send(send, self._writer.write(self._first))
            async for event in self._events:
                await _send(send, self._writer.write(event))
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send(send: Send, frames: bytes) -> None:
    if frames:
        await send({"type": "http.response.body", "body": frames, "more_body": True})
