"""`lictor validate`: exit codes, lines and JSON."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lictor.cli.main import app
from lictor.constitution import Constitution
from lictor.starter.templates import DESCRIPTIONS, read_constitution
from lictor.types import PERMITTED_BUCKETS

BROKEN = "version: 1\nname: x\nsummery: typo\nrestricted: []\n"
WARNED = "version: 1\nname: x\nsummary: S.\nrestricted:\n  - {id: a, text: Bad things.}\npermitted: {}\n"
CLASHING = WARNED.replace("permitted: {}", "permitted:\n  everyday:\n    - {id: b, text: Bad things.}")


def write(tmp_path: Path, text: str) -> Path:
    """A constitution file with `text` in it."""
    path = tmp_path / "constitution.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("template", list(DESCRIPTIONS))
def test_every_template_passes(tmp_path: Path, template: str) -> None:
    """Each template has restricted rules, all three permitted buckets, and no error."""
    path = write(tmp_path, read_constitution(template))

    result = CliRunner().invoke(app, ["validate", str(path)])

    assert result.exit_code == 0, result.stdout
    constitution = Constitution.load(path)
    assert constitution.restricted
    assert all(constitution.in_bucket(bucket) for bucket in PERMITTED_BUCKETS)


@pytest.mark.parametrize("template", ["tutor", "conduct", "financial-advice", "medical-dosing"])
def test_templates_with_examples_pass_strictly(tmp_path: Path, template: str) -> None:
    """Our own templates have no warning either, and two to five examples a rule."""
    path = write(tmp_path, read_constitution(template))

    assert CliRunner().invoke(app, ["validate", str(path), "--strict"]).exit_code == 0
    assert all(2 <= len(rule.examples) <= 5 for rule in Constitution.load(path).rules)


def test_chemical_weapons_has_no_restricted_example() -> None:
    """The chemical-weapons template stays at category level: no example and no digit on its restricted side."""
    constitution = Constitution.parse(read_constitution("chemical-weapons"), "chemical-weapons")

    assert [rule.id for rule in constitution.restricted if rule.examples] == []
    assert not any(character.isdigit() for rule in constitution.restricted for character in rule.text)


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [(WARNED, [], 0), (WARNED, ["--strict"], 1), (CLASHING, [], 1), (BROKEN, [], 2), (BROKEN, ["--strict"], 2)],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_exit_codes(tmp_path: Path, text: str, options: list[str], code: int, as_json: bool) -> None:
    """Warnings pass unless strict, a lint error is 1, an unreadable file is 2; --json does not change it."""
    path = write(tmp_path, text)

    result = CliRunner().invoke(app, ["validate", str(path), *options, *(["--json"] if as_json else [])])

    assert result.exit_code == code
    if as_json:
        assert json.loads(result.stdout)["valid"] == (code == 0)


def test_problems_come_with_file_and_line(tmp_path: Path) -> None:
    """A broken file gives a line on stderr for every problem, a warned one a line on stdout for every finding."""
    path = write(tmp_path, BROKEN)
    broken = CliRunner().invoke(app, ["validate", str(path)])
    path.write_text(WARNED)
    warned = CliRunner().invoke(app, ["validate", str(path)])

    assert f"lictor: {path}:3: the file: unknown key 'summery'; did you mean 'summary'?" in broken.stderr.splitlines()
    assert len(broken.stderr.splitlines()) == 3
    assert f"{path}:5: warning: rule 'a' says 'bad'" in warned.stdout
    assert "1 restricted and 0 permitted rules, 0 errors" in warned.stdout


def test_a_folder_stands_for_its_constitution(tmp_path: Path) -> None:
    """Given a project folder, its constitution.yaml is checked; without one the message says how to get one."""
    assert CliRunner().invoke(app, ["validate", str(tmp_path)]).exit_code == 2
    write(tmp_path, WARNED)

    assert CliRunner().invoke(app, ["validate", str(tmp_path)]).exit_code == 0


def test_json_carries_findings_and_fingerprint(tmp_path: Path) -> None:
    """The JSON of a readable file has its findings with lines, its rule counts and its fingerprint."""
    path = write(tmp_path, CLASHING)

    found = json.loads(CliRunner().invoke(app, ["validate", str(path), "--json"]).stdout)

    assert found["fingerprint"] == Constitution.load(path).fingerprint
    assert found["rules"] == {"restricted": 1, "everyday": 1}
    assert {"error", "warning"} == {finding["severity"] for finding in found["findings"]}
    assert any(f["code"] == "duplicate-text" and f["line"] == 8 for f in found["findings"])
