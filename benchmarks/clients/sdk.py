"""The official OpenAI and Anthropic SDKs for Python against a guarded endpoint. In: its URL. Out: checks, as JSON."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

openai: Any = import_module("openai")
anthropic: Any = import_module("anthropic")
URL = sys.argv[1]
CLIENT = openai.OpenAI(base_url=URL + "/v1", api_key="k", max_retries=0)
CLAUDE = anthropic.Anthropic(base_url=URL, api_key="k", max_retries=0)
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def ask(question: str, **options: Any) -> Any:
    """A chat completion."""
    return CLIENT.chat.completions.create(model="up", messages=[{"role": "user", "content": question}], **options)


def text_of(stream: Any) -> tuple[str, str | None, int]:
    """Text, finish reason and tokens of a stream."""
    text, reason, tokens = "", None, 0
    for part in stream:
        tokens = part.usage.total_tokens if part.usage else tokens
        for choice in part.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
    return text, reason, tokens


def is_refused(call: Callable[[], object], kind: Any) -> bool:
    """Whether a call raises the client's own error for a block."""
    try:
        call()
    except kind as error:
        return "content_filter" in str(error.body)
    return False


def permitted_tool_call() -> bool:
    """Whether the streaming helper puts a tool call together."""
    with CLIENT.chat.completions.stream(
        model="up", messages=[{"role": "user", "content": "use a tool"}], tools=[TOOL]
    ) as events:
        (call,) = events.get_final_completion().choices[0].message.tool_calls
    return json.loads(call.function.arguments) == {"dish": "leek soup"}


def halted_stream() -> bool:
    """Whether a stream is cut off with the protocol's own reason."""
    text, reason, tokens = text_of(ask("leak", stream=True, stream_options={"include_usage": True}))
    return reason == "content_filter" and "melt" not in text and tokens > 0


def permitted_stream() -> bool:
    """Whether a permitted stream arrives whole."""
    text, reason, _ = text_of(ask("lunch", stream=True))
    return "soup" in text and reason == "stop"


def response_stream() -> bool:
    """Whether the Responses helper ends a permitted stream."""
    with CLIENT.responses.stream(model="up", input="lunch") as events:
        return "soup" in events.get_final_response().output_text


def message_stream() -> bool:
    """Whether Anthropic's helper ends a halted stream as a refusal."""
    turns = [{"role": "user", "content": "leak"}]
    with CLAUDE.messages.stream(model="up", max_tokens=99, messages=turns) as events:
        return events.get_final_message().stop_reason == "refusal"


def message() -> bool:
    """Whether Anthropic's client reads a whole answer."""
    turns = [{"role": "user", "content": "lunch"}]
    return "soup" in CLAUDE.messages.create(model="up", max_tokens=99, messages=turns).content[0].text


CHECKS: dict[str, Callable[[], bool]] = {
    "answer": lambda: "soup" in ask("lunch").choices[0].message.content,
    "stream": permitted_stream,
    "choices": lambda: len(ask("lunch", n=2).choices) == 2,
    "tool call": permitted_tool_call,
    "refused prompt": lambda: is_refused(lambda: ask("the melt"), openai.BadRequestError),
    "refused prompt, streamed": lambda: is_refused(lambda: ask("the melt", stream=True), openai.BadRequestError),
    "halted answer": lambda: ask("leak").choices[0].finish_reason == "content_filter",
    "halted stream": halted_stream,
    "models": lambda: [model.id for model in CLIENT.models.list()] == ["up"],
    "moderations": lambda: CLIENT.moderations.create(input="the melt").results[0].flagged,
    "response": lambda: "soup" in CLIENT.responses.create(model="up", input="lunch").output_text,
    "response stream": response_stream,
    "halted response": lambda: CLIENT.responses.create(model="up", input="leak").status == "incomplete",
    "anthropic message": message,
    "anthropic halted stream": message_stream,
    "anthropic refused prompt": lambda: is_refused(
        lambda: CLAUDE.messages.create(model="up", max_tokens=9, messages=[{"role": "user", "content": "the melt"}]),
        anthropic.BadRequestError,
    ),
}


def passes(check: Callable[[], bool]) -> bool:
    """Whether a check holds; one that raises does not."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a client that fails is the finding
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
        return False


print(json.dumps({name: passes(check) for name, check in CHECKS.items()}))
