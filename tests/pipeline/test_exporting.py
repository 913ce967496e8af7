"""Exported scorers: other programs open them, and they say what the guard's own heads say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, AutoTokenizer

from lictor.assemble import read_parts
from lictor.errors import UsageError
from lictor.model.backbone import Backbone
from lictor.pipeline.exporting import export_guard
from lictor.types import Policy

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
