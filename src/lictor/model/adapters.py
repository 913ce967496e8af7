"""Low-rank adapters that learn in place of a head's layers, and are merged into them at the end.

In: a head. Out: the same head, with adapters while it trains and as it was made afterwards. So a guard folder, and
whatever serves one, knows nothing of them. Knows no loss.

Cites: LoRA (arXiv 2106.09685).
"""

import warnings
from typing import Any, cast

import torch
from torch import nn

from lictor.errors import UsageError
from lictor.model.heads import Head


def add_adapters(head: Head, rank: int, seed: int) -> None:
    """Freeze the layers of `head`, and put an adapter beside every linear one.

    Raises:
        UsageError: peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise UsageError("training.tune: lora needs peft; run: pip install 'lictor[lora]'") from None
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with torch.random.fork_rng([]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it finds out itself which way GPT-2's weights lie, and says so
        torch.manual_seed(seed)
        head.top.decoder = cast("nn.Module", get_peft_model(cast("Any", head.top.decoder), config))


def merge_adapters(head: Head) -> None:
    """Add what adapters learnt to the layers they stand beside, and take them away; none is no matter."""
    decoder: Any = head.top.decoder
    if "lora_A" in "".join(name for name, _ in decoder.named_parameters()):
        head.top.decoder = decoder.merge_and_unload()
