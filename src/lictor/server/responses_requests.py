"""Requests in the OpenAI Responses protocol, read strictly and turned into chat requests.

In: a body. Out: the chat request that asks the same. Nothing is kept between requests, so what refers to earlier ones
is unknown; hosted tools, images and files are refused. Earlier reasoning is not sent on. Knows no guard and no socket.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from lictor.server.errors import RequestError
from lictor.server.requests import Body, CallId, ChatRequest, Name, StreamOptions


class InputText(Body):
    """Text in a message."""

    type: Literal["input_text", "output_text", "text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class InputRefusal(Body):
    """An earlier refusal in a message."""

    type: Literal["refusal"]
    refusal: str


class MessageItem(Body):
    """A turn."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Annotated[InputText | InputRefusal, Field(discriminator="type")]]
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class CallItem(Body):
    """A call the assistant made."""

    type: Literal["function_call"]
    call_id: CallId
    name: Name
    arguments: str
    id: str | None = None
    status: str | None = None


class ResultItem(Body):
    """What a tool returned."""

    type: Literal["function_call_output"]
    call_id: CallId
    output: str | list[InputText]
    id: str | None = None
    status: str | None = None


class ReasoningItem(Body):
    """Earlier reasoning; not sent on."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: list[Any] | None = None
    content: list[Any] | None = None
    encrypted_content: str | None = None
    status: str | None = None


def _kind(item: object) -> object:
    """What an item says it is; a turn need not say so."""
    return item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", None)


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[CallItem, Tag("function_call")]
    | Annotated[ResultItem, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")],
    Discriminator(_kind),
]


class FlatTool(Body):
    """A function the model may call."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class TextOptions(Body):
    """The form asked for."""

    format: dict[str, Any] | None = None
    verbosity: str | None = None


class Reasoning(Body):
    """How much to reason."""

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    """Reasoning is given as the model writes it, or not at all."""


class ResponsesRequest(Body):
    """`POST /v1/responses`."""

    model: str
    input: str | Annotated[list[Item], Field(min_length=1)]
    instructions: str | None = None
    include: list[Literal["reasoning.encrypted_content"]] | None = None
    """There is none to include: clients that keep no state ask for it all the same."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[FlatTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    """Nothing is ever stored."""
    truncation: Literal["disabled"] | None = None
    background: Literal[False] | None = None
    previous_response_id: None = None
    conversation: None = None

    def chat(self) -> ChatRequest:
        """The chat request that asks the same.

        Raises:
            RequestError: A value is not as a chat request wants it.
        """
        return chat_request(
            model=self.model,
            messages=list(self._turns()),
            stream=self.stream,
            max_completion_tokens=self.max_output_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            tools=[_nested(tool) for tool in self.tools or ()] or None,
            tool_choice=_choice(self.tool_choice),
            parallel_tool_calls=self.parallel_tool_calls,
            response_format=_form(self.text.format) if self.text else None,
            verbosity=self.text.verbosity if self.text else None,
            reasoning_effort=self.reasoning.effort if self.reasoning else None,
            metadata=self.metadata,
            user=self.user,
            safety_identifier=self.safety_identifier,
            prompt_cache_key=self.prompt_cache_key,
            service_tier=self.service_tier,
        )

    def _turns(self) -> Iterator[dict[str, Any]]:
        if self.instructions:
            yield {"role": "system", "content": self.instructions}
        if isinstance(self.input, str):
            yield {"role": "user", "content": self.input}
            return
        calls: list[dict[str, Any]] = []
        for item in self.input:
            if calls and not isinstance(item, CallItem | ReasoningItem):
                yield {"role": "assistant", "content": None, "tool_calls": calls}
                calls = []
            match item:
                case MessageItem():
                    yield {"role": item.role, "content": _plain(item.content)}
                case CallItem():
                    function = {"name": item.name, "arguments": item.arguments}
                    calls.append({"id": item.call_id, "type": "function", "function": function})
                case ResultItem():
                    yield {"role": "tool", "tool_call_id": item.call_id, "content": _plain(item.output)}
                case ReasoningItem():
                    pass
        if calls:
            yield {"role": "assistant", "content": None, "tool_calls": calls}


def chat_request(**fields: Any) -> ChatRequest:
    """A chat request of those fields that are set.

    Raises:
        RequestError: One is not as it should be.
    """
    try:
        return ChatRequest.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValueError:
        raise RequestError("a field is not as expected; see the reference", "invalid_value") from None


def _plain(content: str | Sequence[InputText | InputRefusal]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, InputText) else part.refusal for part in content)


def _nested(tool: FlatTool) -> dict[str, Any]:
    function = tool.model_dump(exclude={"type"}, exclude_none=True)
    return {"type": "function", "function": function}


def _choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    if isinstance(choice, dict) and choice.get("type") == "function" and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def _form(form: dict[str, Any] | None) -> dict[str, Any] | None:
    if form and form.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": {name: v for name, v in form.items() if name != "type"}}
    return form
