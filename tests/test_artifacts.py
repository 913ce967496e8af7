"""Artefact folders: whole or not at all, and checked byte for byte when opened."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.artifacts import MANIFEST, alone_in, fingerprint, open_artifact, read_manifest, write_artifact, write_atomic
from lictor.errors import ArtifactError

_json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v))


def fill(folder: Path) -> dict[str, object]:
    """Two files, one in a folder of its own."""
    (folder / "a.txt").write_text("one")
    (folder / "sub").mkdir()
    (folder / "sub" / "b.bin").write_bytes(bytes(range(256)))
    return {"count": 2}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """An artefact of kind `thing`."""
    write_artifact(tmp_path / "made", fill, kind="thing", key="k1", parents={"data": "p"}, config={"x": 1}, seed=7)
    return tmp_path / "made"


def test_what_was_written_is_read_back(made: Path) -> None:
    """Kind, key, parents, config, seed and notes stand in the manifest; every file is listed."""
    manifest = open_artifact(made, kind="thing")

    assert (manifest.fingerprint, manifest.parents, manifest.config, manifest.seed) == (
        "k1",
        {"data": "p"},
        {"x": 1},
        7,
    )
    assert set(manifest.files) == {"a.txt", "sub/b.bin"}
    assert manifest.notes == {"count": 2}
    assert "python" in manifest.versions


@pytest.mark.parametrize("name", ["a.txt", "sub/b.bin"])
@pytest.mark.parametrize("damage", ["altered", "truncated", "missing"])
def test_a_damaged_file_is_found(made: Path, name: str, damage: str) -> None:
    """The message names the file and says to remake it."""
    path = made / name
    if damage == "missing":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-1] if damage == "truncated" else bytes([data[0] ^ 1]) + data[1:])

    with pytest.raises(ArtifactError, match=rf"{name}.*remake the thing"):
        open_artifact(made)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", "{}", '{"kind": 1}', '{"kind": "thing", "fingerprint": "k", "files": []}']
)
def test_a_manifest_that_is_none_is_found(made: Path, text: str) -> None:
    """Cut short, of another shape or without its fields, it is an ArtifactError and no other."""
    (made / MANIFEST).write_text(text)

    with pytest.raises(ArtifactError):
        open_artifact(made)


def test_a_manifest_that_cannot_be_opened_is_found(made: Path, tmp_path: Path) -> None:
    """No folder, a file in the folder's place, a folder in the manifest's, bytes that are no text."""
    (tmp_path / "file").write_text("")
    (made / MANIFEST).write_bytes(b"\xff\xfe\x00")
    (tmp_path / "odd" / MANIFEST).mkdir(parents=True)

    for folder in (tmp_path / "none", tmp_path / "file", made, tmp_path / "odd"):
        with pytest.raises(ArtifactError):
            read_manifest(folder)


def test_another_kind_is_refused(made: Path) -> None:
    """The message says which kind was expected and which was found."""
    with pytest.raises(ArtifactError, match=r"expected an artefact of kind 'guard', got 'thing'"):
        open_artifact(made, kind="guard")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no"), OSError(errno.ENOSPC, "No space left")])
def test_a_failed_write_leaves_what_stood_there(made: Path, error: BaseException) -> None:
    """Whatever stops it, the old artefact is whole and no half-written one is left."""

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise error

    with pytest.raises(ArtifactError if isinstance(error, OSError) else type(error)):
        write_artifact(made, fail, kind="thing", key="k2")

    assert open_artifact(made).fingerprint == "k1"
    assert [path.name for path in made.parent.iterdir()] == ["made"]


def test_a_rewrite_replaces_the_whole_folder(made: Path) -> None:
    """Nothing of the old artefact stays, and nothing lies beside the new one."""

    def other(folder: Path) -> None:
        (folder / "c").write_text("new")

    write_artifact(made, other, kind="thing", key="k2")

    assert {path.name for path in made.iterdir()} == {"c", MANIFEST}
    assert [path.name for path in made.parent.iterdir()] == ["made"]


def test_a_text_is_replaced_in_one_step(tmp_path: Path) -> None:
    """A text that cannot be encoded leaves the old file and nothing else."""
    write_atomic(tmp_path / "t", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(tmp_path / "t", "\ud800")

    assert (tmp_path / "t").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_two_do_not_work_in_one_folder(tmp_path: Path) -> None:
    """The second is told so; whoever comes after the first has died finds the folder free."""
    holds = "import sys, time; from pathlib import Path; from lictor.artifacts import alone_in\n"
    holds += "with alone_in(Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holds, str(tmp_path)], stdout=subprocess.PIPE) as other:  # noqa: S603 - our own interpreter
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(ArtifactError, match="another lictor command is at work there"), alone_in(tmp_path):
            pytest.fail("two at once")
        other.kill()

    with alone_in(tmp_path):
        (tmp_path / "a.txt").write_text("mine")


@settings(max_examples=50)
@given(_json, _json)
def test_fingerprints_tell_values_apart(a: object, b: object) -> None:
    """Equal JSON gives equal fingerprints, whatever the order of keys; different JSON gives different ones."""
    text_a, text_b = (json.dumps(v, sort_keys=True) for v in (a, b))

    assert (fingerprint(a) == fingerprint(b)) == (text_a == text_b)
    assert fingerprint(json.loads(text_a)) == fingerprint(a)


def test_fingerprints_take_what_json_cannot() -> None:
    """Paths and lone surrogates have fingerprints too."""
    assert len(fingerprint([Path("x"), "\ud800"])) == 16
    assert fingerprint("\ud800") != fingerprint("\ud801")


def test_a_full_disk_is_told_and_leaves_nothing(small_disk: Callable[[str], Path]) -> None:
    """An artefact larger than the disk is an ArtifactError that says what to do; the disk is as empty as before."""
    disk = small_disk("1m")

    def large(folder: Path) -> None:
        for at in range(8):
            (folder / f"{at}").write_bytes(bytes(400_000))

    with pytest.raises(ArtifactError, match=r"could not write the thing \(No space left on device\); free some space"):
        write_artifact(disk / "made", large, kind="thing", key="k")

    assert list(disk.iterdir()) == []
