"""`lictor.yaml`: what is read from it, and how a mistake in it is told."""

from pathlib import Path

import pytest

from lictor.errors import ConfigError
from lictor.pipeline.config import TrainingSection, load_project


def write(folder: Path, text: str) -> Path:
    """The folder, with this lictor.yaml."""
    (folder / "lictor.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nbudget: 3\n", r"lictor\.yaml:2: budget: extra inputs"),
        ("policy:\n  stride: 4\n  budget_fdr: 0.1\n", r"lictor\.yaml:3: policy\.budget_fdr: extra inputs"),
        ("policy: {stride: 0}\n", r"lictor\.yaml:1: policy\.stride: .*greater than or equal to 1"),
        ("policy: {budget_fpr: .nan}\n", r"policy\.budget_fpr"),
        ("policy: {budget_fpr: 0}\n", r"policy\.budget_fpr: .*greater than 0"),
        ("policy: {confidence: 1.0}\n", r"policy\.confidence: .*less than 1"),
        ("version: 2\n", r"lictor\.yaml:1: version"),
        ("- a\n- b\n", r"the file: .*"),
        ("7\n", r"the file: .*"),
        ("policy: {stride: [\n", r"lictor\.yaml:\d: expected YAML"),
        ("a: 1\n\tb: 2\n", r"lictor\.yaml:2: expected YAML"),
        ("generator: {model: '${LICTOR_TEST_NONE}'}\n", r"lictor\.yaml:1: \$\{LICTOR_TEST_NONE\} is not set"),
        ("policy: {stride: 'many'}\npool: 1\n", r"policy\.stride.*\n.*lictor\.yaml:2: pool"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """File, line, key and what was expected; several mistakes are told at once."""
    with pytest.raises(ConfigError, match=message):
        load_project(write(tmp_path, text))


@pytest.mark.parametrize("data", [b"\xff\xfeversion", b"name: \x00", "policy: \ufffe".encode("utf-16")])
def test_a_file_that_is_no_text_is_told(tmp_path: Path, data: bytes) -> None:
    """Bytes that are no UTF-8, or no YAML character, are an error of the project file."""
    (tmp_path / "lictor.yaml").write_bytes(data)

    with pytest.raises(ConfigError, match=r"lictor\.yaml"):
        load_project(tmp_path)


def test_a_missing_project_is_told(tmp_path: Path) -> None:
    """No file, no folder, and a file where a folder should be."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(ConfigError, match=r"lictor\.yaml"):
            load_project(folder)


def test_an_empty_file_means_all_defaults(tmp_path: Path) -> None:
    """Nothing is asked for that has a default."""
    config = load_project(write(tmp_path, "")).config

    assert config.constitution == Path("constitution.yaml")
    assert (config.policy.on_error, config.policy.enforcement) == ("closed", "block")


def test_variables_come_from_the_environment(tmp_path: Path) -> None:
    """A variable that is set wins over its default; the default may be empty, or hold colons."""
    folder = write(tmp_path, "generator: {model: '${A:openai:m@http://h:1/v1}', api_key_env: '${B:}'}\n")

    defaults, given = (load_project(folder, env).config.generator for env in ({}, {"A": "path:x", "B": "KEY"}))

    assert (defaults.model, defaults.api_key_env) == ("openai:m@http://h:1/v1", "")
    assert (given.model, given.api_key_env) == ("path:x", "KEY")


def test_settings_that_came_later_leave_older_guards_alone() -> None:
    """At their defaults they are no part of what a guard is made from, and who trains never is."""
    first = set(TrainingSection().identity)

    assert first == {
        "backbone", "trunk", "top", "precision", "loss", "epochs", "max_tokens", "budget_tokens", "learning_rate",
        "batch_tokens", "seed",
    }  # fmt: skip
    assert set(TrainingSection(processes=4, accelerate=Path("fsdp.yaml")).identity) == first
    assert set(TrainingSection(tune="lora", patience=2).identity) == first | {"tune", "patience"}
    assert TrainingSection(tune="full").frozen == 0
