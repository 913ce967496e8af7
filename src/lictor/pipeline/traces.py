"""Calibration traces as a file: scores and names, no text.

In: traces by split. Out: one JSON object a line, and back. Infinite scores are written as JSON's extension `Infinity`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lictor.calibration.traces import Trace
from lictor.errors import ArtifactError
from lictor.types import Split

_ROWS = TypeAdapter(Trace)


def write_traces(path: Path, traces: Mapping[Split, Sequence[Trace]]) -> None:
    """Write every trace with its split, in order."""
    rows = [{"split": split, **asdict(trace)} for split, found in traces.items() for trace in found]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_traces(path: Path) -> dict[Split, list[Trace]]:
    """The traces of each split.

    Raises:
        ArtifactError: A line is not a trace.
    """
    traces: dict[Split, list[Trace]] = {"validation": [], "calibration": [], "test": []}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            traces[row.pop("split")].append(_ROWS.validate_python(row))
        except (ValueError, TypeError, KeyError, AttributeError, ValidationError) as error:
            raise ArtifactError(f"{path}:{number}: expected a trace, got something else ({error})") from error
    return traces
