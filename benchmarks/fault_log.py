"""What is left of requests once they are over: rows in the decision log, and open streams, tasks, files and memory.

In: a log folder, a server process. Out: counts. Knows no fault.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from fault_wire import WireUpstream
from paced import Running

REFUSED = frozenset(
    {
        "invalid_json",
        "invalid_value",
        "missing_field",
        "unknown_field",
        "unsupported_modality",
        "request_too_large",
        "request_timeout",
        "too_many_messages",
        "not_ready_log",
    }
)
"""Endings of requests that were never taken on, so have no row."""
UNSURE = frozenset({"closed", "silent", "still served"})
"""Endings that do not say whether a request was taken on; it was where the upstream heard of it."""


@dataclass(frozen=True)
class Log:
    """All rows of a decision log."""

    rows: Counter[str]
    """By request id."""
    torn: int
    """Lines that are no JSON."""
    text: str


def read_log(folder: Path) -> Log:
    """The log as it is now."""
    rows: Counter[str] = Counter()
    torn = 0
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jsonl")))
    for line in text.splitlines():
        try:
            row = json.loads(line)
            rows[row.get("request_id", "")] += "event" not in row
        except ValueError:
            torn += 1
    return Log(rows, torn, text)


def wrong_rows(log: Log, endings: Mapping[str, str], asked: Iterable[str]) -> list[str]:
    """Requests that have not the rows they should: one if they were taken on, none if they were refused."""
    heard = set(asked)
    return [
        f"{request_id} {kind}: {log.rows[request_id]}"
        for request_id, kind in endings.items()
        if not _least(request_id, kind, heard) <= log.rows[request_id] <= (kind not in REFUSED)
    ]


def _least(request_id: str, kind: str, heard: set[str]) -> int:
    """Rows that a request has at least."""
    return int(kind not in REFUSED and (kind not in UNSURE or request_id in heard))


@dataclass(frozen=True)
class Held:
    """What a server holds while nobody asks anything."""

    streams: int
    tasks: int
    files: int
    memory_mb: float

    def left(self, before: "Held") -> int:
        """Streams, tasks and open files that were not there before."""
        return self.streams + max(0, self.tasks - before.tasks) + max(0, self.files - before.files)


async def held(server: Running, wire: WireUpstream, before: Held | None = None) -> Held:
    """What a server holds, once it is back to what it held `before` or 10 s have passed."""
    ends = time.monotonic() + 10
    while True:
        found = await _held_now(server, wire)
        if time.monotonic() > ends or (found.streams == 0 and (before is None or found.left(before) == 0)):
            return found
        await asyncio.sleep(0.1)


async def _held_now(server: Running, wire: WireUpstream) -> Held:
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        text = (await client.get(server.url + "/metrics", headers={"connection": "close"})).text
    process = psutil.Process(server.pid)
    names = ("guardrails_requests_active", "guardrails_stream_active", "lictor_scoring_queue")
    streams = sum(int(metric(text, name)) for name in names) + len(wire.answering)
    tasks = int(metric(text, "lictor_tasks"))
    return Held(streams, tasks, process.num_fds(), process.memory_info().rss / 1e6)


def metric(text: str, name: str) -> float:
    """A number of a page of metrics."""
    found = re.search(rf"^{name} ([\d.e+-]+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
