import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lictor.augment import Transform, discover, get, transform
from lictor.errors import UsageError

ONE = '''
from lictor.augment.describe import transform

@transform(family="loud", side="prompt", kind="alter")
def {name}(text, rng):
    """Every letter as a capital."""
    return text.upper()
'''
MakePackage = Callable[[str, dict[str, str]], str]


@pytest.fixture
def make_package(tmp_path: Path) -> Iterator[MakePackage]:
    """Writes a package of the given modules where it can be imported, and forgets it afterwards."""

    def make(name: str, modules: dict[str, str]) -> str:
        folder = tmp_path / name
        folder.mkdir()
        for file, source in {"__init__": "", **modules}.items():
            (folder / f"{file}.py").write_text(source, encoding="utf-8")
        return name

    before = set(sys.modules)
    sys.path.insert(0, str(tmp_path))
    yield make
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_new_file_is_found_without_a_list_to_edit(make_package: MakePackage) -> None:
    """A decorated function in a new module is a transform, described by what the decorator and docstring say."""
    package = make_package("found_transforms", {"loud": ONE.format(name="shout")})

    found = discover(package)

    assert list(found) == ["shout"]
    assert found["shout"].family == "loud"
    assert found["shout"].description == "Every letter as a capital."


def test_one_name_for_two_transforms_is_refused(make_package: MakePackage) -> None:
    """Two modules that define the same name are an error that says which."""
    package = make_package("twice_transforms", {"a": ONE.format(name="shout"), "b": ONE.format(name="shout")})

    with pytest.raises(UsageError, match="'shout'"):
        discover(package)


def test_a_transform_used_by_another_module_counts_once(make_package: MakePackage) -> None:
    """Importing a transform into a second module is not defining it again."""
    modules = {"a": ONE.format(name="shout"), "b": "from shared_transforms.a import shout\n"}

    assert list(discover(make_package("shared_transforms", modules))) == ["shout"]


def test_get_names_near_matches() -> None:
    """An unknown name is answered with what may have been meant."""
    with pytest.raises(UsageError, match="base64"):
        get("base46")


def test_get_reads_a_step() -> None:
    """A step with a side gives the transform of that name."""
    assert get("base64@answer") is get("base64")


def test_a_contradictory_description_is_refused() -> None:
    """A transform for answers must say how to ask for it."""
    make = transform(family="loud", side="answer", kind="alter")

    def shout(text: str, rng: object) -> str:
        """Capitals."""
        return text.upper()

    with pytest.raises(UsageError, match="ask"):
        make(shout)


def test_a_carrier_has_one_slot() -> None:
    """A carrier that would drop the text is refused."""
    with pytest.raises(UsageError, match="exactly one"):
        Transform("x", "f", "prompt", "wrap", "own", "d", lambda text, rng: text, carriers=("Answer this.",))
