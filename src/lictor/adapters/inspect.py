"""Any model that Inspect evaluates, behind a guard: `--model lictor/openai/gpt-5 -M guard=my-guard/guard`.

In: an Inspect model's name and a guard. Out: an Inspect model whose prompts are screened and whose answers end where
the guard ends them, with stop reason `content_filter` and the decision in the output's metadata. Inspect finds it, and
the tasks of `inspect_tasks`, by its entry point; this module is loaded by nobody else. Knows no server.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspect_ai.model import (  # pyright: ignore[reportMissingImports] -- installed by whoever evaluates
    ChatCompletionChoice,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    get_model,
    modelapi,
)

from lictor.adapters.inspect_tasks import attacks, benign
from lictor.errors import UsageError
from lictor.guard import Guard, GuardSession
from lictor.server.record import decision_body
from lictor.server.settings import BlockingSection
from lictor.types import Conversation, Message, Released

__all__ = ["attacks", "benign", "lictor"]

REFUSAL = BlockingSection().message


@modelapi(name="lictor")  # pyright: ignore[reportUntypedFunctionDecorator]
def lictor() -> type[Any]:
    """The provider."""
    return GuardedModel


class GuardedModel(ModelAPI):  # pyright: ignore[reportUntypedBaseClass]
    """An Inspect model behind a guard.

    Args:
        model_name: The model behind it, as Inspect names models.
        base_url: Its endpoint.
        api_key: Its key.
        config: How it generates.
        guard: A guard, or its folder.
        model_args: What else the model behind it is made with.

    Raises:
        UsageError: No guard was given.
        ArtifactError: The folder is not that of a guard.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: Any = None,
        guard: Guard | Path | str | None = None,
        **model_args: Any,
    ) -> None:
        config = config or GenerateConfig()
        super().__init__(model_name=model_name, base_url=base_url, api_key=api_key, config=config)
        if guard is None:
            raise UsageError("lictor: expected a guard, got none; give -M guard=FOLDER")
        self._guard = guard if isinstance(guard, Guard) else _load(Path(guard))
        self._inner = get_model(model_name, base_url=base_url, api_key=api_key, config=config, **model_args).api

    async def generate(self, input: list[Any], tools: list[Any], tool_choice: Any, config: Any) -> Any:  # noqa: A002 -- Inspect's name
        """The guarded answer."""
        conversation = conversation_of(input, tools)
        sessions = [await self._screened(conversation)]
        if sessions[0].ended:
            return _told(ModelOutput.from_content(self.model_name, REFUSAL, stop_reason="content_filter"), sessions)
        found = await self._inner.generate(input, tools, tool_choice, config)
        output, *call = found if isinstance(found, tuple) else (found,)
        if not isinstance(output, ModelOutput):
            return found
        sessions += [await self._screened(conversation) for _ in output.choices[1:]]
        choices = [await _guarded(*pair) for pair in zip(output.choices, sessions, strict=False)]
        if choices == output.choices:
            return (_told(output, sessions), *call) if call else _told(output, sessions)
        # The raw call stays behind: it holds what was cut off.
        return _told(ModelOutput(model=output.model, choices=choices, usage=output.usage, time=output.time), sessions)

    async def _screened(self, conversation: Conversation) -> GuardSession:
        session = self._guard.open(conversation)
        await session.asettle()
        return session


def conversation_of(messages: Sequence[Any], tools: Sequence[Any]) -> Conversation:
    """What a guard reads: tool definitions, then every turn as plain text.

    Raises:
        UsageError: A turn has parts that are not text.
    """
    defined = "\n".join(json.dumps(tool.model_dump(exclude_none=True), ensure_ascii=False) for tool in tools)
    before = [Message("system", defined)] if defined else []
    return (*before, *(Message(message.role, text_of(message)) for message in messages))


def text_of(message: Any) -> str:
    """All that a turn says: reasoning, text, calls of tools.

    Raises:
        UsageError: It has parts that are not text.
    """
    texts: list[str] = []
    for part in [message.content] if isinstance(message.content, str) else message.content:
        match part:
            case str(text) | ContentText(text=text) | ContentReasoning(reasoning=text):
                texts.append(text)
            case _:
                raise UsageError(f"lictor: the guard reads text alone, got {type(part).__name__}")
    for call in getattr(message, "tool_calls", None) or ():
        texts.append(f"{call.function} {json.dumps(call.arguments, ensure_ascii=False)}")
    return "\n".join(texts)


async def _guarded(choice: Any, session: GuardSession) -> Any:
    """The choice as it is, or what of it was released."""
    events = [*session.push(text_of(choice.message)), *await session.asettle()]
    if not session.ended:
        events += [*session.finish(), *await session.asettle()]
    if session.decision.action != "block":
        return choice
    released = "".join(event.text for event in events if isinstance(event, Released))
    message = ChatMessageAssistant(content=released, source="generate", model=choice.message.model)
    return ChatCompletionChoice(message=message, stop_reason="content_filter")


def _told(output: Any, sessions: Sequence[GuardSession]) -> Any:
    """The output with the decision in its metadata: of several choices, the first that was blocked."""
    decisions = [session.decision for session in sessions]
    decision = next((decision for decision in decisions if decision.action == "block"), decisions[0])
    output.metadata = (output.metadata or {}) | {"lictor": decision_body(decision)}
    return output


def _load(folder: Path) -> Guard:
    from lictor.assemble import Guard as LoadedGuard

    return LoadedGuard.load(folder)
