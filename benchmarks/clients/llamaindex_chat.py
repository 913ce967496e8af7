"""LlamaIndex's chat model against a guarded endpoint. In: its URL. Out: checks, as JSON."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

openai: Any = import_module("openai")
models: Any = import_module("llama_index.llms.openai_like")
core: Any = import_module("llama_index.core.llms")
chat: Any = models.OpenAILike(model="up", api_base=sys.argv[1] + "/v1", api_key="k", is_chat_model=True, max_retries=0)


def ask(question: str) -> list[Any]:
    """The turns that ask it."""
    return [core.ChatMessage(role="user", content=question)]


def is_refused() -> bool:
    """Whether a refused prompt raises the client's error."""
    try:
        chat.chat(ask("the melt"))
    except openai.BadRequestError as error:
        return error.code == "content_filter"
    return False


def halted_stream() -> bool:
    """Whether a stream is cut off with its reason in the raw answer."""
    parts = list(chat.stream_chat(ask("leak")))
    reasons = {choice.finish_reason for part in parts for choice in part.raw.choices}
    return "content_filter" in reasons and "melt" not in "".join(part.delta or "" for part in parts)


CHECKS: dict[str, Callable[[], bool]] = {
    "answer": lambda: "soup" in str(chat.chat(ask("lunch"))),
    "stream": lambda: "soup" in "".join(part.delta or "" for part in chat.stream_chat(ask("lunch"))),
    "refused prompt": is_refused,
    "halted stream": halted_stream,
}

print(json.dumps({name: check() for name, check in CHECKS.items()}))
