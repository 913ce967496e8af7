"""Traces come back from their file as they were written."""

from math import inf
from pathlib import Path

import pytest

from lictor.calibration.traces import Answered, Trace
from lictor.errors import ArtifactError
from lictor.pipeline.traces import read_traces, write_traces


def test_traces_come_back(tmp_path: Path) -> None:
    """Infinite scores, several answers and none included."""
    traces = [
        Trace("a", "everyday", "everyday", is_restricted=False, prompt_score=-inf),
        Trace("b", "wrapped", "restricted", True, 1.25, (Answered(inf, -0.5), Answered(-inf, 0.1 + 0.2))),
    ]
    write_traces(tmp_path / "t.jsonl", {"validation": traces, "test": traces[:1]})

    assert read_traces(tmp_path / "t.jsonl") == {"validation": traces, "calibration": [], "test": traces[:1]}


@pytest.mark.parametrize("line", ["{", "[]", '{"split": "train"}', '{"split": "test", "source": "x"}'])
def test_a_line_that_is_no_trace_is_named(tmp_path: Path, line: str) -> None:
    """File and line are told."""
    (tmp_path / "t.jsonl").write_text(line)

    with pytest.raises(ArtifactError, match=r"t\.jsonl:1: expected a trace"):
        read_traces(tmp_path / "t.jsonl")
