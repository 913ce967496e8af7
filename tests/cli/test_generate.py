"""`lictor generate`: what it will ask for, what it asked for, and a run that is killed at any point."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pipeline.small import Generator, change_settings, write_project
from typer.testing import CliRunner

from lictor.artifacts import read_manifest
from lictor.cli.main import app
from lictor.dataset.store import read_dataset
from lictor.llm.cache import CompletionStore
from lictor.llm.load import chat_model_name, load_chat_model


@pytest.fixture
def server() -> Iterator[Generator]:
    """A generator behind a real endpoint."""
    with Generator() as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield made
        made.shutdown()


def test_a_dry_run_counts_the_calls_that_a_run_makes(server: Generator, tmp_path: Path, no_cache: Path) -> None:
    """Before: every call of the stages whose prompts are certain. After: all are paid for, and again makes the same."""
    project = write_project(tmp_path / "p", "path:/none", "path:/none")
    change_settings(project, generator={"price_in": 1.0, "price_out": 1000.0, "requests_per_minute": 6e6})
    command = ["generate", str(project.folder), "--generator", server.reference, "--out", str(tmp_path / "pack")]
    before = json.loads(CliRunner().invoke(app, [*command, "--dry-run", "--json"]).stdout)
    assert not server.asked
    done = CliRunner().invoke(app, [*command, "--json"])
    asked = len(server.asked)
    after = json.loads(CliRunner().invoke(app, [*command, "--dry-run", "--json"]).stdout)
    shown = CliRunner().invoke(app, [*command, "--augment", "2"])
    calls = {stage["stage"]: stage["calls"] for stage in before["stages"]}

    assert done.exit_code == 0, done.stderr
    assert (
        calls["queries: trial"] + calls["queries"]
        == sum("messages that people send" in prompt for prompt in server.asked)
        == 20
    )
    assert sum(calls.values()) == pytest.approx(asked, rel=0.25)
    assert before["cost"] > 0
    assert sum(stage["calls"] for stage in after["stages"]) == 0
    assert sum(stage["known"] for stage in after["stages"]) >= asked
    assert (before["seconds"] > 0, after["cost"]) == (True, 0)

    packed, more = read_dataset(tmp_path / "pack"), read_dataset(tmp_path / "pack-augmented")
    trained = sum(example.split == "train" for example in packed)
    assert len(server.asked) == asked
    assert len(more) == len(packed) + 2 * trained
    assert all(example.transforms and example.split == "train" for example in more[len(packed) :])
    assert read_manifest(tmp_path / "pack-augmented").parents == {"pack": read_manifest(tmp_path / "pack").fingerprint}
    assert re.search(r"queries: usable +\d+ of 60 ", shown.stdout)
    assert re.search(r"soup +\d+ +\d+ generated", shown.stdout)


def test_an_estimate_is_shown_in_a_table(server: Generator, tmp_path: Path, no_cache: Path) -> None:
    """With the stages, and that no time is known before a first run."""
    project = write_project(tmp_path / "p", server.reference, "path:/none")
    shown = CliRunner().invoke(app, ["generate", str(project.folder), "--dry-run"]).stdout

    assert "queries" in shown
    assert "time unknown before a first run" in shown


def test_a_pack_made_anew_is_another_pack(server: Generator, tmp_path: Path, no_cache: Path) -> None:
    """With the same settings and other answers it has another fingerprint, by which runs know it."""
    project = write_project(tmp_path / "p", server.reference, "path:/none")
    command = ["generate", str(project.folder), "-o", str(tmp_path / "pack"), "--augment", "1", "--cache"]
    made: list[set[str]] = []
    for mood in ("plain", "chatty", "plain"):
        server.mood = mood
        done = CliRunner().invoke(app, [*command, str(tmp_path / mood)])
        assert done.exit_code == 0, done.stderr
        made.append({read_manifest(tmp_path / name).fingerprint for name in ("pack", "pack-augmented")})

    assert made[0] == made[2]
    assert not made[0] & made[1]


@pytest.mark.slow
@pytest.mark.parametrize("answers", [7, 33])
def test_a_killed_run_goes_on_and_makes_the_same_pack(
    server: Generator, answers: int, tmp_path: Path, no_cache: Path
) -> None:
    """SIGKILL after so many answers: no recorded call is asked for again, and the pack is the same byte for byte."""
    project = write_project(tmp_path / "p", server.reference, "path:/none")
    whole = CliRunner().invoke(app, ["generate", str(project.folder), "--out", str(tmp_path / "whole")])
    assert whole.exit_code == 0, whole.stderr
    once = len(server.asked)
    server.asked.clear()
    environment = {**os.environ, "LICTOR_CACHE": str(tmp_path / "other")}
    arguments = [sys.executable, "-c", "from lictor.cli.main import app; app()", "generate", str(project.folder)]
    arguments += ["-o", str(tmp_path / "pack")]
    run = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own interpreter
    while len(server.asked) < answers and run.poll() is None:
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    known = CompletionStore(tmp_path / "other" / "completions.sqlite")
    kept = len(known)
    known.close()
    server.asked.clear()
    again = subprocess.run(arguments, env=environment, capture_output=True, check=False)  # noqa: S603 - our own interpreter

    assert again.returncode == 0, again.stderr
    assert len(server.asked) + kept == once
    assert read_manifest(tmp_path / "pack").files == read_manifest(tmp_path / "whole").files


def test_a_model_is_called_the_same_before_it_is_loaded(server: Generator, tiny: str) -> None:
    """An estimate looks into the same cache as the run."""
    assert chat_model_name(server.reference) == load_chat_model(server.reference).name
    assert chat_model_name(tiny, "fp32") == load_chat_model(tiny, precision="fp32").name
