"""The rule of a restricted text."""

from pathlib import Path

import pytest

from lictor.constitution import Constitution
from lictor.constitution.rule import Rule
from lictor.dataset.naming import fit_namer, read_namer
from lictor.errors import ArtifactError
from lictor.starter.folders import resolve
from lictor.types import Example, Message

TEXTS = {"roast": "Roast the chestnuts slowly", "row": "Row the boat across the lake", "rhyme": "Rhyme on every line"}


def constitution(*ids: str) -> Constitution:
    """Restricted rules, and a permitted one."""
    rules = tuple(Rule(name, TEXTS[name], "restricted") for name in ids)
    return Constitution(1, "games", "", (*rules, Rule("other", "Anything else", "everyday")))


def example(rule: str, text: str, label: int = 1) -> Example:
    """A prompt that was made for a rule."""
    return Example(text, "c", (Message("user", text),), label, None, rule, "test")


@pytest.mark.parametrize("ids", [("roast", "row"), ("roast", "row", "rhyme")])
def test_rules_are_told_by_their_words_and_examples(ids: tuple[str, ...], tmp_path: Path) -> None:
    """Words of a rule and of its examples name it, also when read back; permitted examples count for nothing."""
    examples = [example("row", "Where are the oars kept?"), example("roast", "where are the OARS kept", 0)]
    fitted = fit_namer(examples, constitution(*ids))
    assert fitted
    (tmp_path / "rules").write_bytes(fitted.to_bytes())
    namer = read_namer(tmp_path / "rules", ids)

    assert [namer.name(text) for text in ("roast chestnuts", "a boat on the lake", "two oars")] == [
        "roast",
        "row",
        "row",
    ]
    assert sum(namer.shares("").values()) == pytest.approx(1)
    assert set(namer.shares("anything")) == set(ids)


def test_one_rule_needs_no_namer() -> None:
    """There is nothing to tell apart."""
    assert fit_namer((), constitution("row")) is None


def test_a_file_of_other_rules_is_refused(tmp_path: Path) -> None:
    """Damaged files, and those of another number of rules, are no namer."""
    fitted = fit_namer((), constitution("roast", "row"))
    assert fitted
    path = tmp_path / "rules.safetensors"
    path.write_bytes(fitted.to_bytes())
    for rules, data in ((("a", "b", "c"), path.read_bytes()), (("a", "b"), b"x"), (("a", "b"), b"")):
        path.write_bytes(data)
        with pytest.raises(ArtifactError):
            read_namer(path, rules)


def test_the_worked_constitutions_own_examples_are_told() -> None:
    """Of emberglass, at least nine in ten of the examples it was fitted on."""
    rules = Constitution.load(resolve("starter:emberglass", Path()) / "constitution.yaml")
    namer = fit_namer((), rules)
    assert namer
    found = [namer.name(text) == rule.id for rule in rules.restricted for text in rule.examples]

    assert sum(found) >= 0.9 * len(found)
