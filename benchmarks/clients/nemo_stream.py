"""NeMo Guardrails' streaming output rail, asked for one answer a line, in an environment of its own.

In: URL of the scorer; lines `{"upstream": URL, "streaming": settings, "prompt": text}` on stdin. Out: lines
`{"pieces": [[seconds since asked, text], ...], "halted": bool}` on stdout. The rail is the package's own, unmodified;
its one custom action asks the scorer over HTTP. Knows nothing of Lictor.
"""

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from typing import Any

nemo: Any = import_module("nemoguardrails")
httpx: Any = import_module("httpx")
Outcome: Any = import_module("nemoguardrails.actions.rail_outcome").RailOutcome
SCORER = sys.argv[1]
FLOW = """
define flow same scorer
  $outcome = execute same_scorer
  if $outcome.is_blocked
    bot refuse to respond
    stop
"""


async def main() -> None:
    """Answer line by line until stdin ends; what the package prints of its own accord goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    made: dict[str, Any] = {}
    async with httpx.AsyncClient(timeout=600, trust_env=False) as client:
        for line in sys.stdin:
            asked = json.loads(line)
            key = json.dumps([asked["upstream"], asked["streaming"]])
            if key not in made:
                made[key] = rails(client, asked["upstream"], asked["streaming"])
            print(json.dumps(await answer(made[key], asked["prompt"])), file=replies, flush=True)


def rails(client: Any, upstream: str, streaming: dict[str, Any]) -> Any:
    """The package's rails over an upstream, with one output rail."""
    model = {"type": "main", "engine": "openai", "model": "m"}
    config = {
        "models": [model | {"parameters": {"base_url": upstream, "api_key": "none"}}],
        "passthrough": True,
        "rails": {"output": {"flows": ["same scorer"], "streaming": {"enabled": True} | streaming}},
    }

    async def same_scorer(context: dict[str, Any], **_: Any) -> Any:
        body = {"prompt": context["user_message"], "text": context["bot_message"]}
        found = (await client.post(SCORER, json=body)).raise_for_status().json()
        return Outcome.block() if found["restricted"] else Outcome.allow()

    made = nemo.LLMRails(nemo.RailsConfig.from_content(colang_content=FLOW, yaml_content=json.dumps(config)))
    made.register_action(same_scorer, "same_scorer")
    return made


async def answer(made: Any, prompt: str) -> dict[str, Any]:
    """What of one answer is delivered, and when."""
    pieces: list[tuple[float, str]] = []
    is_halted = False
    began = time.monotonic()
    # Read to its end also where it is blocked: the package goes on generating and checks the whole answer once more.
    async for text in made.stream_async(messages=[{"role": "user", "content": prompt}]):
        if text.startswith('{"error"'):
            error = json.loads(text)["error"]
            if error["code"] != "content_blocked":
                raise SystemExit(f"expected the rail to pass or to block, got {error}")
            is_halted = True
        else:
            pieces.append((time.monotonic() - began, text))
    return {"pieces": pieces, "halted": is_halted}


if __name__ == "__main__":
    asyncio.run(main())
