"""Have a real `lictor serve` under mixed traffic for half an hour: what was lost, what went unguarded, what grew.

In: a guard folder. Out: streams asked, ended properly, lost, unguarded, errors nobody provoked; memory, open files and
tasks along the way. Streams and whole answers in all three dialects arrive at random, paced like a model's; among them
restricted ones, clients that vanish, broken requests and an upstream that stalls, resets, sends noise or stops short.
With --record the figures go into docs/results.json.

    python benchmarks/soak.py demo/guard --minutes 30 --record
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import fault_upstreams as upstreams
import numpy as np
import psutil
from fault_bench import Bench, Row, serving
from fault_clients import malformed_json, vanishing_client
from fault_log import held, read_log
from fault_tries import ANSWERED, HALTED, Came, Case, Try, answered_by
from fault_wire import Wire
from paced import say_paced
from scipy import stats

from lictor.calibration.intervals import exact
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record

RESULTS = Path(__file__).parents[1] / "docs" / "results.json"
PACE_S = 0.04
SETTINGS = {"LIMITS__SCORE_S": "60", "UPSTREAM__TOTAL_S": "300"}
SAMPLE_S = 1.0
MARKS = 0.1, 0.5, 1.0
BLOCKS = 20
"""Means of so many stretches of time make the slope of memory: samples beside one another are not independent."""


async def permitted(attempt: Try) -> Came:
    """An answer that may pass; that the guard stops one is for the evaluation to count, and no error."""
    spoken = _spoken(attempt)
    return await answered_by(replace(attempt, choices=1), lambda wire: _say(wire, spoken), ANSWERED | HALTED)


async def restricted(attempt: Try) -> Came:
    """An answer that turns restricted: halted before the marker."""
    spoken = [*_spoken(attempt)[:40], *attempt.plant.restricted.split(), *_spoken(attempt)]
    return await answered_by(replace(attempt, choices=1), lambda wire: _say(wire, spoken), HALTED)


def _spoken(attempt: Try) -> list[str]:
    """Words of a permitted answer, from anywhere in the text on."""
    words = attempt.plant.benign.split()
    start = attempt.rng.randrange(len(words))
    return [words[(start + at) % len(words)] for at in range(attempt.rng.randint(20, 120))]


async def _say(wire: Wire, spoken: Sequence[str]) -> None:
    await wire.begin()
    async for frame in say_paced([word + " " for word in spoken], PACE_S):
        await wire.send(frame.encode())


TRAFFIC = (
    Case("permitted", permitted, 60),
    Case("restricted", restricted, 15),
    Case("client vanishes", vanishing_client, 10),
    Case("malformed JSON", malformed_json, 3),
    Case("upstream stalls", upstreams.stalling, 3),
    Case("upstream resets", upstreams.resetting, 3),
    Case("upstream sends garbage", upstreams.garbage, 3),
    Case("upstream ends without [DONE]", upstreams.no_done, 3),
)
"""With their shares of the traffic, in per cent."""


@dataclass
class Soak:
    """What was seen."""

    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    """By kind of traffic."""
    samples: list[tuple[float, float, int]] = field(default_factory=list[tuple[float, float, int]])
    """Share of the time gone, memory in MB, open files."""
    unguarded: int = 0
    """Requests that reached the model and have no row in the decision log."""
    left: int = 0
    """Streams, tasks and files that were there after the end and not before the beginning."""
    minutes: float = 0.0

    def figures(self) -> list[Figure]:
        """Everything to be recorded."""
        rows = self.rows.values()
        asked = sum(row.tries for row in rows)
        fitting = sum(row.fitting for row in rows)
        lost = sum(row.others.get(kind, 0) for row in rows for kind in ("closed", "silent"))
        shares = {
            "ended properly": fitting,
            "lost": lost,
            "unguarded": self.unguarded,
            "errors nobody provoked": asked - fitting - lost,
            "restricted text that left": sum(row.leaks for row in rows),
        }
        found = [
            Figure(f"soak/{name}", hits / asked, *exact(hits, asked), asked, "share") for name, hits in shares.items()
        ]
        found += [
            _count("streams asked", asked, "streams"),
            _count("streams asked an hour", asked / self.minutes * 60, "streams"),
            _count("streams, tasks and files left at the end", self.left, ""),
        ]
        for mark in MARKS:
            _, memory_mb, files = min(self.samples, key=lambda sample: abs(sample[0] - mark))
            found += [
                _count(f"memory at {mark:.0%}", memory_mb, "MB"),
                _count(f"open files at {mark:.0%}", files, "files"),
            ]
        return [*found, self._slope()]

    def _slope(self) -> Figure:
        """Growth of memory after the first tenth."""
        kept = np.array([sample[:2] for sample in self.samples if sample[0] >= MARKS[0]])
        means = np.array([block.mean(0) for block in np.array_split(kept, BLOCKS)])
        line, spread = np.polyfit(means[:, 0] * self.minutes / 60, means[:, 1], 1, cov=True)
        slope, half = float(line[0]), float(stats.t.ppf(0.975, len(means) - 2) * np.sqrt(spread[0, 0]))
        return Figure("soak/memory grown an hour", slope, slope - half, slope + half, len(kept), "MB/h")


def _count(name: str, value: float, unit: str) -> Figure:
    return Figure(f"soak/{name}", value, value, value, 1, unit)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guard", type=Path, help="guard folder")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--per-hour", type=float, default=1_500, help="streams asked an hour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="put the figures into docs/results.json")
    options = parser.parse_args()
    soak = asyncio.run(_soak(options.guard, options.minutes, options.per_hour, options.seed))
    figures = soak.figures()
    if options.record:
        command = f"python benchmarks/soak.py GUARD --minutes {options.minutes:g} --per-hour {options.per_hour:g}"
        record(RESULTS, figures, f"{command} --seed {options.seed}")
    kinds = {name: dict(Counter(row.endings.values())) for name, row in sorted(soak.rows.items())}
    if options.json:
        print(json.dumps({"traffic": kinds, "figures": [asdict(figure) for figure in figures]}, indent=2))
        return
    for figure in figures:
        print(
            f"{figure.name:45} {figure.value:9.4g} ({figure.low:.4g} to {figure.high:.4g}) {figure.unit}, n {figure.n}"
        )
    for name, endings in kinds.items():
        print(f"{name:30} {endings}")


async def _soak(guard: Path, minutes: float, per_hour: float, seed: int) -> Soak:
    soak = Soak(minutes=minutes)
    async with serving(guard, seed, SETTINGS) as bench:
        before = await held(bench.server, bench.wire)
        watching = asyncio.create_task(_watch(bench.server.pid, soak))
        await _traffic(bench, soak, per_hour)
        watching.cancel()
        after = await held(bench.server, bench.wire, before)
        soak.left = after.left(before)
        log = read_log(bench.log)
        asked = {name for row in soak.rows.values() for name in row.endings} & bench.wire.asked
        soak.unguarded = sum(log.rows[name] != 1 for name in asked)
    return soak


async def _traffic(bench: Bench, soak: Soak, per_hour: float) -> None:
    """Requests at random moments until the time is up; the last are read to their ends."""
    rng, ends = bench.rng, time.monotonic() + soak.minutes * 60
    underway: set[asyncio.Task[None]] = set()
    while time.monotonic() < ends:
        case = rng.choices(TRAFFIC, [case.weight for case in TRAFFIC])[0]
        row = soak.rows.setdefault(case.name, Row(case.name, bench.name))
        task = asyncio.create_task(bench.provoke(case, 1, row))
        underway.add(task)
        task.add_done_callback(underway.discard)
        await asyncio.sleep(rng.expovariate(per_hour / 3600))
    await asyncio.gather(*underway)


async def _watch(pid: int, soak: Soak) -> None:
    """Take down what the server holds, again and again."""
    server, began = psutil.Process(pid), time.monotonic()
    while True:
        share = (time.monotonic() - began) / (soak.minutes * 60)
        soak.samples.append((min(1.0, share), server.memory_info().rss / 1e6, server.num_fds()))
        await asyncio.sleep(SAMPLE_S)


if __name__ == "__main__":
    main()
