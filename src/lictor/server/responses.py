"""Guarded answers in the OpenAI Responses protocol, streamed and whole.

In: flow events. Out: events with running numbers, or one response. An answer that was cut off is `incomplete` with the
reason `content_filter`. Decides nothing.
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
from lictor.server.upstream_wire import FinishReason, Piece, Usage

_INCOMPLETE = {"content_filter": "content_filter", "length": "max_output_tokens"}


@dataclass
class ResponsesStream:
    """Writes one answer as a stream of `response.*` events."""

    head: AnswerHead
    style: BlockStyle
    _outline: Outline = field(default_factory=Outline)
    _number: int = -1
    _reason: FinishReason = "content_filter"
    _has_failed: bool = False

    def write(self, event: FlowEvent) -> bytes:
        """The frames of one event."""
        begun = b"" if self._number >= 0 else self._begin()
        match event:
            case Delivered(_, piece):
                return begun + self._show(self._outline.take(piece))
            case ChoiceEnded(_, reason):
                self._reason = reason
                return begun + self._show(self._outline.close(is_cut=reason in _INCOMPLETE))
            case Failed(error):
                return begun + self._fail(error)
            case Blocked():
                return begun + self._block(event)
            case Counted(usage):
                return b"" if self._has_failed else begun + self._end(usage)

    def _begin(self) -> bytes:
        about = response_body(self.head, [], None, None)
        return self._event("response.created", response=about) + self._event("response.in_progress", response=about)

    def _block(self, block: Blocked) -> bytes:
        error = self.style.error(block)
        if error:
            return self._fail(error)
        text = self.style.section.message if block.is_first else self.style.section.replacement
        events = self._outline.close(is_cut=True) + (self._outline.take(Piece("refusal", text)) if text else [])
        return self._show(events + self._outline.close())

    def _fail(self, error: ServiceError) -> bytes:
        self._has_failed = True
        return self._event("error", code=error.code, message=str(error), param=error.param)

    def _end(self, usage: Usage) -> bytes:
        frames = self._show(self._outline.close())
        items = [item_body(self.head, block) for block in self._outline.blocks]
        body = response_body(self.head, items, self._reason, usage.body())
        return frames + self._event(f"response.{body['status']}", response=body)

    def _show(self, events: list[BlockEvent]) -> bytes:
        return b"".join(self._show_one(event) for event in events)

    def _show_one(self, event: BlockEvent) -> bytes:
        block = event.block
        place: dict[str, Any] = {"item_id": _item_id(self.head, block), "output_index": block.index}
        name = {"text": "output_text", "refusal": "refusal", "reasoning": "reasoning_text"}.get(block.kind)
        part = place | {"content_index": 0}
        match event:
            case Opened():
                item = item_body(self.head, block, status="in_progress")
                frames = self._event("response.output_item.added", output_index=block.index, item=item)
                return frames + (
                    self._event("response.content_part.added", **part, part=_part(block, "")) if name else b""
                )
            case Grown(_, text) if name:
                extra = {"logprobs": []} if block.kind == "text" else {}
                return self._event(f"response.{name}.delta", **part, delta=text, **extra)
            case Grown(_, text):
                return self._event("response.function_call_arguments.delta", **place, delta=text)
            case Closed():
                return self._close(block, name, place)

    def _close(self, block: Block, name: str | None, place: dict[str, Any]) -> bytes:
        if name:
            part = place | {"content_index": 0}
            said = {"refusal": block.text} if block.kind == "refusal" else {"text": block.text}
            extra = {"logprobs": []} if block.kind == "text" else {}
            frames = self._event(f"response.{name}.done", **part, **said, **extra)
            frames += self._event("response.content_part.done", **part, part=_part(block, block.text))
        elif block.is_cut:
            frames = b""  # nobody is to act on half a call
        else:
            call = {"name": block.name, "arguments": block.text}
            frames = self._event("response.function_call_arguments.done", **place, **call)
        item = item_body(self.head, block)
        return frames + self._event("response.output_item.done", output_index=block.index, item=item)

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        body = {"type": kind, "sequence_number": self._number} | fields
        return frame(json.dumps(body, ensure_ascii=False), event=kind)


def response_body(
    head: AnswerHead, items: list[dict[str, Any]], reason: FinishReason | None, usage: dict[str, int] | None
) -> dict[str, Any]:
    """A response object; without a reason it is under way."""
    cut = _INCOMPLETE.get(reason or "")
    counts = None
    if usage:
        counts = {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        }
    return {
        "id": head.id,
        "object": "response",
        "created_at": head.created,
        "model": head.model,
        "status": "in_progress" if reason is None else "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "error": None,
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": counts,
    }


def item_body(head: AnswerHead, block: Block, *, status: str = "completed") -> dict[str, Any]:
    """An output item; one that is under way says nothing yet."""
    is_done = status == "completed"
    status = "incomplete" if block.is_cut and is_done else status
    about: dict[str, Any] = {"id": _item_id(head, block), "status": status}
    match block.kind:
        case "tool":
            call = {"call_id": block.call_id, "name": block.name, "arguments": block.text if is_done else ""}
            return about | {"type": "function_call"} | call
        case "reasoning":
            content = [_part(block, block.text)] if is_done else []
            return about | {"type": "reasoning", "summary": [], "content": content}
        case "text" | "refusal":
            content = [_part(block, block.text)] if is_done else []
            return about | {"type": "message", "role": "assistant", "content": content}


def _part(block: Block, text: str) -> dict[str, Any]:
    match block.kind:
        case "refusal":
            return {"type": "refusal", "refusal": text}
        case "reasoning":
            return {"type": "reasoning_text", "text": text}
        case _:
            return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item_id(head: AnswerHead, block: Block) -> str:
    return f"item_{head.id.removeprefix('resp_')}_{block.index}"


def _stream(head: AnswerHead, _: ChatRequest, style: BlockStyle) -> ResponsesStream:
    return ResponsesStream(head, style)


def _whole(answer: WholeAnswer, head: AnswerHead, style: BlockStyle) -> dict[str, object]:
    (choice,) = answer.choices
    pieces = choice.pieces()
    if choice.is_cut_off:
        pieces = [Piece("refusal", style.section.replacement or style.section.message)]
    blocks = blocks_of(pieces, is_cut=choice.reason in _INCOMPLETE and not choice.is_cut_off)
    return response_body(head, [item_body(head, block) for block in blocks], choice.reason, answer.usage)


RESPONSES = Dialect("responses", "resp_", _stream, _whole)
