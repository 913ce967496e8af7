"""The source tree keeps the shape that the README and CONTRIBUTING promise."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lictor

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "lictor"
MODULES = sorted(SOURCE.rglob("*.py"))
PUBLIC = ["Constitution", "Decision", "Guard", "Message", "Policy", "load_project", "run"]


def test_modules_import_only_from_below() -> None:
    """import-linter finds every contract in pyproject.toml kept."""
    check = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"

    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter

    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_guard_brings_no_tensor_library() -> None:
    """The guard, calibration and the constitution run where torch is not loaded."""
    check = (
        "import sys, lictor.guard.guard, lictor.calibration.curves, lictor.constitution; "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter

    assert done.stdout.strip() == "set()"


def test_public_names_are_these() -> None:
    """`lictor.__all__` holds exactly the names people may import, and each of them is there."""
    names = sorted(getattr(lictor, "__all__", ()))

    assert names == PUBLIC
    assert [name for name in names if getattr(lictor, name, None) is None] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_explain_themselves_and_stay_short(module: Path) -> None:
    """Every module opens with a docstring of at least five words and has at most 400 lines."""
    text = module.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text)) or ""

    assert len(docstring.split()) >= 5
    assert len(text.splitlines()) <= 400


def test_every_folder_of_modules_is_a_package() -> None:
    """A folder with modules has an `__init__.py`, so that it has a place to explain itself."""
    folders = {module.parent for module in MODULES}

    assert sorted(folder for folder in folders if not (folder / "__init__.py").is_file()) == []


def test_file_tree_in_readme_is_the_tree() -> None:
    """The README's file tree lists every package and module of `lictor`, each once, and nothing that is not there."""
    listed = _listed()

    found = [f"{p.name}/" if p.is_dir() else p.name for p in SOURCE.iterdir() if _is_code(p)]

    assert sorted(listed) == sorted(found)


def test_file_tree_in_readme_follows_the_layers() -> None:
    """The README lists packages in the order of the layers in pyproject.toml, lowest first."""
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'^  "(\w+)",$', contracts.split("layers = [")[1].split("]")[0], re.MULTILINE)

    assert [name.removesuffix("/").removesuffix(".py") for name in _listed()] == layers[::-1]


def test_readme_names_folders_that_are_there() -> None:
    """The folders beside the source in the README's file tree exist."""
    tree = _tree()
    beside = re.findall(r"^(\w+)/ ", tree.split("src/lictor/")[1], re.MULTILINE)

    assert beside == ["tests", "benchmarks", "deploy", "docs", "typings"]
    assert [name for name in beside if not (ROOT / name).is_dir()] == []


def _tree() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme.split("## File tree")[1].split("```")[1]


def _listed() -> list[str]:
    return re.findall(r"^  (\S+) +\S", _tree(), re.MULTILINE)


def _is_code(path: Path) -> bool:
    if path.name.startswith("_") or path.name == "py.typed":
        return False
    return path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file())
