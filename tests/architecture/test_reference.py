"""The pages people look things up in say what the code says."""

import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lictor.cli.main import app
from lictor.pipeline.config import ProjectConfig

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_setting_is_on_its_page_with_type_and_default() -> None:
    """docs/reference/lictor-yaml.md has a row for every key of lictor.yaml, and no row for anything else."""
    page = (ROOT / "docs" / "reference" / "lictor-yaml.md").read_text(encoding="utf-8")
    table = page.split("\n## ")[0]
    expected = set(_rows(ProjectConfig))

    written = {"|".join(line.split("|")[:4]) + "|" for line in table.splitlines() if line.startswith("| `")}

    assert written == expected


def test_readme_lists_every_command() -> None:
    """The README's table names exactly the verbs of the command line."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    written = re.findall(r"^\| `lictor ([\w-]+)` \|", readme, re.MULTILINE)

    verbs = [*app.registered_commands, *app.registered_groups]
    assert sorted(written) == sorted(str(verb.name) for verb in verbs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page leads to a file that is there."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))

    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]

    assert missing == []


def test_every_decision_is_in_the_index() -> None:
    """docs/adr/README.md links every record beside it, in order."""
    folder = ROOT / "docs" / "adr"
    records = sorted(page.name for page in folder.glob("[0-9]*.md"))

    linked = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))

    assert linked == records


def test_readme_code_compiles_against_the_public_names() -> None:
    """Every Python block of the README compiles, and imports only what `lictor` has."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks

    for block in blocks:
        compile(block, "README.md", "exec")
        imports = "\n".join(line for line in block.splitlines() if line.startswith("from "))
        exec(imports, {})  # noqa: S102 - the README's own import lines


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The first three cells of every key's row: key, type, default."""
    for name, info in model.model_fields.items():
        key = f"{prefix}{name}"
        section = _section(info.annotation)
        if section is None or get_origin(info.annotation) is tuple:
            yield f"| `{key}` | {_type(info.annotation)} | {_default(info)} |"
        if section is not None:
            mark = "[]." if get_origin(info.annotation) is tuple else "."
            yield from _rows(section, key + mark)


def _section(annotation: Any) -> type[BaseModel] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _type(annotation: Any) -> str:
    parts = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Literal:
            return ", ".join(f"`{part}`" for part in parts)
        case origin if origin is tuple:
            return "list of sections" if _section(annotation) else f"list of {_type(parts[0])}"
        case origin if origin in {Union, types.UnionType}:
            return _type(parts[0])
        case _:
            named = {bool: "yes or no", int: "whole number", float: "number", str: "text", Path: "path"}
            return named[annotation]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    default = str(info.default) if isinstance(info.default, Path) else info.default
    return "none" if default is None else f"`{json.dumps(default)}`"
