"""`lictor audit` on files, folders and projects."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lictor.cli.main import app
from lictor.dataset.review import draw_sample
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


def test_labels_that_words_say_nothing_of_are_told_as_such(tmp_path: Path) -> None:
    """Rules are listed all the same; none of their labels is called doubtful."""
    nouns = "rope stone river letter candle basket garden winter".split()
    asked = [f"Please tell me what a {one} and a {other} have in common" for one in nouns for other in nouns]
    examples = [
        replace(rows()[0], id=text, messages=(Message("user", text),), prompt_label=int(at * 7 % 16 > 7), rule="both")
        for at, text in enumerate(asked)
    ]
    write_jsonl(tmp_path / "a.jsonl", examples)
    told = run(str(tmp_path / "a.jsonl"))

    assert told.exit_code in {0, 1}, told.output
    assert re.search(r"both +\S+ +\S+ +words tell too little", told.stdout)


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


def test_a_readers_verdicts_on_a_sample_are_counted(tmp_path: Path) -> None:
    """The page holds so many random examples; what its reader saved is told as shares with intervals."""
    write_jsonl(tmp_path / "a.jsonl", rows())
    made = run(str(tmp_path / "a.jsonl"), "--sample", "10", "--page", str(tmp_path / "page.html"))
    (tmp_path / "v.json").write_text(json.dumps({str(i): "right" if i else "unusable" for i in range(10)}))
    told = run(str(tmp_path / "a.jsonl"), "--verdicts", str(tmp_path / "v.json"))
    counted = json.loads(run(str(tmp_path / "a.jsonl"), "--verdicts", str(tmp_path / "v.json"), "--json").stdout)
    drawn = draw_sample(rows(), 10)
    (tmp_path / "v.json").write_text(json.dumps({example.id: "right" for example in drawn}))
    in_order = run(str(tmp_path / "a.jsonl"), "--verdicts", str(tmp_path / "v.json"))
    (tmp_path / "v.json").write_text('{"nobody": "right"}')
    strange = run(str(tmp_path / "a.jsonl"), "--verdicts", str(tmp_path / "v.json"))
    (tmp_path / "v.json").write_text('{"1": "fine"}')
    odd = run(str(tmp_path / "a.jsonl"), "--verdicts", str(tmp_path / "v.json"))

    assert made.exit_code == told.exit_code == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count('"answered":') == 10
    assert re.search(r"all +right +9 of 10 +55% to 100%", told.stdout)
    assert {"group": "all", "verdict": "unusable", "examples": 1, "of": 10} in counted["verdicts"]
    skipped = len({example.id for example in drawn} - set(map(str, range(10))))
    assert counted["verdicts_skipped"] == skipped > 0
    assert f"{skipped} of the sample were passed over" in told.stdout
    assert "passed over" not in in_order.stdout
    assert "nobody among them" in strange.output
    assert "right, wrong label, unusable" in odd.output


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
