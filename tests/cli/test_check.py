"""`lictor check`: a decision for each conversation, for people and for programs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.cli.main import app
from lictor.types import Policy

SaveGuard = Callable[[Path, Policy], Path]
PASS = Policy(1e9, 1e9)
ROWS = [
    {"text": "How do bells ring?"},
    {"prompt": "Why at noon?", "response": "Because everybody is awake then, and hungry."},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
    {"text": "\u200b\u0000 \ud800 🔔"},
]


@pytest.fixture(scope="module")
def guards(save_tiny_guard: SaveGuard, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Guards that let everything pass, refuse every prompt, halt every answer, or only say that they would."""
    folder = tmp_path_factory.mktemp("guards")
    policies = {
        "pass": PASS,
        "refuse": replace(PASS, input_threshold=-1e9),
        "halt": replace(PASS, output_threshold=-1e9),
        "monitor": replace(PASS, input_threshold=-1e9, enforcement="monitor"),
    }
    return {name: save_tiny_guard(folder / name, policy) for name, policy in policies.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A JSONL file of four conversations."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS))
    return path


def check(guard: Path, *arguments: str) -> list[dict[str, object]]:
    """The objects that `check --json` prints, one a line."""
    result = CliRunner().invoke(app, ["check", "-g", str(guard), "--json", *arguments])
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("guard", "actions"),
    [
        ("pass", ["allow"] * 4),
        ("refuse", ["block"] * 4),
        ("halt", ["allow", "block", "block", "allow"]),
        ("monitor", ["flag"] * 4),
    ],
)
def test_a_file_gives_an_object_a_line(guards: dict[str, Path], file: Path, guard: str, actions: list[str]) -> None:
    """In the order of the file, each with an id of its own, a score and a probability."""
    rows = check(guards[guard], "--file", str(file))

    assert [row["action"] for row in rows] == actions
    assert len({row["id"] for row in rows}) == 4
    for row in rows:
        assert isinstance(row["score"], float)
        assert 0 <= float(str(row["p_harm"])) <= 1
        assert row["guard_version"] == "0123456789abcdef"
        assert row["would_block"] == (row["action"] == "flag")


def test_a_text_gives_a_decision(guards: dict[str, Path]) -> None:
    """For programs one object; for people one line; the empty text is a text."""
    (row,) = check(guards["refuse"], "How is it cast?")
    shown = CliRunner().invoke(app, ["check", "-g", str(guards["refuse"]), "How is it cast?"])

    assert (row["action"], row["stage"], row["id"]) == ("block", "input", "text")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("block  input stage, score ")
    assert [r["action"] for r in check(guards["pass"], "")] == ["allow"]


def test_what_is_too_long_is_blocked_by_name(guards: dict[str, Path]) -> None:
    """The decision names the reason, has no score, and the exit code stays 0: the check was done."""
    (row,) = check(guards["pass"], "ring " * 520)

    assert (row["action"], row["status"], row["reason"], row["score"]) == (
        "block",
        "error",
        "conversation_too_long",
        None,
    )


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b"", "expected at least one conversation"),
        ("a.jsonl", b'{"text": "x"}\n\xff\n', "a.jsonl:2: expected UTF-8"),
        ("a.jsonl", b'{"text": "x"}\n{"text": ', "a.jsonl:2: expected whole JSON"),
        ("a.jsonl", b'{"words": "x"}', "a.jsonl:1: expected messages, or prompt and response, or text; got words"),
        ("a.jsonl", b'{"messages": [{"role": "king", "content": "x"}]}', "a.jsonl:1"),
        ("a.txt", b"x", "expected .jsonl, .csv or .parquet"),
        ("a.jsonl.gz", b"x", "a.jsonl.gz"),
        ("a.parquet", b"x", "expected Parquet"),
        (None, b"", "could not read one"),
    ],
)
def test_a_file_that_holds_no_conversations(
    guards: dict[str, Path], tmp_path: Path, name: str | None, data: bytes, message: str
) -> None:
    """Exit code 1, one line on stderr that says where, and nothing on stdout."""
    if name:
        (tmp_path / name).write_bytes(data)

    result = CliRunner().invoke(app, ["check", "-g", str(guards["pass"]), "--file", str(tmp_path / (name or "x.csv"))])

    assert result.exit_code == 1
    assert result.stderr.startswith("lictor: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"), [([], "got neither"), (["x", "--file", "y.jsonl"], "got both"), (["x", "--guards"], "-")]
)
def test_wrong_use_is_told(arguments: list[str], message: str) -> None:
    """Exit code 2."""
    result = CliRunner().invoke(app, ["check", *arguments])

    assert result.exit_code == 2
    assert message in result.stderr


def test_a_guard_that_is_none_is_told(guards: dict[str, Path], tmp_path: Path) -> None:
    """Missing, a file, or with an altered file in it: exit code 1 and one line that says which."""
    (tmp_path / "file").write_text("")
    altered = tmp_path / "altered"
    altered.mkdir()
    for path in guards["pass"].iterdir():
        (altered / path.name).write_bytes(path.read_bytes())
    (altered / "policy.json").write_text("{}")

    for folder in (tmp_path / "none", tmp_path / "file", altered):
        result = CliRunner().invoke(app, ["check", "-g", str(folder), "x"])
        assert result.exit_code == 1
        assert result.stderr.startswith(f"lictor: {folder}")
        assert result.stderr.count("\n") == 1


def test_a_guard_whose_backbone_is_gone_is_told(tiny_heads: dict[str, Path], tmp_path: Path) -> None:
    """Exit code 2, and the message names the model."""
    from lictor.assemble import save_guard
    from lictor.model.backbone import Cut

    save_guard(
        tmp_path / "guard",
        reference="path:/gone",
        cut=Cut(2, 3),
        precision="int8",
        window=1,
        heads={"input": tiny_heads["input"], "stream": tiny_heads["stream"]},
        policy=PASS,
        constitution_text="",
        card="",
        key="k",
        parents={},
    )

    result = CliRunner().invoke(app, ["check", "-g", str(tmp_path / "guard"), "x"])

    assert result.exit_code == 2
    assert "path:/gone: expected a folder with config.json" in result.stderr
