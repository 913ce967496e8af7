"""Measure what guarding costs a stream over HTTP: the same paced upstream, asked directly and through `lictor serve`.

In: a guard folder. Out: for each number of streams at once, guarded beside unguarded: time to the first delivered
word, words a second, and how much later than unguarded each word arrives. Three processes on one machine share its
cores: upstream, server, client. Rounds alternate, so that whatever else runs falls on both alike.

    python benchmarks/serving.py demo/guard --streams 1,8,32 --words 300 --pace-ms 40 --rounds 3 --json
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import httpx2
import numpy as np

PROSE = (
    "The museum opened its doors at nine and the visitors who had waited in the rain went in at once to look at the "
    "old lamps and read their labels while the guide told them about the workshop by the river and its ledgers"
)
STARTED = re.compile(r"running on (http://[\d.:]+)")


@dataclass(frozen=True)
class Arrivals:
    """When each word of one answer had arrived, in seconds since it was asked for."""

    seconds: list[float]
    is_whole: bool
    """Whether every word came."""


@dataclass(frozen=True)
class Row:
    """One number of streams."""

    streams: int
    answers: int
    cut_short: int
    """Guarded answers that did not arrive whole; a fair run has none."""
    first_word_ms: dict[str, float]
    first_word_guarded_ms: dict[str, float]
    words_per_s: float
    words_per_s_guarded: float
    added_ms: dict[str, float]
    """How much later than unguarded a word arrives: the hold-back's wait for its round, and the scoring."""


def main() -> None:
    """Run it, or one of its processes."""
    options = _options()
    if options.upstream:
        _serve_upstream(options.words, options.pace_ms / 1000)
        return
    upstream_command = [sys.executable, __file__, "x", "--upstream"]
    upstream_command += ["--words", str(options.words), "--pace-ms", str(options.pace_ms)]
    with _process(upstream_command) as upstream:
        serve = "from lictor.cli.main import app; app()"
        command = [sys.executable, "-c", serve, "serve", options.guard, "--upstream", upstream + "/v1", "--port", "0"]
        with _process(command, LICTOR_SERVER__LIMITS__STREAMS="1024") as guarded:
            asyncio.run(_run(guarded, 1))  # whatever is lazy happens before it counts
            rows = [_measure(upstream, guarded, n, options.rounds) for n in options.streams]
            bypassed = _would_block(guarded)
    about = {"words": options.words, "pace_ms": options.pace_ms, "rounds": options.rounds, "cores": os.cpu_count()}
    found = {**about, "guard": Path(options.guard).name, "would_block": bypassed, "rows": [asdict(r) for r in rows]}
    print(json.dumps(found, indent=2) if options.json else _table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guard", help="guard folder")
    parser.add_argument("--streams", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 32])
    parser.add_argument("--words", type=int, default=300, help="words of an answer")
    parser.add_argument("--pace-ms", type=float, default=40, help="between two words of the upstream")
    parser.add_argument("--rounds", type=int, default=3, help="guarded and unguarded rounds of each number of streams")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--upstream", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(upstream: str, guarded: str, streams: int, rounds: int) -> Row:
    plain: list[Arrivals] = []
    behind: list[Arrivals] = []
    plain_s = behind_s = 0.0
    for _ in range(rounds):
        began = time.monotonic()
        plain += asyncio.run(_run(upstream, streams))
        plain_s += time.monotonic() - began
        began = time.monotonic()
        behind += asyncio.run(_run(guarded, streams))
        behind_s += time.monotonic() - began
    usual = [mean(times) for times in zip(*(a.seconds for a in plain), strict=True)]
    whole = [a for a in behind if a.is_whole]
    added = [late - then for a in whole for late, then in zip(a.seconds, usual, strict=True)]
    return Row(
        streams=streams,
        answers=len(behind),
        cut_short=len(behind) - len(whole),
        first_word_ms=_percentiles([a.seconds[0] for a in plain]),
        first_word_guarded_ms=_percentiles([a.seconds[0] for a in whole]),
        words_per_s=round(sum(len(a.seconds) for a in plain) / plain_s, 1),
        words_per_s_guarded=round(sum(len(a.seconds) for a in behind) / behind_s, 1),
        added_ms=_percentiles(added),
    )


async def _run(url: str, streams: int) -> list[Arrivals]:
    limits = httpx2.Limits(max_connections=streams)
    async with httpx2.AsyncClient(timeout=600, limits=limits, trust_env=False) as client:
        return list(await asyncio.gather(*(_answer(client, url, n) for n in range(streams))))


async def _answer(client: httpx2.AsyncClient, url: str, number: int) -> Arrivals:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"Guest {number}: what is new?"}]}
    seconds: list[float] = []
    text, reason = "", None
    began = time.monotonic()
    async with client.stream("POST", url + "/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
                reason = choice["finish_reason"] or reason
            # A word has arrived when the space after it has.
            seconds += [time.monotonic() - began] * (text.count(" ") - len(seconds))
    return Arrivals(seconds, reason == "stop" and bool(seconds))


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    found = np.percentile(np.array(seconds) * 1000, [50, 95])
    return {"p50": round(float(found[0]), 1), "p95": round(float(found[1]), 1)}


def _would_block(url: str) -> int:
    """Answers that the guard flagged: they would not be a measure of a stream that passes."""
    text = httpx2.get(url + "/metrics").text
    counts = re.findall(r'guard_latency_seconds_count\{.*phase="output",result="(?!allowed)\w+".*\} ([\d.]+)', text)
    return int(sum(map(float, counts)))


def _table(rows: Sequence[Row]) -> str:
    lines = ["streams  first word ms (guarded)   words/s (guarded)   added ms p50 / p95   cut short"]
    for row in rows:
        first = f"{row.first_word_ms['p50']:.0f} ({row.first_word_guarded_ms.get('p50', float('nan')):.0f})"
        speed = f"{row.words_per_s:.0f} ({row.words_per_s_guarded:.0f})"
        added = f"{row.added_ms.get('p50', float('nan')):.0f} / {row.added_ms.get('p95', float('nan')):.0f}"
        lines.append(f"{row.streams:7}  {first:>24}  {speed:>18}  {added:>19}  {row.cut_short:>10}")
    return "\n".join(lines)


@contextmanager
def _process(command: list[str], **environment: str) -> Generator[str]:
    """A server process, and its URL as soon as it says it."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | environment)  # noqa: S603 - our own interpreter
        try:
            url = None
            while url is None and process.poll() is None:
                time.sleep(0.05)
                log.seek(0)
                url = STARTED.search(log.read())
            if url is None:
                log.seek(0)
                raise SystemExit(f"{' '.join(command)} did not start:\n{log.read()}")
            yield url[1]
        finally:
            process.terminate()
            process.wait()


def _serve_upstream(words: int, pace_s: float) -> None:
    """An OpenAI-compatible upstream that says its words at an even pace."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    def frame(delta: dict[str, str], reason: str | None = None) -> str:
        return "data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}) + "\n\n"

    spoken = PROSE.split()

    async def say() -> AsyncIterator[str]:
        due = time.monotonic()
        for at in range(words):
            due += pace_s
            await asyncio.sleep(due - time.monotonic())
            yield frame({"content": spoken[at % len(spoken)] + (". " if at % 15 == 14 else " ")})
        yield frame({}, "stop")
        yield "data: [DONE]\n\n"

    async def chat(_: Request) -> StreamingResponse:
        return StreamingResponse(say(), media_type="text/event-stream")

    uvicorn.run(Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])]), port=0)


if __name__ == "__main__":
    main()
