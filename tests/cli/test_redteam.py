"""`lictor redteam`: a project's guard attacked, what got through trained on, and nothing sent twice."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.pipeline.small import Generator
from typer.testing import CliRunner

from lictor.cli.main import app
from lictor.dataset.store import read_dataset
from lictor.llm.cache import CompletionStore
from lictor.pipeline.config import load_project
from lictor.pipeline.stages import plan
from lictor.types import Policy

from .small import write_packed_project

SaveGuard = Callable[[Path, Policy], Path]
FEW = ["--limit", "2", "--queries", "6", "--json"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny: str, save_tiny_guard: SaveGuard) -> Path:
    """A project that was run, and two more guards: one that passes everything, and one that refuses everything."""
    folder = write_packed_project(tmp_path_factory.mktemp("attacked"), tiny)
    assert CliRunner().invoke(app, ["run", str(folder)]).exit_code == 0
    save_tiny_guard(folder / "open", Policy(1e9, 1e9))
    save_tiny_guard(folder / "shut", Policy(-1e9, -1e9))
    return folder


def attack(project: Path, guard: str, out: Path, *more: str) -> dict[str, Any]:
    """What the command prints."""
    done = CliRunner().invoke(
        app, ["redteam", str(project), "--guard", str(project / guard), "--out", str(out), *FEW, *more]
    )
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_finds_join_the_training_data(project: Path, tmp_path: Path, no_cache: Path) -> None:
    """What got past the guard is labelled restricted, balanced by permitted twins, and taken by the next run."""
    said = attack(project, "open", tmp_path / "found")
    finds = read_dataset(tmp_path / "found" / "data")
    settings = yaml.safe_load((project / "lictor.yaml").read_text())
    (project / "lictor.yaml").write_text(yaml.safe_dump({**settings, "attacks": [str(tmp_path / "found" / "data")]}))
    again = CliRunner().invoke(app, ["run", str(project), "--json"])
    (project / "lictor.yaml").write_text(yaml.safe_dump(settings))
    data = max((project / "runs").glob("data-*"), key=lambda path: path.stat().st_mtime)

    assert (said["found"], said["permitted"]) == (10, 10)
    assert [e.prompt_label for e in finds] == [1] * 10 + [0] * 10
    assert {e.split for e in finds} == {"train"}
    assert [row["made"] for row in json.loads(again.stdout)][:2] == [True, True]
    assert {e.id for e in finds} <= {e.id for e in read_dataset(data)}
    assert "<svg" in (tmp_path / "found" / "curve.svg").read_text()


def test_a_shut_guard_is_not_passed_and_a_second_hunt_sends_nothing(
    project: Path, tmp_path: Path, no_cache: Path
) -> None:
    """The curve stays at zero, no data is written, and a repeated hunt reads what the first one learned."""
    first = attack(project, "shut", tmp_path / "one")
    store = no_cache / "completions.sqlite"
    known = CompletionStore(store)
    before = len(known)
    known.close()
    second = attack(project, "shut", tmp_path / "two")
    known = CompletionStore(store)

    assert first["found"] == 0
    assert {point["value"] for point in first["curve"]} == {0}
    assert not (tmp_path / "one" / "data").exists()
    assert 0 < before == len(known) <= first["queries"]
    assert (tmp_path / "one" / "tries.jsonl").read_bytes() == (tmp_path / "two" / "tries.jsonl").read_bytes()
    assert {**first, "folder": ""} == {**second, "folder": ""}


@pytest.mark.slow
def test_a_generator_plans_conversations_and_judges_a_real_target(
    project: Path, tmp_path: Path, no_cache: Path
) -> None:
    """With a generator there is one attacker more; a judged target counts only what its judges pass."""
    settings = yaml.safe_load((project / "lictor.yaml").read_text())
    with Generator() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        model = {"model": server.reference}
        (project / "lictor.yaml").write_text(yaml.safe_dump({**settings, "generator": model, "protected": model}))
        try:
            worst = attack(project, "open", tmp_path / "worst", "--generator", "--attacker", "staged")
            judged = attack(project, "open", tmp_path / "judged", "--attacker", "staged", "--target", "model")
        finally:
            (project / "lictor.yaml").write_text(yaml.safe_dump(settings))
            server.shutdown()
    turns = [json.loads(line)["turns"] for line in (tmp_path / "worst" / "tries.jsonl").read_text().splitlines()]

    assert worst["found"] == 2
    assert max(turns) >= 2
    assert judged["found"] == 0  # its judge says yes to everything, and so to "did it refuse?"


def test_a_dry_run_says_the_most_it_can_cost(tmp_path: Path) -> None:
    """Without a project or a guard."""
    done = CliRunner().invoke(app, ["redteam", str(tmp_path), "--dry-run", "--attacker", "tree", *FEW])

    assert json.loads(done.stdout) == {"queries": 12, "seconds": 1200.0}


def test_an_unknown_attacker_is_wrong_use(tmp_path: Path) -> None:
    """The message names those there are."""
    done = CliRunner().invoke(app, ["redteam", str(tmp_path), "--attacker", "forest"])

    assert done.exit_code == 2
    assert "best_of_n, rewriting, tree, boundary, gradual, staged; got forest" in " ".join(done.stderr.split())


def test_a_project_that_was_not_run_has_no_guard(tiny: str, tmp_path: Path) -> None:
    """It is told in one line."""
    folder = write_packed_project(tmp_path, tiny)
    done = CliRunner().invoke(app, ["redteam", str(folder), *FEW])

    assert plan(load_project(folder))[0].is_new
    assert done.exit_code == 1
    assert "guard: expected an artefact folder" in done.stderr
