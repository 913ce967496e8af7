"""`calibrate`: a project's operating points, and its thresholds fitted anew on its own traffic.

In: a project whose guard is made, decision logs. Out: points, drift, and the guard brought up to date. A log's rows
count as benign only where somebody says so, or the guard let them pass: what it stopped needs a label.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from lictor.artifacts import write_atomic
from lictor.assemble import read_policy
from lictor.calibration.cascade import CascadeReport
from lictor.calibration.drift import Drift, drift
from lictor.calibration.points import BUDGETS, OperatingPoint, operating_points
from lictor.calibration.traces import Trace
from lictor.dataset.files import Row, read_rows
from lictor.dataset.pools import conversation_of
from lictor.errors import DataError, UsageError
from lictor.pipeline.cascading import read_cascade
from lictor.pipeline.config import Project
from lictor.pipeline.stages import TRACES, policy_template, run, stands
from lictor.pipeline.standing import Progress
from lictor.pipeline.traces import read_traces
from lictor.types import Conversation, Message, Split

Label = Literal["permitted", "restricted"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the rows of a log."""

    kept: int
    """Benign conversations that join the calibration."""
    restricted: int
    """Rows left out because they are restricted."""
    empty: int
    """Rows left out because the log kept no text."""


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """Traffic that joined, how it differs from what the thresholds stood on, and thresholds before and after."""

    taken: Taken
    drift: list[Drift]
    before: tuple[float, float]
    """Input and output threshold."""
    after: tuple[float, float]


def cascade_of(project: Project) -> CascadeReport | None:
    """When the project's guard escalates an answer, and what that was chosen among; None without an exchange scorer.

    Raises:
        UsageError: The project has not been run.
    """
    return read_cascade(stands(project)["traces"])


def points_of(project: Project, budgets: Sequence[float] = BUDGETS) -> list[OperatingPoint]:
    """What other budgets would promise and stop; seconds, since the scores stand.

    Raises:
        UsageError: The project has not been run.
    """
    splits = _traces(project)
    section = project.config.policy
    return operating_points(
        (splits["validation"], splits["calibration"], splits["test"]),
        policy_template(project, cascade_of(project)),
        budgets=budgets,
        confidence=section.confidence,
        promise=section.promise,
    )


def recalibrate(
    project: Project, logs: Sequence[Path], progress: Progress, *, source: str, stopped: Label | None
) -> Recalibrated:
    """Take benign traffic into the project as `source`, and fit the guard's thresholds anew.

    Raises:
        UsageError: The project has not been run, or the source's name is no file name.
        DataError: A row is no conversation, or was stopped and has no label; no row is benign.
        CalibrationError: Some source is too small for the budget.
    """
    fitted = _traces(project)["calibration"]
    if not source.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"--source: expected letters, digits, - and _, got {source!r}")
    before = read_policy(project.guard / "policy.json")
    kept, taken = read_logs(logs, stopped)
    with _traffic(project.traffic / f"{source}.jsonl", kept):
        run(project, progress)
    traffic = [trace for trace in _traces(project)["calibration"] if trace.source == f"pool:{source}"]
    after = read_policy(project.guard / "policy.json")
    return Recalibrated(
        taken,
        drift(fitted, traffic, before),
        (before.input_threshold, before.output_threshold),
        (after.input_threshold, after.output_threshold),
    )


def read_logs(logs: Sequence[Path], stopped: Label | None) -> tuple[list[Conversation], Taken]:
    """The benign conversations of decision logs, or of any file with rows of messages.

    A row's own `label` (`permitted` or `restricted`) counts before anything else; `stopped` is the label of rows that
    the guard blocked, or would have.

    Raises:
        DataError: As `recalibrate`.
    """
    kept: list[Conversation] = []
    unsaid: list[str] = []
    restricted = empty = 0
    for row in (row for log in logs for row in read_rows(log)):
        if not isinstance(row.value, Mapping):
            raise DataError(f"{row.where}: expected an object with named fields, got {type(row.value).__name__}")
        values = cast("Mapping[str, object]", row.value)
        label = values.get("label") or (stopped if _was_stopped(values) else "permitted")
        if label not in {"permitted", "restricted", None}:
            raise DataError(f"{row.where}: label: expected permitted or restricted, got {label!r}")
        if "decision" in values and not values.get("messages"):
            empty += 1
        elif label is None:
            unsaid.append(row.where)
        elif label == "restricted":
            restricted += 1
        else:
            kept.append(_said(row, values))
    if unsaid:
        raise DataError(
            f"{len(unsaid)} rows were stopped by the guard and have no label, the first at {unsaid[0]}: add "
            '"label": "permitted" or "restricted" to each, or say --stopped permitted or --stopped restricted'
        )
    if not kept:
        raise DataError(
            f"expected benign conversations in {', '.join(map(str, logs))}, got none ({restricted} restricted, {empty} "
            "without text; the server keeps text where `decisions.content` is set)"
        )
    return kept, Taken(len(kept), restricted, empty)


@contextmanager
def _traffic(path: Path, conversations: Sequence[Conversation]) -> Generator[None]:
    """Write a pool; put back what was there if what is done with it fails."""
    had = path.read_text(encoding="utf-8") if path.is_file() else None
    path.parent.mkdir(exist_ok=True)
    rows = [{"messages": [{"role": m.role, "content": m.content} for m in one]} for one in conversations]
    write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows))
    try:
        yield
    except BaseException:
        path.unlink() if had is None else write_atomic(path, had)
        raise


def _was_stopped(row: Mapping[str, object]) -> bool:
    decision = row.get("decision")
    found = cast("Mapping[str, object]", decision) if isinstance(decision, Mapping) else {}
    return found.get("action") == "block" or found.get("would_block") is True


def _said(row: Row, values: Mapping[str, object]) -> Conversation:
    delivered = values.get("delivered")
    answer = (Message("assistant", delivered),) if isinstance(delivered, str) and delivered else ()
    return (*conversation_of(row), *answer)


def _traces(project: Project) -> dict[Split, list[Trace]]:
    return read_traces(stands(project)["traces"] / TRACES)
