"""The composition root: a guard folder gives the guard that was saved, or says what is wrong with it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lictor.artifacts import MANIFEST, sha256_file
from lictor.assemble import Guard, HeadKind, load_head, load_scorers, new_head, read_policy, save_head
from lictor.errors import ArtifactError, LictorError
from lictor.guard.tokens import encode
from lictor.model.backbone import Backbone, Cut
from lictor.testing import ask
from lictor.types import Policy

SaveGuard = Callable[[Path, Policy], Path]

POLICY = Policy(-3.25, 4.5, stride=8, debounce=3, fitted_on={"budget_fpr": 0.01})
FILES = ("input.safetensors", "stream.safetensors", "policy.json", "guard.json", "constitution.yaml", "README.md")


@pytest.fixture
def folder(save_tiny_guard: SaveGuard, tmp_path: Path) -> Path:
    """A guard of the tiny model."""
    return save_tiny_guard(tmp_path / "guard", POLICY)


def test_a_guard_comes_back_as_it_was_saved(folder: Path, tiny: str, tiny_heads: dict[str, Path]) -> None:
    """Policy, version and the scores of both stages are those of what was saved."""
    files: dict[HeadKind, Path] = {"input": tiny_heads["input"], "stream": tiny_heads["stream"]}
    scorers = load_scorers(tiny, Cut(2, 3), files, "int8", window=16)
    loaded = Guard.load(folder)
    ids = [t.id for t in encode(scorers.answer.tokenizer, "A bell rings twelve times.")]

    assert loaded.policy == POLICY
    assert loaded.version == "0123456789abcdef"
    assert loaded.input_scorer is not None
    assert loaded.stream_scorer is not None
    assert loaded.input_scorer.score(ask("How?")) == scorers.prompt.score(ask("How?"))
    assert loaded.stream_scorer.open(()).score(ids) == scorers.answer.open(()).score(ids)


def test_saving_a_head_loses_no_more_than_bf16(tiny: str, tmp_path: Path) -> None:
    """Every weight comes back within a bf16 rounding, and saving again changes nothing."""
    backbone = Backbone(tiny, Cut(2, 3))
    head = new_head("stream", backbone)
    torch.nn.init.normal_(head.value.weight)
    save_head(head, tmp_path / "once")
    once = load_head("stream", backbone, tmp_path / "once")
    save_head(once, tmp_path / "twice")

    for a, b in zip(head.state_dict().values(), once.state_dict().values(), strict=True):
        assert torch.allclose(a, b.float(), rtol=2**-8, atol=0)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "twice").read_bytes()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["altered", "truncated", "missing"])
def test_a_damaged_guard_is_not_loaded(folder: Path, name: str, damage: str) -> None:
    """Every file of a guard is checked, its card included."""
    path = folder / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "truncated" else bytes([data[0] ^ 1]) + data[1:])

    with pytest.raises(ArtifactError, match=name):
        Guard.load(folder)


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replace a file of an artefact and its sum, as somebody would who means it."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = sha256_file(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("policy.json", b"{}"),
        ("policy.json", b'{"input_threshold": 0'),
        ("policy.json", b"\xff"),
        ("guard.json", b"[]"),
        ("guard.json", b"{}"),
        ("guard.json", b'{"backbone": "path:x", "trunk": "two", "top": 3, "precision": "fp32"}'),
        ("input.safetensors", b""),
        ("stream.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "),
    ],
)
def test_a_guard_of_wrong_parts_is_not_loaded(folder: Path, name: str, data: bytes) -> None:
    """A file that is not what it should be, though its sum is right, is told as one of Lictor's errors."""
    rewrite(folder, name, data)

    with pytest.raises(LictorError, match=name.split(".", maxsplit=1)[0]):
        Guard.load(folder)


def test_a_guard_of_another_task_template_is_not_loaded(folder: Path) -> None:
    """Its scores would mean nothing: the message says what to do."""
    about = json.loads((folder / "guard.json").read_text())
    rewrite(folder, "guard.json", json.dumps(about | {"template": ["Is this fine? ", " "]}).encode())

    with pytest.raises(ArtifactError, match=r"Is this fine.*make it anew with `lictor run`"):
        Guard.load(folder)


def test_a_head_of_another_cut_is_not_loaded(folder: Path, tiny: str) -> None:
    """The message names the file, the backbone and the cut."""
    with pytest.raises(ArtifactError, match=r"input.safetensors: expected the input head of path:.*trunk=1, top=3"):
        load_head("input", Backbone(tiny, Cut(1, 3)), folder / "input.safetensors")


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("field", ["input_threshold", "output_threshold"])
def test_a_threshold_that_is_no_number_is_never_used(
    save_tiny_guard: SaveGuard, folder: Path, threshold: float, field: str
) -> None:
    """It is neither read nor written: no guard lets everything pass, or nothing, by accident."""
    policy = json.loads((folder / "policy.json").read_text())
    (folder / "policy.json").write_text(json.dumps(policy | {field: threshold}))

    with pytest.raises(ArtifactError, match="policy"):
        read_policy(folder / "policy.json")
    with pytest.raises((ArtifactError, ValueError)):
        save_tiny_guard(folder.with_name("other"), replace(POLICY, **{field: threshold}))
    assert not folder.with_name("other").exists()
