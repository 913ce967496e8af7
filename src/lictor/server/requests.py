"""Requests in the OpenAI chat protocol, read strictly.

In: a body in bytes. Out: a request whose every field is known, and the conversation a guard reads of it: everything
the model will see, tool definitions and arguments too. What is not yet guarded (audio, images, files, log
probabilities, unknown fields) is a typed error. Knows no guard and no socket.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lictor.server.errors import RequestError
from lictor.types import Conversation, Message

Name = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_.-]+$")]
CallId = Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_.:/|=+-]+$")]
_UNREAD_PARTS = {
    "image_url",
    "input_image",
    "input_audio",
    "audio",
    "video_url",
    "file",
    "input_file",
    "image",
    "document",
}
_TELLING = {"extra_forbidden", "union_tag_invalid"}
_VARIANTS = {
    *("user", "system", "developer", "assistant", "tool", "text", "str", "refusal", "function", "input_text"),
    *("message", "function_call", "function_call_output"),
}


class Body(BaseModel):
    """A part of a request; a field it does not name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(Body):
    """Text in a list of parts."""

    type: Literal["text"]
    text: str


class RefusalPart(Body):
    """An earlier refusal in a list of parts."""

    type: Literal["refusal"]
    refusal: str


Part = Annotated[TextPart | RefusalPart, Field(discriminator="type")]
Content = str | list[Part]


class FunctionCall(Body):
    """Name and arguments of a call."""

    name: Name
    arguments: str


class ToolCall(Body):
    """A call the assistant made."""

    id: CallId
    type: Literal["function"] = "function"
    function: FunctionCall


class SystemTurn(Body):
    """Instructions."""

    role: Literal["system", "developer"]
    content: Content
    name: Name | None = None


class UserTurn(Body):
    """What the user says."""

    role: Literal["user"]
    content: Content
    name: Name | None = None


class AssistantTurn(Body):
    """What the assistant said before."""

    role: Literal["assistant"]
    content: Content | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    name: Name | None = None
    tool_calls: list[ToolCall] | None = None
    # Clients hand an answer back with all that it could have had; of these it had nothing.
    annotations: Annotated[list[Any], Field(max_length=0)] | None = Field(default=None, exclude=True)
    audio: None = Field(default=None, exclude=True)
    function_call: None = Field(default=None, exclude=True)


class ToolTurn(Body):
    """What a tool returned."""

    role: Literal["tool"]
    content: Content
    tool_call_id: CallId


Turn = Annotated[SystemTurn | UserTurn | AssistantTurn | ToolTurn, Field(discriminator="role")]


class FunctionDefinition(Body):
    """A function the model may call."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Body):
    """A tool the model may call."""

    type: Literal["function"]
    function: FunctionDefinition


class StreamOptions(Body):
    """Options of a stream."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class ChatRequest(Body):
    """`POST /v1/chat/completions`."""

    model: Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_.:/@+ -]+$")]
    messages: Annotated[list[Turn], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: int | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    modalities: list[Literal["text"]] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for a usage chunk at the end of its stream."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def forwarded(self) -> dict[str, Any]:
        """The body for the upstream: the same request, always streamed and with usage."""
        body = self.model_dump(mode="json", exclude_unset=True)
        return body | {"stream": True, "stream_options": {"include_usage": True}}


class ChecksRequest(Body):
    """`POST /v1/checks`: a verdict on messages, without generation."""

    messages: Annotated[list[Turn], Field(min_length=1)]
    model: str | None = None
    tools: list[Tool] | None = None


class ModerationsRequest(Body):
    """`POST /v1/moderations`."""

    input: str | Annotated[list[str], Field(min_length=1)] | Annotated[list[Part], Field(min_length=1)]
    model: str | None = None

    def texts(self) -> list[str]:
        """The texts to be judged, each on its own; a list of parts is one input."""
        match self.input:
            case str(text):
                return [text]
            case parts:
                texts = [part for part in parts if isinstance(part, str)]
                return texts or [_text([part for part in parts if not isinstance(part, str)])]


RequestT = TypeVar("RequestT", bound=BaseModel)


def read_request(model: type[RequestT], body: bytes) -> RequestT:
    """The request in a body.

    Raises:
        RequestError: It is no JSON, nests too deeply, or a field is unknown, missing or not as expected. Its values
            are never repeated.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        # Of a union every member tells its own error; the one that got furthest is the one meant.
        found = error.errors(include_url=False, include_context=False)
        first = max(found, key=lambda item: (item["type"] in _TELLING, len(item["loc"])))
        raise _refusal(first["type"], first["loc"], first["msg"], first["input"]) from None


def conversation_of(
    turns: list[Turn], tools: list[Tool] | None = None, response_format: Mapping[str, Any] | None = None
) -> Conversation:
    """What a guard reads: every turn as plain text, after a system turn with the tools and the form asked for."""
    extra = [json.dumps(tool.function.model_dump(exclude_none=True), ensure_ascii=False) for tool in tools or ()]
    if response_format and set(response_format) != {"type"}:
        extra.append(json.dumps(response_format, ensure_ascii=False))
    before = [Message("system", "\n".join(extra))] if extra else []
    return (*before, *(_message(turn) for turn in turns))


def _message(turn: Turn) -> Message:
    match turn:
        case SystemTurn():
            return Message("system", _named(turn.name, _text(turn.content)))
        case UserTurn():
            return Message("user", _named(turn.name, _text(turn.content)))
        case ToolTurn():
            return Message("tool", _text(turn.content))
        case AssistantTurn():
            calls = [f"{call.function.name} {call.function.arguments}" for call in turn.tool_calls or ()]
            parts = [turn.reasoning_content, turn.reasoning, _text(turn.content or ""), turn.refusal, *calls]
            return Message("assistant", _named(turn.name, "\n".join(part for part in parts if part)))


def _named(name: str | None, text: str) -> str:
    """What a turn says, after the name that the model is told with it."""
    return f"{name}: {text}" if name else text


def _text(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, TextPart) else part.refusal for part in content)


def _refusal(kind: str, where: tuple[int | str, ...], message: str, given: object) -> RequestError:
    param = ".".join(str(key) for at, key in enumerate(where) if at == 0 or not _is_variant(key))
    tag = str(given.get("type")) if isinstance(given, dict) else None
    match kind:
        case "json_invalid":
            return RequestError("the body is not valid JSON, or nests too deeply", code="invalid_json")
        case "union_tag_invalid":
            code = "unsupported_modality" if tag in _UNREAD_PARTS else "invalid_value"
            return RequestError(f"{param}: of a kind that the guard does not read; send text", code, param)
        case "extra_forbidden":
            return RequestError(
                f"{param}: unknown field; this service passes on only what it guards", "unknown_field", param
            )
        case "missing":
            return RequestError(f"{param}: missing", "missing_field", param)
        case _ if param.split(".")[0] in {"modalities", "logprobs", "top_logprobs"}:
            return RequestError(f"{param}: only guarded text can be asked for", "unsupported_modality", param)
        case _:
            return RequestError(f"{param or 'the body'}: {message[0].lower()}{message[1:]}", "invalid_value", param)


def _is_variant(key: object) -> bool:
    """Whether a step of pydantic's path names a member of a union, and not a field."""
    return isinstance(key, str) and (key in _VARIANTS or "[" in key)
