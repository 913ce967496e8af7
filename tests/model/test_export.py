"""A head of any make in Hugging Face's layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification

from lictor.model.backbone import Backbone, Cut
from lictor.model.export import VALUE, export_head
from lictor.model.heads import value_head

IDS = torch.tensor([[1, 5, 90, 17, 200, 33, 4]])


@pytest.mark.parametrize("kind", ["gpt2", "gemma3_text"])
def test_what_opens_it_says_what_the_head_says(other: Callable[[str], str], kind: str, tmp_path: Path) -> None:
    """As a token classifier, or, where transformers has none, as a language model and a linear layer."""
    backbone = Backbone(other(kind), Cut(1, 3), "fp32")
    head = value_head(backbone).eval()
    torch.manual_seed(1)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)

    is_classifier = export_head(backbone.reference, backbone.cut, head, tmp_path)

    assert is_classifier == (kind == "gpt2")
    with torch.inference_mode():
        expected = head(backbone.read(IDS))
        if is_classifier:
            found = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()(IDS).logits[..., 0]
        else:
            lm: Any = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
            value = load_file(tmp_path / VALUE)
            final = lm.get_decoder()(IDS).last_hidden_state
            found = torch.nn.functional.linear(final, value["weight"], value["bias"])[..., 0]
    assert (found - expected).abs().max() < 1e-3
