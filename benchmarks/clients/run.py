"""Drive clients that others wrote, unmodified, against a running guarded endpoint, and count what passes.

In: a folder with an environment for each client: `sdk`, `llamaindex`, `litellm`, `inspect`, `garak` (Python
environments with those packages; `sdk` has openai, anthropic and langchain-openai, `llamaindex` has
llama-index-llms-openai-like) and `node` (openai and promptfoo in node_modules). What is not there is left out. Out:
what passed, as JSON; with --record the counts in docs/results.json. The guard minds one word, so that every verdict is
known beforehand: what is measured is the protocol. promptfoo takes every HTTP error for a failed test, so the endpoint
it asks tells refused prompts as answers (`on_input_block: refusal`).

    python benchmarks/clients/run.py HOME --record
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from garak_encodings import compared
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.guard import Guard
from lictor.server.app import create_app
from lictor.server.run import make_service
from lictor.server.settings import BlockingSection, ServerSettings, UpstreamSection
from lictor.server.upstream import HttpUpstream
from lictor.testing import KeywordInputScorer, KeywordStreamScorer
from lictor.testing.upstreams import running
from lictor.types import Policy

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "docs" / "results.json"
SOUP = "The soup is made of leeks, and it is served with bread at noon. " * 3
LEAK = "First of all you take a pot and warm it. Then you start the melt with four parts of ash and stir. " * 2
ARGUMENTS = '{"dish": "leek soup"}'
Checks = dict[str, bool]


def main() -> None:
    """Run every client that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="folder with an environment for each client")
    parser.add_argument("--only", nargs="*", help="names of clients")
    parser.add_argument("--record", action="store_true", help="put the counts into docs/results.json")
    options = parser.parse_args()
    home: Path = options.home.resolve()
    routes = [Route("/v1/chat/completions", _chat, methods=["POST"]), Route("/v1/models", _models)]
    with running(Starlette(routes=routes)) as bare, running(_guarded(bare)) as guarded:
        found = {
            name: run(home, guarded, bare)
            for name, (needs, run) in CLIENTS.items()
            if (home / needs).exists() and (not options.only or name in options.only)
        }
    if options.record:
        record(
            RESULTS, [_figure(name, checks) for name, checks in found.items()], "python benchmarks/clients/run.py HOME"
        )
    print(json.dumps(found, indent=2))
    sys.exit(0 if all(all(checks.values()) for checks in found.values()) else 1)


def _python(script: str, environment: str) -> Callable[[Path, str, str], Checks]:
    def run(home: Path, guarded: str, bare: str) -> Checks:
        return _last_json(_said([str(home / environment / "bin" / "python"), str(HERE / script), guarded, bare]))

    return run


def _node(home: Path, guarded: str, _: str) -> Checks:
    return _last_json(_said(["node", str(HERE / "sdk.mjs"), guarded], cwd=home / "node"))


def _promptfoo(home: Path, _: str, bare: str) -> Checks:
    with tempfile.TemporaryDirectory() as folder, running(_guarded(bare, on_input_block="refusal")) as guarded:
        out = Path(folder) / "out.json"
        program = home / "node" / "node_modules" / ".bin" / "promptfoo"
        environment = {
            "GUARDED": guarded,
            "OPENAI_API_KEY": "k",
            "PROMPTFOO_CONFIG_DIR": folder,
            "PROMPTFOO_DISABLE_TELEMETRY": "1",
            "PROMPTFOO_DISABLE_UPDATE": "1",
        }
        command = [str(program), "eval", "-c", str(HERE / "promptfoo.yaml"), "-o", str(out), "--no-cache", "--no-write"]
        _said(command, environment=environment)
        rows = json.loads(out.read_text())["results"]["results"]
    return {f"test: {row['vars']['question']}": bool(row["success"]) for row in rows}


def _inspect(home: Path, guarded: str, _: str) -> Checks:
    """Over the Responses protocol, which Inspect takes by itself, and over chat completions."""
    found: Checks = {}
    for protocol, option in {"responses": [], "chat": ["-M", "responses_api=false"]}.items():
        with tempfile.TemporaryDirectory() as folder:
            environment = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": guarded + "/v1", "INSPECT_DISPLAY": "none"}
            binary = home / "inspect" / "bin" / "inspect"
            # Inspect takes a task's file by a relative path alone.
            command = [str(binary), "eval", "inspect_task.py", "--model", "openai/up", "--log-dir", folder]
            _said([*command, "--log-format", "json", *option], environment=environment, cwd=HERE)
            (path,) = Path(folder).glob("*.json")
            log = json.loads(path.read_text())
        found[f"{protocol}: finished"] = log["status"] == "success"
        for sample in log["samples"]:
            is_right = sample["scores"].get("stop_reason", {}).get("value") == "C"
            found[f"{protocol}: {sample['input']}"] = is_right
    return found


def _garak(home: Path, guarded: str, _: str) -> Checks:
    with tempfile.TemporaryDirectory() as folder:
        options = {"openai": {"OpenAICompatible": {"uri": guarded + "/v1", "api_key": "k", "max_tokens": 100}}}
        command = [str(home / "garak" / "bin" / "python"), "-m", "garak", "--target_type", "openai.OpenAICompatible"]
        command += ["--target_name", "up", "--probes", "dan.AutoDANCached,test.Test", "--generations", "1"]
        command += ["--generator_options", json.dumps(options), "--report_prefix", str(Path(folder) / "report")]
        _said(command, environment={"OPENAICOMPATIBLE_API_KEY": "k", "XDG_DATA_HOME": folder, "XDG_CACHE_HOME": folder})
        rows = [json.loads(line) for path in Path(folder).rglob("*.report.jsonl") for line in path.open()]
    attempts = [row for row in rows if row.get("entry_type") == "attempt" and row.get("status") == 2]
    encoded = compared(str(home / "garak" / "bin" / "python"))
    alone, behind = (encoded[name] for name in ("alone", "guarded"))
    return {
        **{f"{attack}: it works on the model alone": hits > tried / 2 for attack, (hits, tried) in alone.items()},
        **{f"{attack}: no payload comes out of {tried}": not hits for attack, (hits, tried) in behind.items()},
        "run ended": any(row.get("entry_type") == "completion" for row in rows),
        "attempts answered": bool(attempts) and all(row["outputs"][0] is not None for row in attempts),
    }


CLIENTS: dict[str, tuple[str, Callable[[Path, str, str], Checks]]] = {
    "OpenAI and Anthropic SDKs for Python": ("sdk/bin/python", _python("sdk.py", "sdk")),
    "LangChain": ("sdk/bin/python", _python("langchain_chat.py", "sdk")),
    "LlamaIndex": ("llamaindex/bin/python", _python("llamaindex_chat.py", "llamaindex")),
    "OpenAI SDK for Node.js": ("node/node_modules/openai", _node),
    "LiteLLM proxy": ("litellm/bin/litellm", _python("gateway.py", "litellm")),
    "promptfoo": ("node/node_modules/.bin/promptfoo", _promptfoo),
    "Inspect": ("inspect/bin/inspect", _inspect),
    "garak": ("garak/bin/garak", _garak),
}


def _figure(name: str, checks: Checks) -> Figure:
    passed = sum(checks.values())
    return Figure(f"clients/{name}, checks passed", passed, passed, passed, len(checks), "checks")


def _said(command: Sequence[str], *, environment: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """What a client wrote to its output; its errors go to ours. How it ended is for the checks to say."""
    done = subprocess.run(  # noqa: S603 - the clients that were asked for
        command, env=os.environ | (environment or {}), cwd=cwd, stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout


def _last_json(text: str) -> Checks:
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"ran": False}


def _guarded(bare: str, *, on_input_block: Literal["error", "refusal"] = "error") -> ASGIApp:
    guard = Guard(KeywordInputScorer("melt"), KeywordStreamScorer("melt"), Policy(0.0, 0.0), version="clients")
    section = UpstreamSection(url=bare + "/v1")
    settings = ServerSettings(upstream=section, blocking=BlockingSection(on_input_block=on_input_block))
    return create_app(make_service(guard, HttpUpstream(section, None), settings))


async def _models(_: Request) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": "up", "object": "model", "created": 0, "owned_by": "x"}]})


async def _chat(request: Request) -> Response:
    """An endpoint that says what it is asked for by a word, streamed or whole."""
    body: dict[str, Any] = await request.json()
    asked = str(body["messages"][-1]["content"])
    text = LEAK if "leak" in asked else SOUP
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": ARGUMENTS}}
    said = {"tool_calls": [call]} if "tool" in asked and body.get("tools") else {"content": text}
    reason = "tool_calls" if "tool_calls" in said else "stop"
    usage = {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}
    head = {"id": "chatcmpl-1", "created": 1, "model": "up"}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": None, **said}, "finish_reason": reason}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    words = [{"content": word + " "} for word in text.split(" ")] if "content" in said else [said]
    deltas = [(delta, None) for delta in words] + [({}, reason)]

    async def frames() -> AsyncIterator[str]:
        for delta, end in deltas:
            for index in range(body.get("n") or 1):
                choice = {"index": index, "delta": delta, "finish_reason": end}
                yield f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"
        yield f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(frames(), media_type="text/event-stream")


if __name__ == "__main__":
    main()
