"""Rows of a log become benign traffic only where somebody, or the guard, says that they are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lictor.errors import DataError
from lictor.pipeline.calibrating import Label, Taken, read_logs
from lictor.types import Message


def row(text: str, action: str = "allow", **more: object) -> dict[str, object]:
    """A row of the server's decision log with text."""
    messages = [{"role": "user", "content": text}]
    return {"decision": {"action": action, "would_block": False}, "messages": messages, "delivered": "Yes.", **more}


def read(folder: Path, rows: Sequence[Mapping[str, object]], stopped: Label | None = None) -> tuple[list[str], Taken]:
    """First messages of what is kept, and what became of the rows."""
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(one) + "\n" for one in rows))
    kept, taken = read_logs([log], stopped)
    assert all(one[-1] == Message("assistant", "Yes.") for one in kept if len(one) > 1)
    return [one[0].content for one in kept], taken


def test_what_passed_counts_as_benign_and_what_has_no_text_is_left_out(tmp_path: Path) -> None:
    """The answer is what was delivered; a row of another file needs no decision."""
    rows = [row("a"), row("b", delivered=""), {**row("c"), "messages": None}, {"prompt": "d", "response": "Yes."}]

    assert read(tmp_path, rows) == (["a", "b", "d"], Taken(kept=3, restricted=0, empty=1))


def test_what_was_stopped_needs_a_label(tmp_path: Path) -> None:
    """Its own, or one for all; the error says how many and where."""
    monitored = row("c", decision={"action": "allow", "would_block": True})
    rows = [row("a"), row("b", "block"), monitored, row("d", "block", label="permitted"), row("e", label="restricted")]

    with pytest.raises(DataError, match=r"2 rows were stopped .*, the first at .*log\.jsonl:2: add"):
        read(tmp_path, rows)
    assert read(tmp_path, rows, "restricted") == (["a", "d"], Taken(kept=2, restricted=3, empty=0))
    assert read(tmp_path, rows, "permitted") == (["a", "b", "c", "d"], Taken(kept=4, restricted=1, empty=0))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{**row("a"), "label": "harmless"}], r"log\.jsonl:1: label: expected permitted or restricted, got 'harmless'"),
        ([[]], r"log\.jsonl:1: expected an object"),
        ([{**row("a"), "messages": None}], r"got none \(0 restricted, 1 without text"),
        ([{"x": 1}], "expected messages"),
    ],
)
def test_rows_that_say_nothing_are_told(tmp_path: Path, rows: list[dict[str, object]], told: str) -> None:
    """File and line, what was expected, what to do."""
    with pytest.raises(DataError, match=told):
        read(tmp_path, rows)
