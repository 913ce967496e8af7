"""LiteLLM's generic guard-rail request, read so that nothing the model or the user will see is left out.

In: texts, tool definitions, tool calls, perhaps whole messages. Out: the conversations a guard judges. Fields that
describe the caller are not read. Knows no guard.
"""

import json
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from lictor.types import Conversation, Message, Role


class GatewayRequest(BaseModel):
    """`POST /beta/litellm_basic_guardrail_api`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    input_type: Literal["request", "response"]
    texts: list[str] | None = None
    images: list[Any] | None = None
    tools: list[Any] | None = None
    tool_calls: list[Any] | None = None
    structured_messages: list[dict[str, Any]] | None = None
    """The same texts with their roles, where the gateway knows them."""

    def conversations(self) -> list[Conversation]:
        """What is to be judged, each on its own: a request whole, of a response every text and the tool calls."""
        texts, calls = self.texts or [], [_dump(call) for call in self.tool_calls or ()]
        if self.input_type == "response":
            return [(Message("assistant", text),) for text in [*texts, *(["\n".join(calls)] if calls else [])]]
        tools = [Message("system", "\n".join(map(_dump, self.tools)))] if self.tools else []
        turns = [_message(turn) for turn in self.structured_messages or ()]
        told = "\n".join(turn.content for turn in turns)
        rest = [Message("user", text) for text in [*texts, *calls] if text not in told]
        found = (*tools, *turns, *rest)
        return [found] if found else []


def _message(turn: dict[str, Any]) -> Message:
    """A turn as plain text; what is not plain text is read as JSON."""
    role: Role = turn["role"] if turn.get("role") in get_args(Role) else "system"
    content = turn.get("content")
    parts = content if isinstance(content, list) else [content]
    texts = [_text(part) for part in parts if part is not None]
    rest = {name: value for name, value in turn.items() if name not in {"role", "content"} and value}
    return Message(role, "\n".join([*texts, *([_dump(rest)] if rest else [])]))


def _text(part: object) -> str:
    match part:
        case str():
            return part
        case {"text": str(text)}:
            return text
        case _:
            return _dump(part)


def _dump(found: object) -> str:
    return json.dumps(found, ensure_ascii=False)
