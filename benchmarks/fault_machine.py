"""Faults of the machine, each provoked in a server of its own: a full disk, no memory, a clock that jumps, SIGKILL.

In: a guard folder or none, a number of tries. Out: rows of the fault table. A file-size limit stands for the full disk
and a limit on address space for a machine without memory: both are set on the running process from outside.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
from fault_bench import Bench, Row, serving
from fault_log import held, metric, read_log, wrong_rows
from fault_tries import ANSWERED, HALTED, Came, Case, Fits, Try
from fault_upstreams import CONTROL, trickling

from lictor.artifacts import write_atomic

ROUND = 10
"""Tries while the machine is short of something, and again after."""
AFTERWARDS = 5
"""Tries of the process that comes after a killed one."""
JUMPS_S = (-1e9, -4e7, -90_000, -3_700, -5, 0, 5, 3_700, 90_000, 4e7, 1e9)
NO_CAMPAIGNS = {"PROBES__COUNT": "1000000", "PROBES__VARIANTS": "1000000"}
"""So that every row that the log could not take was one of a request."""
GUARD_FAILED = frozenset({"crashed", "scorer_failed", "out_of_memory", "internal_error"})


async def full_disk(seed: int, tries: int, *, is_required: bool) -> Row:
    """The disk is full and free by turns; a decision that was not recorded is counted as such."""
    name = "full disk, log required" if is_required else "full disk"
    fits = ANSWERED | HALTED | ({"not_ready_log"} if is_required else set())
    row = Row(name, "word")
    async with serving(None, seed, NO_CAMPAIGNS | {"DECISIONS__REQUIRED": str(is_required).lower()}) as bench:
        before = await held(bench.server, bench.wire)
        while row.tries < tries:
            size = sum(path.stat().st_size for path in bench.log.glob("*.jsonl"))
            with _limited(bench.server.pid, psutil.RLIMIT_FSIZE, size + bench.rng.randrange(2_000)):
                await bench.provoke(_fitting(CONTROL, fits), ROUND, row)
            await bench.provoke(_fitting(CONTROL, fits), ROUND, row)
        after = await held(bench.server, bench.wire, before)
        log = read_log(bench.log)
        async with httpx2.AsyncClient(trust_env=False) as client:
            missed = metric((await client.get(bench.server.url + "/metrics")).text, "lictor_decision_log_errors_total")
        row.log_wrong = abs(len(wrong_rows(log, row.endings, bench.wire.asked)) - int(missed))
        row.log_torn, row.left_open = log.torn, after.left(before)
        row.leaks += bench.plant.marker in log.text
    return row


async def no_memory(guard: Path | None, seed: int, tries: int, settings: Mapping[str, str]) -> Row:
    """The process gets no more memory, again and again, while streams are open."""
    row = Row("no memory to be had", "")
    case = _fitting(CONTROL, ANSWERED | HALTED | GUARD_FAILED)
    async with serving(guard, seed, settings) as bench:
        row.guard = bench.name
        while row.tries < tries:
            limit = psutil.Process(bench.server.pid).memory_info().vms + bench.rng.randrange(4_000_000)
            with _limited(bench.server.pid, psutil.RLIMIT_AS, limit):
                await bench.provoke(case, ROUND, row)
            await bench.provoke(case, ROUND, row)
        bench.look_at_log(row)
    return row


async def jumping_clock(seed: int, tries: int) -> Row:
    """The time of day jumps by seconds, hours, days and years, back and forth, while streams are open."""
    row = Row("clock jumps", "word")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "off"
        os.environ["FAULT_CLOCK"] = str(path)
        write_atomic(path, "0")
        async with serving(None, seed, {}) as bench:
            before = await held(bench.server, bench.wire)
            async with _jumping(bench, path):
                await bench.provoke(CONTROL, tries, row)
            row.left_open = (await held(bench.server, bench.wire, before)).left(before)
            bench.look_at_log(row)
        del os.environ["FAULT_CLOCK"]
    return row


@asynccontextmanager
async def _jumping(bench: Bench, path: Path) -> AsyncGenerator[None]:
    async def jump() -> None:
        while True:
            write_atomic(path, str(bench.rng.choice(JUMPS_S)))
            os.kill(bench.server.pid, signal.SIGUSR1)
            await asyncio.sleep(0.02)

    jumps = asyncio.create_task(jump())
    try:
        yield
    finally:
        jumps.cancel()
        await asyncio.gather(jumps, return_exceptions=True)


async def killed(guard: Path | None, seed: int, streams: int, kills: int, settings: Mapping[str, str]) -> Row:
    """SIGKILL with all streams open; the next process takes up the same log."""
    row = Row("SIGKILL with streams open", "")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "decisions"
        for kill in range(kills):
            async with serving(guard, seed + kill, {**settings, "UPSTREAM__TOTAL_S": "120"}, log=log) as bench:
                await _kill_amid(bench, streams, row)
        async with serving(guard, seed + kills, settings, log=log) as bench:
            row.guard = bench.name
            await bench.provoke(CONTROL, AFTERWARDS, row)
            # What was open when the process died has no row, and can have none.
            found = read_log(log)
            row.log_wrong, row.log_torn = len(wrong_rows(found, row.endings, ())), found.torn
            row.leaks += bench.plant.marker in found.text
    return row


async def _kill_amid(bench: Bench, streams: int, row: Row) -> None:
    case = Case(f"SIGKILL {bench.rng.random()}", trickling)
    before = len(bench.wire.asked)

    async def kill() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while len(bench.wire.asked) - before < streams:
                    await asyncio.sleep(0.02)
        await asyncio.sleep(bench.rng.random())
        row.open_at_kill += len(bench.wire.answering)
        os.kill(bench.server.pid, signal.SIGKILL)

    await asyncio.gather(bench.provoke(case, streams, row, at_once=streams), kill())


@contextmanager
def _limited(pid: int, resource: int, most: int) -> Generator[None]:
    """A soft limit on a process, lifted at the end."""
    process = psutil.Process(pid)
    before = process.rlimit(resource)
    process.rlimit(resource, (most, before[1]))
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.rlimit(resource, before)


def _fitting(case: Case, fits: Fits) -> Case:
    """A case that may end so too."""

    async def fault(attempt: Try) -> Came:
        came = await case.fault(attempt)
        return Came(came.ending, fits)

    return Case(case.name, fault)
