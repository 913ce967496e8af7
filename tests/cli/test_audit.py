"""`lictor audit` on files, folders and projects."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lictor.cli.main import app
from lictor.dataset.store import write_dataset, write_jsonl
from lictor.types import Example, Message


def rows() -> list[Example]:
    """Sound examples of both labels in two splits."""
    nouns = "rope stone river letter candle basket garden winter".split()
    return [
        Example(
            id=str(i),
            constitution="",
            messages=(Message("user", f"Tell me about the {nouns[i % 8]} number {i}"),),
            prompt_label=i % 2,
            answer_label=None,
            rule=None,
            source="test",
            split="train" if i < 24 else "test",
        )
        for i in range(32)
    ]


def run(*arguments: str) -> Result:
    """The command's result."""
    return CliRunner().invoke(app, ["audit", *arguments])


def test_a_sound_file_passes(tmp_path: Path) -> None:
    """Exit code 0, and both labels in the table."""
    write_jsonl(tmp_path / "a.jsonl", rows())

    result = run(str(tmp_path / "a.jsonl"))

    assert result.exit_code == 0, result.output
    assert "nothing speaks against training on it" in result.output


def test_a_leak_ends_with_exit_code_1_and_the_reason(tmp_path: Path) -> None:
    """As JSON: the reasons, and the audit by name; the page is written all the same."""
    leaking = [*rows(), replace(rows()[0], id="again", split="test")]
    write_dataset(tmp_path / "d", leaking, key="k")

    result = run(str(tmp_path / "d"), "--json", "--page", str(tmp_path / "page.html"))

    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert "word for word: 1" in told["reasons"][0]
    assert told["examples"] == 33
    assert "Audit" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["nowhere"], "expected a project, a dataset folder"), (["nowhere", "--limit", "x=1"], "expected NAME=NUMBER")],
)
def test_wrong_use_is_told(arguments: list[str], told: str) -> None:
    """What is no dataset, and what is no limit, end with exit code 2."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert told in result.output


def test_a_project_without_data_says_what_to_do(tmp_path: Path) -> None:
    """A project that was never run has nothing to audit."""
    CliRunner().invoke(app, ["init", str(tmp_path / "p"), "--template", "conduct"])

    result = run(str(tmp_path / "p"))

    assert result.exit_code == 2
    assert "run `lictor run` first" in result.output
