"""`lictor run`: exit codes, what it prints, and what one wrong line costs."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lictor.cli.main import app

from .small import CONSTITUTION, write_packed_project

STAGES = ["data", "input", "stream", "traces", "policy", "guard"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Path:
    """A project that was run once. Not to be changed: `copy` it."""
    folder = write_packed_project(tmp_path_factory.mktemp("finished"), tiny)
    result = CliRunner().invoke(app, ["run", str(folder), "--json"])
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [(row["stage"], row["made"]) for row in rows] == [(stage, True) for stage in STAGES]
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A finished project of the test's own."""
    return Path(shutil.copytree(finished, tmp_path / "project"))


def test_a_second_run_says_that_all_is_up_to_date(copy: Path) -> None:
    """For people and as JSON, in a real run and in a dry one."""
    runner = CliRunner()
    shown, rows, dry = (runner.invoke(app, ["run", str(copy), *more]) for more in ([], ["--json"], ["--dry-run"]))

    assert shown.exit_code == rows.exit_code == dry.exit_code == 0
    assert shown.stdout.count("up to date") == dry.stdout.count("up to date") == 6
    assert f"guard: {copy / 'guard'}" in shown.stdout
    assert [row["made"] for row in json.loads(rows.stdout)] == [False] * len(STAGES)


def test_a_dry_run_makes_nothing(tiny: str, tmp_path: Path) -> None:
    """It says that every stage would run, and no file is written."""
    folder = write_packed_project(tmp_path, tiny)
    before = sorted(folder.rglob("*"))

    result = CliRunner().invoke(app, ["run", str(folder), "--dry-run", "--json"])

    assert result.exit_code == 0
    assert [(row["stage"], row["would_run"]) for row in json.loads(result.stdout)] == [(s, True) for s in STAGES]
    assert sorted(folder.rglob("*")) == before


def set_to(name: str, value: object) -> Callable[[Path], object]:
    """A change of one key of lictor.yaml."""

    def change(folder: Path) -> None:
        path = folder / "lictor.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {name: value}))

    return change


def write(name: str, data: bytes) -> Callable[[Path], object]:
    """A change of one file."""
    return lambda folder: (folder / name).write_bytes(data)


def damage_pack(folder: Path) -> None:
    """Alter the pack of a project whose data is still to be made."""
    shutil.rmtree(folder / "runs")
    (folder / "pack" / "examples.parquet").write_bytes(b"x")


def remove(name: str) -> Callable[[Path], object]:
    """The removal of one file."""
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (remove("lictor.yaml"), 2, "run `lictor init` first"),
        (set_to("budget", 3), 2, "lictor.yaml:1: budget: extra inputs"),
        (write("lictor.yaml", b"\xff\xfe"), 2, "expected a UTF-8 file"),
        (remove("constitution.yaml"), 2, "constitution.yaml"),
        (write("constitution.yaml", b""), 2, "constitution.yaml"),
        (write("constitution.yaml", b"\xff"), 2, "constitution.yaml"),
        (set_to("pack", "none"), 2, "none: expected a folder"),
        (damage_pack, 1, "altered or cut short"),
        (write("constitution.yaml", CONSTITUTION.replace("soup", "stew").encode()), 2, "path:/no/generator"),
        (set_to("training", {"backbone": "smollm2"}), 2, "expected pypi:PACKAGE, hf:ORG/NAME"),
        (set_to("training", {"backbone": "path:/none"}), 2, "path:/none: expected a folder with config.json"),
        (set_to("training", {"backbone": "openai:m@http://h/v1"}), 2, "is an endpoint"),
        (set_to("policy", {"budget_fpr": 0.001}), 1, "needs 2,995 benign conversations"),
        (set_to("benign", [{"path": "x.jsonl", "source": "x"}]), 2, "x.jsonl"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    copy: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object], code: int, message: str
) -> None:
    """Wrong use ends with 2 and a failed check with 1; stderr says what, stdout nothing, and there is no traceback."""
    monkeypatch.setenv("LICTOR_CACHE", str(copy / "cache"))
    change(copy)

    result = CliRunner().invoke(app, ["run", str(copy), "--json"])

    told = [line for line in result.stderr.splitlines() if line.startswith("lictor: ")]
    assert result.exit_code == code, result.stderr
    assert len(told) == 1
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(tiny: str, tmp_path: Path) -> None:
    """A real interrupt of a real process: one line, no traceback, and what was finished is kept."""
    folder = write_packed_project(tmp_path, tiny)
    settings = yaml.safe_load((folder / "lictor.yaml").read_text())
    settings["training"]["epochs"] = 2_000
    (folder / "lictor.yaml").write_text(yaml.safe_dump(settings))
    listens = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # background jobs ignore it
    command = [sys.executable, "-c", f"{listens}; from lictor.cli.main import app; app()", "run", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 (own code)
        deadline = time.monotonic() + 60
        while not list((folder).glob("runs/input-*.checkpoint")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "lictor: interrupted; every artefact that was finished is kept" in errors
    assert "Traceback" not in errors
    dry = CliRunner().invoke(app, ["run", str(folder), "--dry-run", "--json"])
    assert [row["would_run"] for row in json.loads(dry.stdout)] == [False, True, True, True, True, True]
