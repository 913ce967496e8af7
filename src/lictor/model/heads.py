"""Heads on top layers: a next-token readout for prompts, a linear value on every token for answers.

In: trunk activations. Out: logits. Knows no text and no label.

Cites: CC1 section 3.4 (next-token prediction for the input classifier, a value head for the streaming one).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lictor.model.backbone import Backbone, Layers

HeadKind = Literal["input", "stream", "exchange"]


@dataclass(frozen=True, slots=True)
class Words:
    """The two answers whose logits the readout compares."""

    restricted: str = " restricted"
    permitted: str = " allowed"


class Head(nn.Module):
    """Trained upper layers and a linear reading of them; both kinds of scorer differ only in where they read."""

    def __init__(self, top: Layers, direction: Tensor) -> None:
        super().__init__()
        self.top = top
        self.value = nn.Linear(direction.shape[0], 1, device=direction.device)
        with torch.no_grad():
            self.value.weight.copy_(direction[None])
            self.value.bias.zero_()

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """Trunk activations (batch, seq, hidden) to logits (batch, seq)."""
        return self.read(self.layers(hidden, mask))

    def layers(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """Trunk activations to the final, normed hidden states, both (batch, seq, hidden)."""
        at = next(self.top.parameters())
        return self.top(hidden.to(at.device, at.dtype), None if mask is None else mask.to(at.device))

    def read(self, final: Tensor) -> Tensor:
        """Final hidden states to logits, (batch, seq, hidden) to (batch, seq); in float32, so that few logits tie."""
        return self.value(final.to(self.value.weight.dtype)).squeeze(-1)


def readout_head(backbone: Backbone, words: Words | None = None) -> Head:
    """A head whose logit starts as the difference of two next-token logits: restricted against permitted."""
    words = words or Words()
    ids = [backbone.tokenizer.encode(w, add_special_tokens=False)[0] for w in (words.restricted, words.permitted)]
    weights = backbone.unembed.weight.detach().float()
    return Head(backbone.fresh_top(), weights[ids[0]] - weights[ids[1]])


def value_head(backbone: Backbone) -> Head:
    """A head that starts at zero and reads every token."""
    return Head(backbone.fresh_top(), torch.zeros(backbone.hidden_size, device=backbone.device))
