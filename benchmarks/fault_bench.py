"""A real server to provoke faults in, and the count of what comes out.

In: a guard folder or none, a case. Out: a row of the fault table. Knows no fault.
"""

import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import httpx2
from fault_log import held, read_log, wrong_rows
from fault_tries import QUESTION, WORDS, Came, Case, Plant, Try, passages, plain_answer
from fault_upstreams import CONTROL
from fault_wire import Dialect, WireUpstream
from paced import Running, process

SERVE = "from lictor.cli.main import app; app()"
SETTINGS = {
    "UPSTREAM__FIRST_CHUNK_S": "2",
    "UPSTREAM__IDLE_S": "2",
    "UPSTREAM__TOTAL_S": "6",
    "LIMITS__BODY_S": "2",
    "LIMITS__WRITE_S": "2",
    "LIMITS__STREAMS": "1024",
    "LIMITS__WAIT_S": "null",
    "BLOCKING__REFUSAL_WAIT_MS": "200",
    "DRAIN_S": "1",
}
AT_ONCE, SLOW_AT_ONCE = 8, 60


@dataclass
class Row:
    """What came of one fault."""

    fault: str
    guard: str
    """`word`, or the name of the guard's folder."""
    begun: int = 0
    tries: int = 0
    """Those that are over."""
    fitting: int = 0
    leaks: int = 0
    """Tries in which the marker left, in an answer or in the decision log."""
    log_wrong: int = 0
    """Requests with more or fewer rows in the decision log than they should have."""
    log_torn: int = 0
    """Lines of it that are no JSON."""
    left_open: int = 0
    """Streams, tasks and files that were not there before."""
    memory_mb: float | None = None
    """Grown over the second half of the tries, where the server lived on."""
    open_at_kill: int = 0
    """Streams open when the server was killed, over all kills."""
    others: dict[str, int] = field(default_factory=dict[str, int])
    """Endings that do not fit."""
    endings: dict[str, str] = field(default_factory=dict[str, str])
    """By request id."""

    def note(self, attempt: Try, came: Came) -> None:
        """Count one try."""
        kind = came.ending.kind
        self.tries += 1
        self.leaks += attempt.plant.marker in came.ending.text
        self.endings[attempt.id] = kind
        if kind in came.fits:
            self.fitting += 1
        else:
            self.others[kind] = self.others.get(kind, 0) + 1


@dataclass(frozen=True)
class Bench:
    """A guarded server with its upstream and its log."""

    name: str
    server: Running
    wire: WireUpstream
    plant: Plant
    log: Path
    rng: random.Random

    def attempt(self, name: str) -> Try:
        """A try, drawn anew."""
        rng = random.Random(self.rng.random())
        dialect: Dialect = rng.choice(get_args(Dialect))
        choices = rng.choice([1, 1, 2]) if dialect == "chat" else 1
        return Try(name, self.server.url, self.wire, self.plant, rng, dialect, rng.random() < 0.7, choices)

    async def run(self, case: Case, tries: int) -> Row:
        """All tries of a case, and what the server holds before, in the midst and after."""
        row = Row(case.name, self.name)
        before = await held(self.server, self.wire)
        await self.provoke(case, tries // 2, row)
        half = await held(self.server, self.wire, before)
        await self.provoke(case, tries - tries // 2, row)
        after = await held(self.server, self.wire, before)
        row.left_open, row.memory_mb = after.left(before), after.memory_mb - half.memory_mb
        self.look_at_log(row)
        return row

    def look_at_log(self, row: Row) -> None:
        """Hold the decision log against how the tries ended."""
        log = read_log(self.log)
        wrong = wrong_rows(log, row.endings, self.wire.asked)
        row.log_wrong, row.log_torn = len(wrong), log.torn
        row.leaks += self.plant.marker in log.text

    async def provoke(self, case: Case, tries: int, row: Row, *, at_once: int | None = None) -> None:
        """Some tries, several at once, noted in `row`."""
        room = asyncio.Semaphore(at_once or (SLOW_AT_ONCE if case.is_slow else AT_ONCE))
        letters = "".join(letter for letter in case.name if letter.isalnum())

        async def one(attempt: Try) -> None:
            async with room:
                row.note(attempt, await case.fault(attempt))

        names = [f"{letters}-{row.begun + number}" for number in range(tries)]
        row.begun += tries
        await asyncio.gather(*(one(self.attempt(name)) for name in names))


@asynccontextmanager
async def serving(
    guard: Path | None, seed: int, settings: Mapping[str, str], *, log: Path | None = None
) -> AsyncGenerator[Bench]:
    """A server with the guard in a folder, or the guard of one word."""
    with tempfile.TemporaryDirectory() as folder:
        kept = log or Path(folder) / "decisions"
        wire = WireUpstream(plain_answer)
        async with wire.listening():
            given = SETTINGS | {"DECISIONS__FOLDER": str(kept), "UPSTREAM__URL": wire.url, **settings}
            environment = {f"LICTOR_SERVER__{name}": value for name, value in given.items()}
            here = str(Path(__file__).with_name("fault_server.py"))
            command = [sys.executable, here] if guard is None else [sys.executable, "-c", SERVE, "serve", str(guard)]
            with process([*command, *(["--port", "0"] if guard else [])], **environment) as server:
                plant = await _most_surely_stopped(server.url) if guard else WORDS
                bench = Bench(guard.name if guard else "word", server, wire, plant, kept, random.Random(seed))
                # Whatever is lazy happens before it counts.
                await bench.provoke(replace(CONTROL, name="first"), 4 if guard else 16, Row("", ""))
                yield bench


async def _most_surely_stopped(url: str) -> Plant:
    """The passage that the guard stops by the widest margin, so that a leak is the server's fault and not the guard's.

    Raises:
        SystemExit: It stops none.
    """
    margins: list[tuple[float, Plant]] = []
    async with httpx2.AsyncClient(timeout=120, trust_env=False) as client:
        for plant in passages():
            answer = f"{plant.benign} {plant.restricted}"
            turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]
            found = (await client.post(url + "/v1/checks", json={"messages": turns})).json()
            if found["status"] == "blocked" and found["stage"] == "output":
                margins.append((found["logit"] - found["threshold_logit"], plant))
    if not margins:
        raise SystemExit("the guard stops none of the worked domain's restricted answers")
    return max(margins, key=lambda pair: pair[0])[1]
