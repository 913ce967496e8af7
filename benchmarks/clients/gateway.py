"""LiteLLM's proxy before and beside a guarded endpoint. In: guarded URL, bare URL. Out: checks, as JSON.

The proxy runs unmodified: as a client of the guarded endpoint, and with the guard as its generic guard-rail over a
model that nobody else guards.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

openai: Any = import_module("openai")
GUARDED, BARE = sys.argv[1:3]
KEY = "sk-the-proxys-own-key"
CONFIG = {
    "model_list": [
        {
            "model_name": name,
            "litellm_params": {"model": "openai/up", "api_base": url + "/v1", "api_key": "k", "max_retries": 0},
        }
        for name, url in (("guarded", GUARDED), ("bare", BARE))
    ],
    "guardrails": [
        {
            "guardrail_name": f"lictor-{mode}",
            "litellm_params": {"guardrail": "generic_guardrail_api", "mode": mode, "api_base": GUARDED},
        }
        for mode in ("pre_call", "post_call")
    ],
}


def main() -> None:
    """Start the proxy, run the checks, stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(CONFIG))
        command = [str(Path(sys.executable).with_name("litellm")), "--config", str(config), "--port", str(port)]
        environment = os.environ | {
            "LITELLM_MASTER_KEY": KEY,
            "LITELLM_TELEMETRY": "False",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        proxy = subprocess.Popen(command, stdout=sys.stderr, env=environment)  # noqa: S603 - the client's own program
        try:
            client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0, timeout=60)
            _wait_for(client, proxy)
            print(json.dumps({name: _passes(check, client) for name, check in CHECKS.items()}))
        finally:
            proxy.terminate()
            proxy.wait()


def _wait_for(client: Any, proxy: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 300
    while proxy.poll() is None:
        try:
            client.models.list()
            return
        except openai.APIConnectionError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)


def _ask(client: Any, model: str, question: str, *, guardrail: str | None = None, stream: bool = False) -> Any:
    extra = {"guardrails": [f"lictor-{guardrail}"]} if guardrail else {}
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model=model, messages=messages, stream=stream, extra_body=extra)


def _whole(answer: Any) -> str:
    return answer.choices[0].message.content


def _text(stream: Any) -> tuple[str, str | None]:
    text, reason = "", None
    for part in stream:
        for choice in part.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
    return text, reason


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except openai.APIStatusError as error:
        return "content policy" in str(error) or "content_filter" in str(error)
    return False


def _passes(check: Callable[[Any], bool], client: Any) -> bool:
    try:
        return check(client)
    except Exception as error:  # noqa: BLE001 - a client that fails is the finding
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
        return False


def _halted(client: Any) -> bool:
    text, reason = _text(_ask(client, "guarded", "leak", stream=True))
    return reason == "content_filter" and "melt" not in text


CHECKS: dict[str, Callable[[Any], bool]] = {
    "answer": lambda c: "soup" in _whole(_ask(c, "guarded", "lunch")),
    "stream": lambda c: "soup" in _text(_ask(c, "guarded", "lunch", stream=True))[0],
    "refused prompt": lambda c: _is_refused(lambda: _ask(c, "guarded", "the melt")),
    "halted stream": _halted,
    "guard-rail lets pass": lambda c: (
        "soup" in _ask(c, "bare", "lunch", guardrail="pre_call").choices[0].message.content
    ),
    "guard-rail refuses a prompt": lambda c: _is_refused(lambda: _ask(c, "bare", "the melt", guardrail="pre_call")),
    "guard-rail refuses an answer": lambda c: _is_refused(lambda: _ask(c, "bare", "leak", guardrail="post_call")),
    "without the guard-rail it would pass": lambda c: "melt" in _whole(_ask(c, "bare", "leak")),
}

if __name__ == "__main__":
    main()
