"""LangChain's chat model against a guarded endpoint. In: its URL. Out: checks, as JSON."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

openai: Any = import_module("openai")
langchain: Any = import_module("langchain_openai")
chat: Any = langchain.ChatOpenAI(model="up", base_url=sys.argv[1] + "/v1", api_key="k", max_retries=0)


def is_refused() -> bool:
    """Whether a refused prompt raises the client's error."""
    try:
        chat.invoke("the melt")
    except openai.BadRequestError as error:
        return error.code == "content_filter"
    return False


def halted_stream() -> bool:
    """Whether a stream is cut off with its reason in the metadata."""
    parts = list(chat.stream("leak"))
    reasons = {part.response_metadata.get("finish_reason") for part in parts}
    return "content_filter" in reasons and "melt" not in "".join(str(part.content) for part in parts)


CHECKS: dict[str, Callable[[], bool]] = {
    "answer": lambda: "soup" in str(chat.invoke("lunch").content),
    "stream": lambda: "soup" in "".join(str(part.content) for part in chat.stream("lunch")),
    "refused prompt": is_refused,
    "halted stream": halted_stream,
}

print(json.dumps({name: check() for name, check in CHECKS.items()}))
