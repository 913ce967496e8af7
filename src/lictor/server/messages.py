"""Guarded answers in the Anthropic Messages protocol, streamed and whole.

In: flow events. Out: events, or one message. An answer that was cut off ends with the stop reason `refusal`.
Decides nothing.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from lictor.server.answering import Dialect
from lictor.server.blocks import BlockStyle
from lictor.server.chat import AnswerHead, WholeAnswer
from lictor.server.errors import ServiceError
from lictor.server.flow import Blocked, ChoiceEnded, Counted, Delivered, Failed, FlowEvent
from lictor.server.outline import Block, BlockEvent, Closed, Grown, Opened, Outline, blocks_of
from lictor.server.requests import ChatRequest
from lictor.server.sse import frame
from lictor.server.upstream_wire import FinishReason, Piece

_STOPS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERRORS = {
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


@dataclass
class MessagesStream:
    """Writes one answer as `message_start`, content blocks, `message_delta` and `message_stop`."""

    head: AnswerHead
    style: BlockStyle
    _outline: Outline = field(default_factory=Outline)
    _has_begun: bool = False
    _reason: FinishReason = "content_filter"
    _has_failed: bool = False

    def write(self, event: FlowEvent) -> bytes:
        """The frames of one event."""
        begun = b"" if self._has_begun else self._begin()
        match event:
            case Delivered(_, piece):
                return begun + self._show(self._outline.take(piece))
            case ChoiceEnded(_, reason):
                self._reason = reason
                return begun + self._show(self._outline.close())
            case Failed(error):
                return begun + self._fail(error)
            case Blocked():
                return begun + self._block(event)
            case Counted(usage):
                if self._has_failed:
                    return b""
                delta = {"stop_reason": _STOPS[self._reason], "stop_sequence": None}
                counts = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
                last = _event("message_delta", delta=delta, usage=counts)
                return begun + self._show(self._outline.close()) + last + _event("message_stop")

    def _begin(self) -> bytes:
        self._has_begun = True
        return _event("message_start", message=message_body(self.head, [], None, {}))

    def _block(self, block: Blocked) -> bytes:
        error = self.style.error(block)
        if error:
            return self._fail(error)
        text = self.style.section.message if block.is_first else self.style.section.replacement
        events = self._outline.close() + (self._outline.take(Piece("content", text)) if text else [])
        return self._show(events + self._outline.close())

    def _fail(self, error: ServiceError) -> bytes:
        self._has_failed = True
        return frame(json.dumps(error_body(error)), event="error")

    def _show(self, events: list[BlockEvent]) -> bytes:
        return b"".join(_show(event) for event in events)


def message_body(
    head: AnswerHead, content: list[dict[str, Any]], reason: FinishReason | None, usage: dict[str, int]
) -> dict[str, Any]:
    """A message object; without a reason it is under way."""
    counts = {"input_tokens": usage.get("prompt_tokens", 0), "output_tokens": usage.get("completion_tokens", 0)}
    return {
        "id": head.id,
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": content,
        "stop_reason": _STOPS[reason] if reason else None,
        "stop_sequence": None,
        "usage": counts,
    }


def error_body(error: ServiceError) -> dict[str, object]:
    """An error as this protocol has it; `code` is ours."""
    kind = _ERRORS.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": str(error), "code": error.code}}


def _show(event: BlockEvent) -> bytes:
    block = event.block
    match event:
        case Opened():
            return _event("content_block_start", index=block.index, content_block=_content(block, is_done=False))
        case Grown(_, text):
            delta = {
                "tool": {"type": "input_json_delta", "partial_json": text},
                "reasoning": {"type": "thinking_delta", "thinking": text},
            }.get(block.kind, {"type": "text_delta", "text": text})
            return _event("content_block_delta", index=block.index, delta=delta)
        case Closed():
            return _event("content_block_stop", index=block.index)


def _content(block: Block, *, is_done: bool) -> dict[str, Any]:
    text = block.text if is_done else ""
    match block.kind:
        case "tool":
            return {"type": "tool_use", "id": block.call_id, "name": block.name, "input": _arguments(text)}
        case "reasoning":
            return {"type": "thinking", "thinking": text, "signature": ""}
        case "text" | "refusal":
            return {"type": "text", "text": text}


def _arguments(text: str) -> dict[str, Any]:
    """A call's arguments as an object; what is none is kept as text."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"text": text}


def _event(kind: str, **fields: Any) -> bytes:
    return frame(json.dumps({"type": kind} | fields, ensure_ascii=False), event=kind)


def _stream(head: AnswerHead, _: ChatRequest, style: BlockStyle) -> MessagesStream:
    return MessagesStream(head, style)


def _whole(answer: WholeAnswer, head: AnswerHead, style: BlockStyle) -> dict[str, object]:
    (choice,) = answer.choices
    pieces = choice.pieces()
    if choice.is_cut_off:
        pieces = [Piece("content", style.section.replacement or style.section.message)]
    content = [_content(block, is_done=True) for block in blocks_of(pieces)]
    return message_body(head, content, choice.reason, answer.usage)


MESSAGES = Dialect("messages", "msg_", _stream, _whole)
