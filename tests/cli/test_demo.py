"""`lictor demo`: the whole way on a project, and three turns behind its guard."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.cli.main import app
from lictor.errors import ModelNotFoundError
from lictor.llm.weights import EMBEDDED, locate

from .small import write_packed_project


@pytest.mark.slow
def test_a_demo_makes_a_guard_and_shows_it(tiny: str, tmp_path: Path) -> None:
    """On a project that stands already: five stages, three turns with scores, seconds for each part."""
    try:
        locate(EMBEDDED)
    except ModelNotFoundError as error:
        pytest.skip(str(error))
    folder = write_packed_project(tmp_path, tiny)

    result = CliRunner().invoke(app, ["demo", str(folder), "--json"])

    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert list(shown["seconds"]) == ["data", "input", "stream", "traces", "policy", "guard", "show"]
    assert len(shown["turns"]) == 3
    assert {turn["outcome"] for turn in shown["turns"]} <= {"answered", "refused", "halted"}
    assert [turn["expected"] for turn in shown["turns"]] == ["answered", "refused", "halted"]
    assert shown["guard"] == str(folder / "guard")


def test_a_demo_never_writes_over_a_constitution(tmp_path: Path) -> None:
    """A folder with a constitution of its own is refused before anything is made."""
    (tmp_path / "constitution.yaml").write_text("mine")

    result = CliRunner().invoke(app, ["demo", str(tmp_path)])

    assert result.exit_code == 2
    assert "already there" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["constitution.yaml"]
    assert (tmp_path / "constitution.yaml").read_text() == "mine"


def test_a_demo_on_a_broken_project_is_told(tmp_path: Path) -> None:
    """The error is that of the project, with exit code 2."""
    (tmp_path / "lictor.yaml").write_text("nonsense: 1")

    result = CliRunner().invoke(app, ["demo", str(tmp_path)])

    assert result.exit_code == 2
    assert "nonsense: extra inputs" in result.stderr
