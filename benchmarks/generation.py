"""What running the generator costs beside the generator: its idle share, and what a kill loses.

In: nothing; a scripted generator stands behind a real endpoint in a process of its own, writing at a fixed rate. Out:
figures in docs/results.json: the share of the raw token rate that `lictor generate` reaches on the worked domain (pairs
of runs on the same requests), and what ten kills at random points cost.

    python benchmarks/generation.py --pairs 3 --kills 10
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from lictor.artifacts import read_manifest
from lictor.calibration.intervals import exact
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.openai_api import OpenAIModel
from lictor.pipeline.config import load_project
from lictor.pipeline.data import synthesis_config
from lictor.pipeline.pack import make_pack
from lictor.pipeline.stages import read_inputs
from lictor.starter.folders import resolve
from lictor.synthesis.estimate import stand_in
from lictor.types import ChatModel, Conversation, OnAnswer, Sampling

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"
SECONDS_PER_TOKEN = 0.01
SETTINGS: dict[str, Any] = {
    "constitution": "constitution.yaml",
    "knowledge": "starter:emberglass",
    "synthesis": {"per_ask": 1, "answers": 240, "rewrites": 160, "composed": 100},
}


class Endpoint(ThreadingHTTPServer):
    """Writes stand-in answers at so many tokens a second, whatever else it is asked for at once."""

    daemon_threads = True
    request_queue_size = 128
    asked: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint  # pyright: ignore[reportIncompatibleVariableOverride] -- only ever served by it

    def do_GET(self) -> None:
        """How many completions were asked for since the last time."""
        count, self.server.asked = self.server.asked, 0
        self._send({"asked": count})

    def do_POST(self) -> None:
        """One completion, after the time it takes to write."""
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        text = stand_in(body["messages"][-1]["content"], Sampling(body["max_tokens"], seed=body["seed"]))
        tokens = len(text.split())
        time.sleep(tokens * SECONDS_PER_TOKEN)
        usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        self._send(
            {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "usage": usage} | {"choices": [choice]}
        )

    def _send(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        """Say nothing."""


class Recorded:
    """A chat model that remembers what it was asked."""

    def __init__(self, model: ChatModel) -> None:
        self.name = model.name
        self.stream = model.stream
        self.asked: list[tuple[Conversation, Sampling]] = []
        self._model = model

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        """The model's answers."""
        self.asked += zip(conversations, sampling, strict=True)
        return self._model.complete(conversations, sampling, on_answer=on_answer)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--serve", action="store_true", help="be the endpoint")
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    with tempfile.TemporaryDirectory() as name:
        process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            url = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
            figures = [measure_rate(Path(name), url, options.pairs), *measure_kills(Path(name), url, options.kills)]
        finally:
            process.terminate()
            process.wait()
    record(RESULTS, figures, command=f"python benchmarks/generation.py {' '.join(sys.argv[1:])}".strip())
    for figure in figures:
        print(f"{figure.name}: {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f}), n {figure.n}")


def serve() -> None:
    """Be the endpoint, and say on which port."""
    server = Endpoint(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def write_project(folder: Path, url: str) -> Path:
    """The worked domain, with the scripted generator and no data pack."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(resolve("starter:emberglass", Path()) / "constitution.yaml", folder)
    (folder / "lictor.yaml").write_text(yaml.safe_dump({**SETTINGS, "generator": {"model": f"openai:m@{url}"}}))
    return folder


def measure_rate(folder: Path, url: str, pairs: int) -> Figure:
    """Tokens a second while a whole pack is made, over those of the same requests sent in one go."""
    shares: list[float] = []
    for pair in range(pairs):
        inputs = read_inputs(load_project(write_project(folder / "rate", url)))
        model = Recorded(OpenAIModel("m", url))
        store = CompletionStore(folder / f"rate-{pair}.sqlite")
        started = time.monotonic()
        make_pack(
            folder / "pack",
            inputs.constitution,
            inputs.material,
            CachedModel(model, store),
            synthesis_config(inputs.project),
            several_turns=0.1,
            progress=lambda _stage, _at, _total: None,
        )
        whole = time.monotonic() - started
        started = time.monotonic()
        OpenAIModel("m", url).complete([c for c, _ in model.asked], [s for _, s in model.asked])
        shares.append((time.monotonic() - started) / whole)
    return Figure("generation/share_of_raw_token_rate", sum(shares) / pairs, min(shares), max(shares), pairs, "share")


def measure_kills(folder: Path, url: str, kills: int) -> list[Figure]:
    """Runs killed at random points and begun again: how many made the same bytes, and what was paid for again."""
    project = write_project(folder / "kill", url)
    generate(project, folder / "whole", folder / "whole.sqlite")
    expected = read_manifest(folder / "whole").files
    needed = asked_since(url)
    rng = random.Random(0)
    same, again = 0, 0
    for kill in range(kills):
        cache, out = folder / f"kill-{kill}.sqlite", folder / f"killed-{kill}"
        run = subprocess.Popen(command(project, out, cache), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - our own interpreter
        after, seen = rng.randrange(1, needed), 0
        while run.poll() is None and seen < after:
            seen += asked_since(url)
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        run.wait()
        asked_since(url)
        store = CompletionStore(cache)
        kept = len(store)
        store.close()
        generate(project, out, cache)
        same += read_manifest(out).files == expected
        again += asked_since(url) - (needed - kept)
    low, high = exact(same, kills)
    return [
        Figure("generation/same_bytes_after_a_kill", same / kills, low, high, kills, "share"),
        Figure("generation/recorded_calls_paid_again", again, again, again, kills, "calls"),
    ]


def command(project: Path, out: Path, cache: Path) -> list[str]:
    """`lictor generate`."""
    start = "from lictor.cli.main import app; app()"
    return [sys.executable, "-c", start, "generate", str(project), "--out", str(out), "--cache", str(cache)]


def generate(project: Path, out: Path, cache: Path) -> None:
    """Run it to its end."""
    subprocess.run(command(project, out, cache), check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - our own interpreter


def asked_since(url: str) -> int:
    """Completions the endpoint was asked for since this was called last."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own endpoint
        return int(json.load(answer)["asked"])


if __name__ == "__main__":
    main()
