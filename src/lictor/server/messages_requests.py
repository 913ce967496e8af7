"""Requests in the Anthropic Messages protocol, read strictly and turned into chat requests.

In: a body. Out: the chat request that asks the same. Images, documents and hosted tools are refused. Earlier thinking
is not sent on. Knows no guard and no socket.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from lictor.server.requests import Body, CallId, ChatRequest, Name
from lictor.server.responses_requests import chat_request


class TextBlock(Body):
    """Text."""

    type: Literal["text"]
    text: str
    citations: list[Any] | None = None
    cache_control: dict[str, Any] | None = None


class ToolUseBlock(Body):
    """A call the assistant made."""

    type: Literal["tool_use"]
    id: CallId
    name: Name
    input: dict[str, Any]
    caller: dict[str, Any] | None = None
    cache_control: dict[str, Any] | None = None


class ToolResultBlock(Body):
    """What a tool returned."""

    type: Literal["tool_result"]
    tool_use_id: CallId
    content: str | list[TextBlock] | None = None
    is_error: bool | None = None
    cache_control: dict[str, Any] | None = None


class ThinkingBlock(Body):
    """Earlier thinking; not sent on."""

    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


ContentBlock = Annotated[TextBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock, Field(discriminator="type")]


class MessageTurn(Body):
    """A turn."""

    role: Literal["user", "assistant"]
    content: str | list[ContentBlock]


class MessagesTool(Body):
    """A function the model may call."""

    name: Name
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    cache_control: dict[str, Any] | None = None


class ToolChoice(Body):
    """Whether and which tool to call."""

    type: Literal["auto", "any", "none", "tool"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class NoThinking(Body):
    """No extended thinking: none is ever asked for."""

    type: Literal["disabled"]


class UserMetadata(Body):
    """Who asks."""

    user_id: str | None = None


class MessagesRequest(Body):
    """`POST /v1/messages`."""

    model: str
    max_tokens: Annotated[int, Field(ge=1)]
    messages: Annotated[list[MessageTurn], Field(min_length=1)]
    system: str | list[TextBlock] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[MessagesTool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: NoThinking | None = None
    metadata: UserMetadata | None = None
    service_tier: str | None = None

    def chat(self) -> ChatRequest:
        """The chat request that asks the same.

        Raises:
            RequestError: A value is not as a chat request wants it.
        """
        choice = self.tool_choice
        return chat_request(
            model=self.model,
            messages=list(self._turns()),
            stream=self.stream,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            stop=self.stop_sequences,
            tools=[_nested(tool) for tool in self.tools or ()] or None,
            tool_choice=_choice(choice) if choice else None,
            parallel_tool_calls=False if choice and choice.disable_parallel_tool_use else None,
            user=self.metadata.user_id if self.metadata else None,
        )

    def _turns(self) -> Iterator[dict[str, Any]]:
        if self.system:
            yield {"role": "system", "content": _plain(self.system)}
        for turn in self.messages:
            yield from _split(turn)


def _split(turn: MessageTurn) -> Iterator[dict[str, Any]]:
    """A turn as chat messages: results of tools each on their own, before the text."""
    blocks = [TextBlock(type="text", text=turn.content)] if isinstance(turn.content, str) else turn.content
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case TextBlock():
                texts.append(block.text)
            case ToolUseBlock():
                calls.append(_call(block))
            case ToolResultBlock():
                yield {"role": "tool", "tool_call_id": block.tool_use_id, "content": _plain(block.content or "")}
            case ThinkingBlock():
                pass
    if texts or calls:
        said = {"role": turn.role, "content": "\n".join(texts) if texts else None}
        yield said | ({"tool_calls": calls} if calls else {})


def _call(block: ToolUseBlock) -> dict[str, Any]:
    function = {"name": block.name, "arguments": json.dumps(block.input, ensure_ascii=False)}
    return {"id": block.id, "type": "function", "function": function}


def _plain(content: str | list[TextBlock]) -> str:
    return content if isinstance(content, str) else "\n".join(block.text for block in content)


def _nested(tool: MessagesTool) -> dict[str, Any]:
    function = {"name": tool.name, "parameters": tool.input_schema}
    return {"type": "function", "function": function | ({"description": tool.description} if tool.description else {})}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.type == "tool" and choice.name:
        return {"type": "function", "function": {"name": choice.name}}
    return {"any": "required", "none": "none"}.get(choice.type, "auto")
