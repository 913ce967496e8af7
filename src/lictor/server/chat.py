"""Guarded answers in the OpenAI chat protocol, streamed and whole.

In: flow events. Out: frames, or one body. Every stream ends with `[DONE]`; one that was cut off says so in the finish
reason of every open choice. Ids and times are the server's own. Decides nothing.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lictor.server.blocks import BlockStyle
from lictor.server.errors import ServiceError, filter_results
from lictor.server.flow import Blocked, ChoiceEnded, Counted, Delivered, Failed, FlowEvent
from lictor.server.sse import DONE, frame
from lictor.server.upstream_wire import Channel, FinishReason, Piece


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What every chunk of an answer repeats."""

    id: str
    created: int
    model: str


@dataclass
class ChatStream:
    """Writes one answer as a stream of `chat.completion.chunk` frames."""

    head: AnswerHead
    choices: int
    wants_usage: bool
    style: BlockStyle
    _begun: set[int] = field(default_factory=set[int])
    _ended: set[int] = field(default_factory=set[int])
    _has_failed: bool = False

    def write(self, event: FlowEvent) -> bytes:
        """The frames of one event."""
        match event:
            case Delivered(choice, piece):
                return self._begin([choice]) + self._chunk(choice, _delta(piece))
            case ChoiceEnded(choice, reason):
                self._ended.add(choice)
                return self._begin([choice]) + self._chunk(choice, {}, reason)
            case Failed(error):
                return self._fail(error)
            case Blocked():
                return self._block(event)
            case Counted(usage):
                last = {"choices": [], "usage": usage.body()}
                wanted = self.wants_usage and not self._has_failed
                return (self._frame(last) if wanted else b"") + frame(DONE)

    def _block(self, block: Blocked) -> bytes:
        error = self.style.error(block)
        if error:
            return self._fail(error)
        open_choices = [choice for choice in range(self.choices) if choice not in self._ended]
        text = self.style.section.message if block.is_first else self.style.section.replacement
        frames = self._begin(open_choices)
        told = {"content_filter_results": filter_results(self.style.category)}
        for choice in open_choices:
            frames += self._chunk(choice, {"content": text}) if text else b""
            frames += self._chunk(choice, {}, "content_filter", told)
        return frames

    def _fail(self, error: ServiceError) -> bytes:
        self._has_failed = True
        return frame(json.dumps(error.body()))

    def _begin(self, choices: Iterable[int]) -> bytes:
        """The first chunk of a choice names the role."""
        fresh = [choice for choice in choices if choice not in self._begun]
        self._begun.update(fresh)
        return b"".join(self._chunk(choice, {"role": "assistant", "content": ""}) for choice in fresh)

    def _chunk(
        self, choice: int, delta: dict[str, Any], reason: FinishReason | None = None, told: dict[str, Any] | None = None
    ) -> bytes:
        entry: dict[str, Any] = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": reason}
        entry |= told or {}
        return self._frame({"choices": [entry]} | ({"usage": None} if self.wants_usage else {}))

    def _frame(self, rest: dict[str, Any]) -> bytes:
        head = {"id": self.head.id, "object": "chat.completion.chunk"}
        head |= {"created": self.head.created, "model": self.head.model}
        return frame(json.dumps(head | rest, ensure_ascii=False))


@dataclass
class WholeChoice:
    """One choice of an answer that is not streamed."""

    texts: dict[str, str] = field(default_factory=dict[str, str])
    calls: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])
    reason: FinishReason = "content_filter"
    is_cut_off: bool = True
    """Whether it has no end of its own: the guard ended it."""

    def take(self, piece: Piece) -> None:
        """Add a cleared piece."""
        if piece.channel not in {"tool_name", "tool_arguments"}:
            self.texts[piece.channel] = self.texts.get(piece.channel, "") + piece.text
            return
        call = self.calls.setdefault(piece.tool, {"id": "", "name": "", "arguments": ""})
        part = "name" if piece.channel == "tool_name" else "arguments"
        call[part] += piece.text
        call["id"] = piece.call_id or call["id"] or f"call_{piece.tool}"

    def pieces(self) -> list[Piece]:
        """What it says as pieces, one a channel."""
        order: tuple[Channel, ...] = ("reasoning_content", "reasoning", "content", "refusal")
        found = [Piece(channel, self.texts[channel]) for channel in order if self.texts.get(channel)]
        for tool, call in sorted(self.calls.items()):
            found += [
                Piece("tool_name", call["name"], tool, call["id"]),
                Piece("tool_arguments", call["arguments"], tool),
            ]
        return found


@dataclass(frozen=True)
class WholeAnswer:
    """All of an answer that may be told."""

    choices: list[WholeChoice]
    usage: dict[str, int]


def gather(events: Iterable[FlowEvent], choices: int, style: BlockStyle) -> WholeAnswer:
    """The answer that events make; a choice that was cut off says nothing but that.

    Raises:
        ServiceError: The answer failed, or was blocked and blocks are told as errors.
    """
    found = [WholeChoice() for _ in range(choices)]
    usage: dict[str, int] = {}
    for event in events:
        match event:
            case Delivered(choice, piece):
                found[choice].take(piece)
            case ChoiceEnded(choice, reason):
                found[choice].reason, found[choice].is_cut_off = reason, False
            case Failed(error):
                raise error
            case Blocked(decision, is_first):
                error = style.error(event)
                if error and (is_first or decision.status == "error"):
                    raise error
            case Counted(counted):
                usage = counted.body()
    return WholeAnswer(found, usage)


def completion(answer: WholeAnswer, head: AnswerHead, style: BlockStyle) -> dict[str, object]:
    """The `chat.completion` body."""
    choices = [_whole(index, choice, style) for index, choice in enumerate(answer.choices)]
    return {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": choices,
        "usage": answer.usage,
    }


def _whole(index: int, choice: WholeChoice, style: BlockStyle) -> dict[str, object]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    entry: dict[str, Any] = {"index": index, "message": message, "logprobs": None, "finish_reason": choice.reason}
    if choice.is_cut_off:
        message |= {"content": style.section.replacement, "refusal": style.section.message}
        entry["content_filter_results"] = filter_results(style.category)
        return entry
    message |= choice.texts
    if choice.calls:
        message["tool_calls"] = [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
            for _, c in sorted(choice.calls.items())
        ]
    return entry


def _delta(piece: Piece) -> dict[str, Any]:
    match piece.channel:
        case "tool_name":
            call_id = piece.call_id or f"call_{piece.tool}"
            function = {"name": piece.text, "arguments": ""}
            return {"tool_calls": [{"index": piece.tool, "id": call_id, "type": "function", "function": function}]}
        case "tool_arguments":
            return {"tool_calls": [{"index": piece.tool, "function": {"arguments": piece.text}}]}
        case channel:
            return {channel: piece.text}
