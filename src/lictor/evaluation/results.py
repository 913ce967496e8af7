"""Keep measured figures in one JSON file, and write tables from it.

In: figures and the command that measured them. Out: the file, and Markdown. Knows no measure.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, cast

from lictor.artifacts import write_atomic
from lictor.errors import DataError
from lictor.evaluation.measures import Figure

Row = Mapping[str, object]
FIELDS = ("name", "value", "low", "high", "n", "unit", "command", "commit", "date")


class Stamp(NamedTuple):
    """What the code was and when it ran."""

    commit: str
    date: str


def stamp_now(folder: Path) -> Stamp:
    """The commit checked out around `folder` (`unknown` outside a repository) and today's date, UTC."""
    asked = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - git is found on PATH as everywhere
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return Stamp(asked.stdout.strip() or "unknown", datetime.now(UTC).date().isoformat())


def record(path: Path, figures: Sequence[Figure], command: str, stamp: Stamp | None = None) -> None:
    """Put `figures` into the results file, each replacing the one of its name; the file changes in one step.

    Args:
        path: The results file; made when missing.
        figures: What was measured.
        command: What measures them again.
        stamp: Commit and date; those of now when None.

    Raises:
        DataError: A name occurs twice, or the file there is not a results file.
    """
    names = [figure.name for figure in figures]
    if len(set(names)) != len(names):
        raise DataError(f"expected each figure once, got {sorted({n for n in names if names.count(n) > 1})} twice")
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp = stamp or stamp_now(path.parent)
    rows: dict[str, Row] = {str(row["name"]): row for row in read(path)} if path.exists() else {}
    for figure in figures:
        rows[figure.name] = {**asdict(figure), "command": command, **stamp._asdict()}
    ordered = [rows[name] for name in sorted(rows)]
    write_atomic(path, json.dumps(ordered, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read(path: Path) -> list[Row]:
    """The rows of a results file.

    Raises:
        DataError: It is not a JSON list of rows with the known fields.
    """
    try:
        rows = cast(object, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a JSON list of figures, could not read one ({error})") from error
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a JSON list of figures, got {type(rows).__name__}")
    for row in cast(list[object], rows):
        if not isinstance(row, dict) or set(cast(dict[str, object], row)) != set(FIELDS):
            raise DataError(f"{path}: expected every figure to have {', '.join(FIELDS)}, got {row!r}")
    return cast(list[Row], rows)


def render(rows: Sequence[Row], glance: Mapping[str, str] | None = None, notes: Mapping[str, str] | None = None) -> str:
    """The rows as Markdown: a table for each first part of the names, with the commands that measured it below.

    Args:
        rows: The figures.
        glance: Names of the figures to show first, as far as they are there, and what to call them.
        notes: What a reader of a group has to know, by the first part of its names.
    """
    parts = ["# Results", "Made from `results.json`; do not edit. Intervals are 95%."]
    known = {str(row["name"]): row for row in rows}
    if shown := [(title, known[name]) for name, title in (glance or {}).items() if name in known]:
        lines = ["## At a glance", "", "| figure | value | interval | n |", "|---|---:|---:|---:|"]
        parts.append("\n".join([*lines, *(_line(row, title) for title, row in shown)]))
    ordered = sorted(rows, key=lambda row: (_group(row), str(row["name"])))
    for group, members in groupby(ordered, key=_group):
        table = list(members)
        lines = [f"## {group.replace('_', ' ')}", "", "| figure | value | interval | n |", "|---|---:|---:|---:|"]
        lines += [_line(row) for row in table]
        sources = dict.fromkeys(f"- `{row['command']}` at {row['commit']}, {row['date']}" for row in table)
        said = ["", notes[group]] if notes and group in notes else []
        parts.append("\n".join([*lines, *said, "", *sources]))
    return "\n\n".join(parts) + "\n"


def _group(row: Row) -> str:
    return str(row["name"]).partition("/")[0]


def _line(row: Row, title: str = "") -> str:
    group, _, rest = str(row["name"]).partition("/")
    unit = str(row["unit"])
    value, low, high = (number(cast(float, row[field]), unit) for field in ("value", "low", "high"))
    shown = value if unit == "share" else f"{value} {unit}"
    interval = "none" if row["n"] == 1 else f"{low} to {high}"
    return f"| {(title or rest or group).replace('|', chr(92) + '|')} | {shown} | {interval} | {row['n']:,} |"


def number(value: float, unit: str) -> str:
    """A value for people: a share in per cent, anything else to four digits, large values to the whole."""
    if unit == "share":
        return f"{value:.2%}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
