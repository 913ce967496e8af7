"""`lictor init`, and what every verb shares: help, errors, interrupts, closed pipes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from lictor.cli.main import app, report_errors
from lictor.constitution import Constitution
from lictor.errors import DataError, UsageError
from lictor.starter.templates import DESCRIPTIONS


@pytest.mark.parametrize("template", list(DESCRIPTIONS))
def test_init_writes_a_project_from_each_template(tmp_path: Path, template: str) -> None:
    """Each template gives a constitution that loads and a project file that names it."""
    folder = tmp_path / "new" / "project"

    result = CliRunner().invoke(app, ["init", str(folder), "--template", template])

    assert result.exit_code == 0
    assert Constitution.load(folder / "constitution.yaml").restricted
    project = yaml.safe_load((folder / "lictor.yaml").read_text())
    assert (project["version"], project["constitution"]) == (1, "constitution.yaml")


def test_init_never_overwrites(tmp_path: Path) -> None:
    """A file that is there stays as it is, nothing else is written, and the exit code is 2."""
    (tmp_path / "lictor.yaml").write_text("mine")

    result = CliRunner().invoke(app, ["init", str(tmp_path), "--template", "tutor"])

    assert result.exit_code == 2
    assert "lictor.yaml: already there, and nothing was written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["lictor.yaml"]
    assert (tmp_path / "lictor.yaml").read_text() == "mine"


def test_an_unknown_template_is_wrong_use(tmp_path: Path) -> None:
    """A template that does not exist is refused with the names of those that do, and nothing is written."""
    result = CliRunner().invoke(app, ["init", str(tmp_path / "x"), "--template", "tutr"])

    assert result.exit_code == 2
    assert "no template 'tutr'; expected one of: emberglass, tutor" in result.stderr
    assert not (tmp_path / "x").exists()


def test_init_over_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    """A folder that cannot be made gives a message, not a traceback."""
    (tmp_path / "x").write_text("")

    result = CliRunner().invoke(app, ["init", str(tmp_path / "x" / "y"), "--template", "tutor"])

    assert result.exit_code == 2
    assert "could not be written" in result.stderr


def test_init_lists_the_templates() -> None:
    """`--list --json` gives every template with what it is for; the table names them too."""
    assert json.loads(CliRunner().invoke(app, ["init", "--list", "--json"]).stdout) == DESCRIPTIONS
    assert "chemical-weapons" in CliRunner().invoke(app, ["init", "--list"]).stdout


def test_init_says_what_it_wrote_as_json(tmp_path: Path) -> None:
    """`--json` gives the paths written and nothing else."""
    result = CliRunner().invoke(app, ["init", str(tmp_path), "--template", "conduct", "--json"])

    written = [str(tmp_path / "constitution.yaml"), str(tmp_path / "lictor.yaml")]
    assert json.loads(result.stdout) == {"template": "conduct", "written": written}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no such thing"), 2, "lictor: no such thing\n"),
        (DataError("an empty dataset"), 1, "lictor: an empty dataset\n"),
        (KeyboardInterrupt(), 130, "lictor: interrupted; every artefact that was finished is kept"),
    ],
)
def test_errors_become_a_line_and_an_exit_code(error: BaseException, code: int, message: str) -> None:
    """An error of Lictor's or an interrupt is one line on stderr and its exit code, whatever the verb."""

    def fail() -> None:
        raise error

    broken = typer.Typer()
    broken.command()(report_errors(fail))

    result = CliRunner().invoke(broken, [])

    assert result.exit_code == code
    assert result.stderr.startswith(message)
    assert result.stdout == ""


def test_a_closed_pipe_is_quiet() -> None:
    """When the reader has gone, the command ends without a word on stderr."""
    command = [sys.executable, "-c", "from lictor.cli.main import app; app()", "init", "--list", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603 (own code)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        assert process.stderr.read() == b""


def test_help_is_fast_and_loads_no_tensor_library() -> None:
    """Importing the command line brings neither torch nor transformers, and takes a fraction of a second."""
    code = "import lictor.cli.main, sys; print([m for m in ('torch', 'transformers', 'openai') if m in sys.modules])"
    start = time.perf_counter()

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # noqa: S603 (own code)

    assert printed.strip() == "[]"
    assert time.perf_counter() - start < 5


def test_the_version_is_shown() -> None:
    """`--version` prints the installed version alone."""
    result = CliRunner().invoke(app, ["--version"])

    assert result.exit_code == 0
    assert result.stdout.strip().count(".") == 2
