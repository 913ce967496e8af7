"""Exported scorers: other programs open them, and they say what the guard's own heads say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, AutoTokenizer

from lictor.assemble import HeadKind, read_parts, save_guard
from lictor.errors import ArtifactError, UsageError
from lictor.model.backbone import Backbone, Cut
from lictor.pipeline.exporting import export_guard
from lictor.types import Cascade, Policy

IDS = torch.tensor([[1, 5, 90, 17, 200, 33, 4]])


def test_a_guard_is_opened_by_other_programs(save_tiny_guard: Callable[[Path, Policy], Path], tmp_path: Path) -> None:
    """Both scorers are token classifiers whose logits are the heads', with a tokenizer and a card; once only."""
    guard = save_tiny_guard(tmp_path / "guard", Policy(1.5, 2.5))

    found = export_guard(guard, tmp_path / "out")

    parts = read_parts(guard)
    backbone = Backbone(parts.reference, parts.cut, "fp32")
    assert [(one.kind, one.is_token_classifier) for one in found] == [("input", True), ("stream", True)]
    for one in found:
        classifier = AutoModelForTokenClassification.from_pretrained(one.folder).eval()
        with torch.inference_mode():
            logits, expected = classifier(IDS).logits[..., 0], parts.heads[one.kind](backbone.read(IDS))
        assert expected.std() > 0.1
        assert (logits - expected).abs().max() < 1e-4
        assert len(AutoModelForCausalLM.from_pretrained(one.folder).model.layers) == parts.cut.top
        assert AutoTokenizer.from_pretrained(one.folder).encode("a bell") == backbone.tokenizer.encode("a bell")
    assert "refuses at 1.500" in (tmp_path / "out" / "input" / "README.md").read_text()
    with pytest.raises(UsageError, match="not there yet"):
        export_guard(guard, tmp_path / "out")


def test_an_exchange_scorer_is_exported_too(tiny: str, tiny_heads: dict[HeadKind, Path], tmp_path: Path) -> None:
    """With what it weighs, and the text that it reads."""
    save_guard(
        tmp_path / "guard",
        reference=tiny,
        cut=Cut(2, 3),
        precision="fp32",
        window=1,
        heads={**tiny_heads, "exchange": tiny_heads["input"]},
        policy=Policy(1.5, 2.5, cascade=Cascade(0.0, 0.0, weight=0.25, scale=2.0, shift=-1.0)),
        constitution_text="version: 1\n",
        card="# Guard\n",
        key="0123456789abcdef",
        parents={},
    )

    found = export_guard(tmp_path / "guard", tmp_path / "out")

    card = (tmp_path / "out" / "exchange" / "README.md").read_text()
    assert [one.kind for one in found] == ["input", "stream", "exchange"]
    assert "2 times the logit -1 weighs 0.25 in the token's score, the stream scorer's logit 0.75." in card
    assert "user: ...\nassistant:ANSWER\n</dialog>" in card


def test_an_export_that_fails_midway_leaves_nothing(
    save_tiny_guard: Callable[[Path, Policy], Path], small_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    """On a disk with room for one scorer of two, the error says what to do and the same command can be run again."""
    guard, disk = save_tiny_guard(tmp_path / "guard", Policy(1.5, 2.5)), small_disk("260k")

    with pytest.raises(ArtifactError, match=r"No space left.*free some space"):
        export_guard(guard, disk / "out")

    assert list(disk.iterdir()) == []
