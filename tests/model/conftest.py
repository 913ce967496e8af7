"""What tests of models share: tiny ones of many makes."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

SMALL: dict[str, Any] = {"vocab_size": 320, "max_position_embeddings": 512, "initializer_range": 0.3}
LIKE_LLAMA = SMALL | {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
OTHERS = {
    "gpt2": {**SMALL, "n_embd": 32, "n_layer": 4, "n_head": 2, "n_positions": 512},
    "gpt_neox": {**LIKE_LLAMA, "rotary_pct": 0.5},
    "qwen2": LIKE_LLAMA,
    "qwen3": {**LIKE_LLAMA, "head_dim": 16},
    "gemma2": {**LIKE_LLAMA, "head_dim": 16, "sliding_window": 300},
    "gemma3_text": {
        **LIKE_LLAMA,
        "head_dim": 16,
        "sliding_window": 300,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    },
    "phi3": {**LIKE_LLAMA, "pad_token_id": 0},
}


@pytest.fixture(scope="session")
def other(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Makes a model of another make, with random weights and the tiny model's tokenizer, and gives its reference."""

    @cache
    def make(kind: str) -> str:
        folder = tmp_path_factory.mktemp(kind)
        for file in Path(tiny.removeprefix("path:")).glob("*token*"):
            shutil.copy(file, folder)
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **OTHERS[kind])).save_pretrained(folder)
        return f"path:{folder}"

    return make
