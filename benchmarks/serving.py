"""Measure what guarding costs a stream over HTTP: the same paced upstream, asked directly and through `lictor serve`.

In: a guard folder. Out: for each number of streams at once, guarded beside unguarded: time to the first delivered
token, words a second, of all and of one stream, how much later than unguarded each word arrives, and what the server
took of the machine. A stream that is told to come back later does, and its time counts from when it was taken. Three
processes on one machine share its cores: upstream, server, client. Rounds alternate, so that whatever else runs falls
on both alike. With --record the figures go into docs/results.json.

    python benchmarks/serving.py demo/guard --streams 1,8,32 --words 150 --pace-ms 40 --rounds 2 --record
"""

import argparse
import asyncio
import json
import os
import re
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean

import httpx2
import numpy as np
import psutil
from paced import Running, process, serve_paced

from lictor.assemble import read_policy
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record

PROSE = (
    "The museum opened its doors at nine and the visitors who had waited in the rain went in at once to look at the "
    "old lamps and read their labels while the guide told them about the workshop by the river and its ledgers"
)
RESULTS = Path(__file__).parents[1] / "docs" / "results.json"
RESAMPLES = 1_000
BUSY = 429


@dataclass(frozen=True)
class Arrivals:
    """When each word of one answer had arrived, in seconds since it was asked for."""

    seconds: list[float]
    first: float
    """When anything of it had arrived."""
    is_whole: bool
    """Whether every word came."""
    began: float = 0.0
    """On the process's own clock."""
    tokens: int = 0
    """Of the guard, where it counted them."""
    refused: int = 0
    """How often it was told to come back later."""

    @property
    def speed(self) -> float:
        """Words a second, once the first has come; of pieces of several words, about."""
        took = self.seconds[-1] - self.seconds[0]
        return len(self.seconds) / took if took > 0 else float("inf")


@dataclass(frozen=True)
class Round:
    """Some answers at once."""

    answers: list[Arrivals]
    seconds: float
    cpu_s: float = 0.0
    """Of the server."""
    peak_mb: float = 0.0
    """Highest resident memory of the server, over that before the round."""

    @property
    def cut_short(self) -> int:
        """Answers that did not arrive whole; a fair round has none."""
        return sum(not answer.is_whole for answer in self.answers)

    @property
    def at_once(self) -> int:
        """Answers that were under way together, at most."""
        spans = [(answer.began, answer.began + max(answer.seconds, default=0.0)) for answer in self.answers]
        return max(sum(began <= at < ended for began, ended in spans) for at, _ in spans)

    @property
    def words(self) -> int:
        """Words that arrived."""
        return sum(len(answer.seconds) for answer in self.answers)


@dataclass(frozen=True)
class Pair:
    """Unguarded and guarded rounds of one number of streams."""

    streams: int
    hold_back: int
    """Tokens that the guard keeps behind."""
    plain: list[Round]
    guarded: list[Round]

    def figures(self) -> list[Figure]:
        """Everything measured; intervals resample whole answers, or rounds where there is one number a round."""
        usual = [mean(times) for times in zip(*(a.seconds for r in self.plain for a in r.answers), strict=True)]
        whole = [a for r in self.guarded for a in r.answers if a.is_whole]
        added = [[late - then for late, then in zip(a.seconds, usual, strict=True)] for a in whole]
        plain = [[a.first] for r in self.plain for a in r.answers]
        first = mean(a.first for r in self.plain for a in r.answers)
        held = [(a.first - first) * a.tokens / (self.hold_back * usual[-1]) for a in whole]
        shares = [(f"added_p{share}", _over_answers(added, share, 1e3), "ms") for share in (50, 95, 99)]
        found = [
            ("first_token", _over_answers(plain, 50, 1e3), "ms"),
            ("first_token_guarded", _over_answers([[a.first] for a in whole], 50, 1e3), "ms"),
            ("first_token_added_over_hold_back", _over_answers([[ratio] for ratio in held], 50, 1), "ratio"),
            *shares,
            ("speed", _over_rounds([r.words / r.seconds for r in self.plain]), "words/s"),
            ("speed_guarded", _over_rounds([r.words / r.seconds for r in self.guarded]), "words/s"),
            ("stream_speed", _over_answers([[a.speed] for r in self.plain for a in r.answers], 50, 1), "words/s"),
            ("stream_speed_guarded", _over_answers([[a.speed] for a in whole], 50, 1), "words/s"),
            ("refused", _over_rounds([float(sum(a.refused > 0 for a in r.answers)) for r in self.guarded]), "streams"),
            ("at_once", _over_rounds([float(r.at_once) for r in self.guarded]), "streams"),
            ("server_cpu_per_word", _over_rounds([1e3 * r.cpu_s / max(1, r.words) for r in self.guarded]), "ms"),
            ("server_memory_per_stream", _over_rounds([r.peak_mb / max(1, r.at_once) for r in self.guarded]), "MB"),
            (
                "cut_short",
                _over_rounds([float(sum(not a.is_whole for a in r.answers)) for r in self.guarded]),
                "answers",
            ),
        ]
        return [
            Figure(f"serving/{self.streams} streams, {name}", *interval, len(whole), unit)
            for name, interval, unit in found
        ]


def main() -> None:
    """Run it, or one of its processes."""
    options = _options()
    if options.upstream:
        pieces = _pieces(options.words)
        serve_paced(lambda _: pieces, options.pace_ms / 1000)
        return
    upstream_command = [sys.executable, __file__, "x", "--upstream"]
    upstream_command += ["--words", str(options.words), "--pace-ms", str(options.pace_ms)]
    with process(upstream_command) as upstream:
        serve = "from lictor.cli.main import app; app()"
        command = [
            sys.executable,
            "-c",
            serve,
            "serve",
            options.guard,
            "--upstream",
            upstream.url + "/v1",
            "--port",
            "0",
        ]
        with process(command) as guarded:
            asyncio.run(_run(guarded.url, 1))  # whatever is lazy happens before it counts
            hold_back = read_policy(Path(options.guard) / "policy.json").hold_back
            pairs = [
                _measure(upstream.url, guarded, Pair(n, hold_back, [], []), options.rounds) for n in options.streams
            ]
            flagged = _would_block(guarded.url)
    figures = [figure for pair in pairs for figure in pair.figures()]
    if options.record:
        record(RESULTS, figures, f"python benchmarks/serving.py GUARD {' '.join(sys.argv[2:])}")
    about = {"words": options.words, "pace_ms": options.pace_ms, "rounds": options.rounds, "cores": os.cpu_count()}
    found = {**about, "guard": Path(options.guard).name, "flagged": flagged, "figures": [asdict(f) for f in figures]}
    print(json.dumps(found, indent=2) if options.json else _table(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guard", help="guard folder")
    parser.add_argument("--streams", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 32])
    parser.add_argument("--words", type=int, default=150, help="words of an answer")
    parser.add_argument("--pace-ms", type=float, default=40, help="between two words of the upstream")
    parser.add_argument("--rounds", type=int, default=2, help="guarded and unguarded rounds of each number of streams")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="put the figures into docs/results.json")
    parser.add_argument("--upstream", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(upstream: str, guarded: Running, pair: Pair, rounds: int) -> Pair:
    for _ in range(rounds):
        pair.plain.append(_round(upstream, pair.streams))
        server = psutil.Process(guarded.pid)
        before = sum(server.cpu_times()[:2])
        with _resident(server) as seen:
            found = _round(guarded.url, pair.streams)
        cpu_s = sum(server.cpu_times()[:2]) - before
        pair.guarded.append(Round(found.answers, found.seconds, cpu_s, (max(seen) - seen[0]) / 1e6))
    return pair


def _round(url: str, streams: int) -> Round:
    began = time.monotonic()
    answers = asyncio.run(_run(url, streams))
    return Round(answers, time.monotonic() - began)


@contextmanager
def _resident(process: psutil.Process) -> Generator[list[int]]:
    """Bytes of memory that a process holds: before the block, and ten times a second while it runs."""
    seen: list[int] = [process.memory_info().rss]
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            seen.append(process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


async def _run(url: str, streams: int) -> list[Arrivals]:
    limits = httpx2.Limits(max_connections=streams)
    async with httpx2.AsyncClient(timeout=600, limits=limits, trust_env=False) as client:
        return list(await asyncio.gather(*(_answer(client, url, n) for n in range(streams))))


async def _answer(client: httpx2.AsyncClient, url: str, number: int) -> Arrivals:
    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    # No two alike: the server remembers the score of a prompt that is sent again.
    body |= {"messages": [{"role": "user", "content": f"Guest {number} at {time.time_ns()}: what is new?"}]}
    refused = 0
    while True:
        found = await _taken(client, url, body)
        if isinstance(found, Arrivals):
            return replace(found, refused=refused)
        refused += 1
        await asyncio.sleep(found)


async def _taken(client: httpx2.AsyncClient, url: str, body: Mapping[str, object]) -> Arrivals | float:
    """The answer; or in how many seconds to come back."""
    seconds: list[float] = []
    text, reason, first, tokens = "", None, 0.0, 0
    began = time.monotonic()
    async with client.stream("POST", url + "/v1/chat/completions", json=body) as response:
        if response.status_code == BUSY:
            return float(response.headers["retry-after"])
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            frame = json.loads(line[6:])
            tokens = (frame.get("usage") or {}).get("completion_tokens", tokens)
            for choice in frame["choices"]:
                text += choice["delta"].get("content") or ""
                first = first or (time.monotonic() - began if text else 0.0)
                reason = choice["finish_reason"] or reason
            # A word has arrived when the space after it has.
            seconds += [time.monotonic() - began] * (text.count(" ") - len(seconds))
    return Arrivals(seconds, first, reason == "stop" and bool(seconds), began, tokens)


def _over_answers(samples: Sequence[Sequence[float]], share: int, scale: float) -> tuple[float, float, float]:
    """A percentile of all samples, and its 95% interval over answers drawn anew."""
    if not samples:
        return 0.0, 0.0, 0.0
    rng = np.random.default_rng(0)
    table = np.array(samples) * scale
    drawn = [np.percentile(table[rng.integers(len(table), size=len(table))], share) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(np.percentile(table, share)), float(low), float(high)


def _over_rounds(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of a number a round, and its lowest and highest."""
    return mean(values), min(values), max(values)


def _would_block(url: str) -> int:
    """Answers that the guard flagged or stopped: they would not be a measure of a stream that passes."""
    text = httpx2.get(url + "/metrics").text
    counts = re.findall(r'guard_latency_seconds_count\{.*phase="output",result="(?!allowed)\w+".*\} ([\d.]+)', text)
    return int(sum(map(float, counts)))


def _table(figures: Sequence[Figure]) -> str:
    return "\n".join(f"{f.name:50} {f.value:10.2f} ({f.low:.2f} to {f.high:.2f}) {f.unit}, n {f.n}" for f in figures)


def _pieces(words: int) -> list[str]:
    spoken = PROSE.split()
    return [spoken[at % len(spoken)] + (". " if at % 15 == 14 else " ") for at in range(words)]


if __name__ == "__main__":
    main()
