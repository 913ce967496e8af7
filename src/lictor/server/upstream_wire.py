"""Chunks of an upstream's answer, read with suspicion.

In: the data of a frame. Out: what of it a client may ever read, in pieces a guard can score, and nothing else: fields
that are not known are left behind. Knows no socket and no guard.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, cast

from lictor.server.errors import UpstreamError

Channel = Literal["content", "refusal", "reasoning_content", "reasoning", "tool_name", "tool_arguments"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
_FINISHES: Mapping[str, FinishReason] = {
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
"""Reasons passed on; whatever else ends a choice is a `stop`."""

_TEXTS: tuple[Channel, ...] = ("reasoning_content", "reasoning", "content", "refusal")
_ID = re.compile(r"[\w.:/|=+-]{1,256}")
MAX_TOOL_CALLS = 128

_Json: TypeAlias = dict[str, object]


class ReadTo(NamedTuple):
    """A logit, and where in the answer's content the text ends that it speaks for, from the logit before on."""

    end: int
    logit: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Text on one of the channels a client reads."""

    channel: Channel
    text: str
    tool: int = 0
    """Index of the tool call, on the two tool channels."""
    call_id: str | None = None
    """Id of the tool call, with its name."""
    read: tuple[ReadTo, ...] = ()
    """What a probe made of the text up to here while it was written; of content alone."""


@dataclass(frozen=True, slots=True)
class ChoiceDelta:
    """What a chunk says of one choice."""

    index: int
    pieces: tuple[Piece, ...] = ()
    finish: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int

    def body(self) -> dict[str, int]:
        """As the OpenAI protocol writes it."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of an answer."""

    deltas: tuple[ChoiceDelta, ...] = ()
    usage: Usage | None = None


def read_chunk(data: str, choices: int) -> Chunk:
    """The chunk in the data of a frame; a whole completion is read as one chunk.

    Raises:
        UpstreamError: It is no chunk: no JSON, a choice that was not asked for, text that is no text, or an error.
    """
    found = _parse(data)
    if found.get("error") is not None:
        raise UpstreamError("the model's endpoint reported an error during its answer", "upstream_failed")
    listed = found.get("choices") or []
    if not isinstance(listed, list):
        raise _malformed("choices", listed)
    deltas = tuple(_delta(_object(choice, "choice"), choices) for choice in cast("list[object]", listed))
    return Chunk(deltas, _usage(found.get("usage")))


def _parse(data: str) -> _Json:
    try:
        return _object(json.loads(data), "chunk")
    except (ValueError, RecursionError):
        raise UpstreamError("the model's endpoint sent a frame that is not JSON", "upstream_malformed") from None


def _delta(choice: _Json, choices: int) -> ChoiceDelta:
    index = choice.get("index", 0)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < choices:
        raise UpstreamError("the model's endpoint sent a choice nobody asked for", "upstream_malformed")
    delta = _object(choice.get("delta") or choice.get("message") or {}, "delta")
    pieces: list[Piece] = []
    for channel in _TEXTS:
        if text := _text(delta.get(channel), channel):
            pieces.append(Piece(channel, text))
    calls = delta.get("tool_calls") or []
    if not isinstance(calls, list):
        raise _malformed("tool_calls", calls)
    for place, call in enumerate(cast("list[object]", calls)):
        pieces += _tool_pieces(_object(call, "tool call"), place)
    return ChoiceDelta(index, tuple(pieces), _finish(choice.get("finish_reason")))


def _tool_pieces(call: _Json, place: int) -> list[Piece]:
    index = call.get("index", place)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < MAX_TOOL_CALLS:
        raise _malformed("index of a tool call", index)
    function = _object(call.get("function") or {}, "function")
    name, arguments = _text(function.get("name"), "name"), _text(function.get("arguments"), "arguments")
    given = call.get("id")
    call_id = given if isinstance(given, str) and _ID.fullmatch(given) else None
    pieces: list[Piece] = []
    if name or call_id:
        pieces.append(Piece("tool_name", name, index, call_id))
    if arguments:
        pieces.append(Piece("tool_arguments", arguments, index))
    return pieces


def _finish(reason: object) -> FinishReason | None:
    return None if reason is None else _FINISHES.get(str(reason), "stop")


def _usage(found: object) -> Usage | None:
    if not isinstance(found, dict):
        return None
    counts = [cast("_Json", found).get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (c if isinstance(c, int) and 0 <= c < 2**53 else 0 for c in counts)
    return Usage(prompt, completion)


def _text(found: object, what: str) -> str:
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _malformed(what, found)
    return found


def _object(found: object, what: str) -> _Json:
    if not isinstance(found, dict):
        raise _malformed(what, found)
    return cast("_Json", found)


def _malformed(what: str, found: object) -> UpstreamError:
    return UpstreamError(f"the model's endpoint sent a {what} that is a {type(found).__name__}", "upstream_malformed")
