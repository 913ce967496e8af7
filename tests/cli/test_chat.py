"""`lictor chat`: a model behind a guard, one message or a talk."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.cli.main import app
from lictor.llm.load import load_chat_model
from lictor.testing import ask
from lictor.types import Policy, Sampling

SaveGuard = Callable[[Path, Policy], Path]
MESSAGE = "What rings at noon?"


@pytest.fixture(scope="module")
def answer(tiny: str) -> str:
    """What the tiny model says unguarded."""
    return "".join(load_chat_model(tiny).stream(ask(MESSAGE), Sampling(30, 0.0)))


def chat(guard: Path, tiny: str, *arguments: str, said: str = "") -> tuple[int, str, str]:
    """Exit code and both outputs of a chat with the tiny model."""
    command = ["chat", "-g", str(guard), "--model", tiny, "--max-tokens", "30", *arguments]
    result = CliRunner().invoke(app, command, input=said)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [(Policy(1e9, 1e9), "answered"), (Policy(-1e9, 1e9), "refused"), (Policy(1e9, -1e9), "halted")],
)
def test_one_message_is_answered_refused_or_halted(
    save_tiny_guard: SaveGuard, tiny: str, answer: str, tmp_path: Path, *, policy: Policy, outcome: str
) -> None:
    """What is delivered is the model's own answer, or nothing; the record says which, with a score a token."""
    guard = save_tiny_guard(tmp_path / "guard", policy)

    code, printed, _ = chat(guard, tiny, "-m", MESSAGE, "--json")
    row = json.loads(printed)

    assert code == 0
    assert row["outcome"] == outcome
    assert row["delivered"] == (answer if outcome == "answered" else "")
    assert (row["decision"]["action"] == "allow") == (outcome == "answered")
    assert bool(row["scores"]) == (outcome != "refused")
    assert (row["produced_chars"] == 0) == (outcome == "refused")


def test_people_see_the_text_and_the_outcome(save_tiny_guard: SaveGuard, tiny: str, tmp_path: Path) -> None:
    """The outcome in brackets, and a bar a token."""
    guard = save_tiny_guard(tmp_path / "guard", Policy(1e9, 1e9))

    code, printed, _ = chat(guard, tiny, "-m", MESSAGE)

    assert code == 0
    assert "[answered] score " in printed
    assert "scores, a bar a token: " in printed


def test_a_talk_goes_on_until_the_input_ends(save_tiny_guard: SaveGuard, tiny: str, tmp_path: Path) -> None:
    """A line, an empty line and a line without an end are each a turn; then it ends with 0."""
    guard = save_tiny_guard(tmp_path / "guard", Policy(1e9, 1e9))

    code, printed, _ = chat(guard, tiny, said="hello\n\nagain")

    assert code == 0
    assert printed.count("you> ") == 4
    assert printed.count("[answered]") == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--model", "smollm"], 2, "expected pypi:PACKAGE, hf:ORG/NAME, path:FOLDER or openai:MODEL@URL"),
        (["--model", "path:/none"], 2, "path:/none"),
        (["--model", "pypi:no-such-model-package"], 2, "not installed"),
        (["--model", "openai:m@http://127.0.0.1:9/v1"], 1, "the endpoint failed"),
        (["--max-tokens", "0"], 2, "--max-tokens"),
    ],
)
def test_what_is_wrong_is_told(
    save_tiny_guard: SaveGuard, tiny: str, tmp_path: Path, *, arguments: list[str], code: int, message: str
) -> None:
    """Wrong use ends with 2, an endpoint that fails with 1, both with a line on stderr."""
    guard = save_tiny_guard(tmp_path / "guard", Policy(1e9, 1e9))

    found, _, errors = chat(guard, tiny, "-m", "x", *arguments)

    assert found == code
    assert message in errors
    assert "Traceback" not in errors


def test_a_missing_guard_is_told(tiny: str, tmp_path: Path) -> None:
    """Exit code 1 and the folder's name."""
    code, _, errors = chat(tmp_path / "none", tiny, "-m", "x")

    assert code == 1
    assert errors.startswith(f"lictor: {tmp_path / 'none'}: expected an artefact folder")
