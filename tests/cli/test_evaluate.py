"""`lictor evaluate` and `lictor report`: from a project to figures and a page."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lictor.cli.main import app
from lictor.pipeline.config import load_project
from lictor.pipeline.stages import run
from lictor.types import Policy

from .small import write_packed_project

SaveGuard = Callable[[Path, Policy], Path]
KNOWLEDGE = {
    "questions": [{"id": f"q{n}", "rule": "cast", "text": f"How is part {n} cast?"} for n in (1, 2)],
    "facts": [
        {
            "id": f"f{n}{m}",
            "rule": "cast",
            "question": f"q{n}",
            "say": ["Use {value}."],
            "value": f"{n}{m} marrows of tin",
        }
        for n in (1, 2)
        for m in range(3)
    ],
    "answers": [{"topic": topic, "text": f"Of {topic} little is known."} for topic in ("bread", "tea", "rope", "soup")],
}


def write_knowledge(folder: Path) -> Path:
    """A folder of two questions with three facts each."""
    folder.mkdir()
    for name, key in (("questions", "questions"), ("handbook", "facts"), ("ordinary", "answers")):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({key: KNOWLEDGE[key]}))
    return folder


@pytest.fixture(scope="module")
def project(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained tiny guard, a knowledge folder and a file of chats."""
    folder = write_packed_project(tmp_path_factory.mktemp("project"), tiny)
    write_knowledge(folder / "knowledge")
    settings = yaml.safe_load((folder / "lictor.yaml").read_text())
    (folder / "lictor.yaml").write_text(yaml.safe_dump({**settings, "knowledge": "knowledge"}))
    rows = [{"prompt": f"What is {n} and {n}?", "response": f"It is {2 * n}."} for n in range(9)]
    (folder / "chats.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run(load_project(folder), lambda stage, at, total, loss: None)
    return folder


def invoke(*arguments: str | Path) -> str:
    """What the command prints; it must end well."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_from_a_project_to_figures_and_a_page(project: Path, tmp_path: Path) -> None:
    """Guard and baseline meet the same cases; run again nothing is scored; the page needs no other file."""
    out = tmp_path / "out"
    asked = ("evaluate", project, "-o", out, "--attacks", "12", "--pool", f"chats={project / 'chats.jsonl'}")
    asked = (*asked, "--limit", "10000")

    found = json.loads(invoke(*asked, "--baseline", "keywords", "--json"))

    names = {guard: {row["name"] for row in rows} for guard, rows in found["figures"].items()}
    assert set(names) == {"guard", "keywords"}
    for name in ("worst_case/guard/attack_success/pass", "false_positives/source/chats", "recall/source/test split"):
        assert name in names["guard"] & names["keywords"]
    [bare] = [row for row in found["figures"]["guard"] if row["name"] == "worst_case/unguarded/attack_success/pass"]
    assert bare["value"] == 1
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert json.loads(invoke(*asked, "--baseline", "keywords", "--json")) == found
    assert {path.name: path.read_bytes() for path in out.iterdir()} == written

    page = Path(json.loads(invoke("report", out, "--json"))["page"])

    html = page.read_text()
    assert "<h3>Attack success by family and question</h3>" in html
    assert html.count("<svg") >= 2
    assert not re.findall(r'(?:src|href)="(?!#|data:)', html)
    kept = json.loads(page.with_suffix(".json").read_text())
    assert {row["name"] for row in kept["figures"]["guard"]} == names["guard"]
    assert [row["name"] for row in kept["summary"]][:1] == ["worst_case/guard/attack_success/pass"]


def test_a_dry_run_says_what_would_run(project: Path, tmp_path: Path) -> None:
    """Counts by suite and seconds, and nothing is written."""
    found = json.loads(invoke("evaluate", project, "-o", tmp_path / "out", "--attacks", "24", "--dry-run", "--json"))

    assert found["cases"]["plain, attack"] == 2
    assert found["seconds"] >= 0
    assert not (tmp_path / "out").exists()


def test_a_guard_folder_alone_is_evaluated_on_files(save_tiny_guard: SaveGuard, tmp_path: Path) -> None:
    """Without a project there are the questions that are named and the files, and an unfinished run says so."""
    guard = save_tiny_guard(tmp_path / "guard", Policy(1e9, 1e9))
    knowledge = write_knowledge(tmp_path / "knowledge")

    out = tmp_path / "out"

    text = invoke("evaluate", guard, "-o", out, "--attacks", "60", "--knowledge", knowledge, "--limit", "1")
    invoke("report", out, "--title", "Bells & more")

    assert "worst_case/guard/attack_success/pass" in text
    html = (out / "report.html").read_text()
    assert "<h1>Bells &amp; more</h1>" in html
    assert "The run is not finished: 64 of" in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "{tmp}"], "expected a project (lictor.yaml) or a guard folder"),
        (["evaluate", "{guard}"], "nothing to evaluate on"),
        (["evaluate", "{guard}", "--pool", "chats"], "expected NAME=FILE, got no '='"),
        (
            ["evaluate", "{project}", "--baseline", "oracle", "-o", "{tmp}/o"],
            "expected keywords, bag_of_words,",
        ),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], message: str, project: Path, save_tiny_guard: SaveGuard, tmp_path: Path
) -> None:
    """Exit code 2, and the message says what to do."""
    guard = save_tiny_guard(tmp_path / "guard", Policy(1e9, 1e9))
    filled = [text.format(tmp=tmp_path, guard=guard, project=project) for text in arguments]

    result = CliRunner().invoke(app, filled)

    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_report_without_an_evaluation_is_told(tmp_path: Path) -> None:
    """Exit code 1, and the message names what is missing."""
    result = CliRunner().invoke(app, ["report", str(tmp_path)])

    assert result.exit_code == 1
    assert "expected the folder of an evaluation" in result.stderr
