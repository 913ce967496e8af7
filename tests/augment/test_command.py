import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lictor.augment import transforms
from lictor.cli.augment import augment_command
from lictor.types import Example, Message


def run(*arguments: str) -> str:
    """What the command prints."""
    app = typer.Typer()
    app.command()(augment_command)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_as_json_describes_every_transform() -> None:
    """`--list --json` prints each transform with all that is known of it."""
    rows = json.loads(run("--list", "--json"))

    assert [row["name"] for row in rows] == list(transforms())
    assert set(rows[0]) >= {"name", "family", "side", "reversible", "source", "decodable_by_view"}


def test_list_prints_a_table_for_people() -> None:
    """`--list` alone shows the families by name."""
    assert "encoding" in run("--list")


def test_a_file_goes_in_and_a_file_comes_out(tmp_path: Path) -> None:
    """Each example read is written anew as often as asked, and the summary says so."""
    store = pytest.importorskip("lictor.dataset.store")
    plain = [
        Example(f"e{label}", "c", (Message("user", "Which loaf?"),), label, None, None, "synthesis") for label in (0, 1)
    ]
    store.write_jsonl(tmp_path / "in.jsonl", plain)

    summary = run(str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"), "--per-example", "3", "--json")

    made = store.read_jsonl(tmp_path / "out.jsonl")
    assert json.loads(summary)["written"] == len(made) == 6
    assert {one.parent for one in made} == {"e0", "e1"}
