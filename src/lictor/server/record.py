"""What is kept of a request: a decision log, a line of structured log, numbers for Prometheus.

In: a finished request. Out: JSON without content, unless the settings ask for it. Knows no wire format.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path

from lictor.server.flow import FlowTimes
from lictor.types import Conversation, Decision

_PATTERN = "decisions-{day}.jsonl"
_JUMP_S = 3_600
"""A clock that moves by more than this against the ticks has jumped."""
_log = logging.getLogger("lictor.server")


@dataclass(frozen=True, slots=True)
class Record:
    """One request and what became of it."""

    request_id: str
    client: str
    endpoint: str
    model: str
    guard: str
    """Name of the guard's constitution."""
    is_streamed: bool
    outcome: str
    """`answered`, `blocked`, `failed` or `abandoned` by the client."""
    decision: Decision
    error: str | None
    """Code of the error, where there was one."""
    times: FlowTimes
    prompt_tokens: int
    completion_tokens: int
    delivered_chars: int
    conversation: Conversation = ()
    delivered: str = ""
    traceparent: str | None = None
    """The client's own trace, as W3C writes it."""

    @property
    def result(self) -> str:
        """What the guard did, in the metrics' words."""
        match self.decision:
            case Decision(status="error", would_block=True):
                return "bypassed"
            case Decision(status="error"):
                return "error"
            case Decision(action="block"):
                return "blocked"
            case Decision(would_block=True):
                return "would_block"
            case _:
                return "allowed"


def record_row(record: Record, *, content: bool, now: datetime) -> dict[str, object]:
    """A record as a JSON object; the text only as a hash unless `content` is set."""
    text = json.dumps([[m.role, m.content] for m in record.conversation]).encode("utf-8", "surrogatepass")
    row: dict[str, object] = {
        "time": now.isoformat(),
        "request_id": record.request_id,
        "client": record.client,
        "endpoint": record.endpoint,
        "model": record.model,
        "guard": record.guard,
        "stream": record.is_streamed,
        "outcome": record.outcome,
        "result": record.result,
        "error": record.error,
        "decision": decision_body(record.decision),
        "duration_ms": round(record.times.now() * 1000, 1),
        "screened_ms": _ms(record.times.screened),
        "scoring_ms": _ms(record.times.scoring),
        "first_delivered_ms": _ms(record.times.first_delivered),
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "delivered_chars": record.delivered_chars,
        "prompt_sha256": hashlib.sha256(text).hexdigest(),
    }
    if content:
        row["messages"] = [{"role": m.role, "content": m.content} for m in record.conversation]
        row["delivered"] = record.delivered
    return row


def decision_body(decision: Decision) -> dict[str, object]:
    """A decision as a JSON object; a stage that scored nothing has a null score."""
    body: dict[str, object] = asdict(decision)
    body["score"] = decision.score if isfinite(decision.score) else None
    body["p_harm"] = decision.p_harm if isfinite(decision.score) else None
    return body


class DecisionLog:
    """An append-only log, one JSONL file a day (UTC); days beyond the retention are deleted.

    A clock that jumped is no reason to delete: days are forgotten only where the time of day moved on as evenly as
    the ticks did.
    """

    def __init__(self, folder: Path | None, keep_days: int) -> None:
        self._folder = folder
        self._keep_days = keep_days
        self._day = ""
        self._last: tuple[datetime, float] | None = None
        self.error: str | None = None
        """Why the last row could not be written."""

    def append(self, row: Mapping[str, object], now: datetime, tick: float) -> None:
        """Write one row, whole or not at all. A disk that refuses it is told in `error`, and never ends a request.

        Args:
            row: What to keep.
            now: The time of day.
            tick: Seconds of a clock that runs evenly.
        """
        if self._folder is None:
            return
        line = json.dumps(row, ensure_ascii=True, default=str).encode() + b"\n"
        day = now.strftime("%Y-%m-%d")
        path = self._folder / _PATTERN.format(day=day)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if day != self._day:
                if self._runs_evenly(now, tick):
                    self._forget(now)
                _end_line(path)
                self._day = day
            _append_whole(path, line)
            self.error = None
        except OSError as error:
            self._day = ""  # the next row looks whether it begins a line
            self.error = str(error.strerror or error)
            _log.error("decision not recorded", extra={"fields": {"error": self.error}})
        self._last = (now, tick)

    def _runs_evenly(self, now: datetime, tick: float) -> bool:
        if self._last is None:
            return True
        then, at = self._last
        return abs((now - then).total_seconds() - (tick - at)) < _JUMP_S

    def tokens_of(self, now: datetime) -> dict[str, int]:
        """Tokens of every client on the day of `now`, as far as the log tells."""
        found: dict[str, int] = {}
        if self._folder is None:
            return found
        try:
            lines = (self._folder / _PATTERN.format(day=now.strftime("%Y-%m-%d"))).read_bytes().splitlines()
        except OSError:
            return found
        for line in lines:
            try:
                row = json.loads(line)
                tokens = int(row["prompt_tokens"]) + int(row["completion_tokens"])
                found[row["client"]] = found.get(row["client"], 0) + tokens
            except (ValueError, KeyError, TypeError):
                continue  # an event, or a row that a full disk cut short
        return found

    def _forget(self, now: datetime) -> None:
        oldest = _PATTERN.format(day=(now - timedelta(days=self._keep_days)).strftime("%Y-%m-%d"))
        for path in (self._folder or Path()).glob(_PATTERN.format(day="*")):
            if path.name < oldest:
                path.unlink(missing_ok=True)


def _append_whole(path: Path, line: bytes) -> None:
    """Add a line; what a full disk cut short is taken back.

    Raises:
        OSError: It could not be written.
    """
    with path.open("ab", buffering=0) as file:
        written = file.write(line)
        if written < len(line):
            if os.fstat(file.fileno()).st_size == file.tell():  # nobody else has written meanwhile
                file.truncate(file.tell() - written)
            raise OSError("the row was cut short")


def _end_line(path: Path) -> None:
    """Have the next row begin a line of its own, where a process died in the midst of one."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        is_torn = file.read(1) != b"\n"
    if is_torn:
        _append_whole(path, b"\n")


class JsonLines(logging.Formatter):
    """Log lines as JSON objects: time, level, message, and the fields given as `extra={"fields": ...}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        row: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        row |= record.__dict__.get("fields", {})
        if record.exc_info and record.exc_info[0]:
            # The message of an exception may quote text; its type and place do not.
            row["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace and trace.tb_next:
                trace = trace.tb_next
            row["at"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else None
        return json.dumps(row, default=str)


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
