"""Layers reading several answers on, each from its own kept state, every token looking back a bounded way.

In: hidden states of new tokens, one row an answer. Out: hidden states after the layers; the states take the new
tokens in and drop what no later token looks at. Knows no head, text or threshold.

A token attends to the `sink` tokens that a reading begins with and to the `REACH` tokens up to itself, so that a token
costs the same, and an answer holds the same memory, however long the answer grows. Of an answer alone the first token
is kept since attention rests on it (Xiao et al., arXiv 2309.17453); of one in its conversation, all of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from lictor.model.backbone import Layers

REACH = 256
"""Tokens a token attends to, itself included and the sink not; answers in training are shorter."""


@dataclass(slots=True)
class Kept:
    """What one answer keeps of some layers: keys and values per layer, each (1, heads, kept, size)."""

    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list[tuple[Tensor, Tensor]])
    seen: int = 0
    """Tokens read so far."""
    sink: int = 1
    """Tokens at the beginning that every later one looks at."""

    @property
    def places(self) -> list[int]:
        """Places in the reading of the tokens kept."""
        near = range(max(0, self.seen - REACH + 1), self.seen)
        return [*range(min(self.sink, near.start)), *near]


def read_on(layers: Layers, hidden: Tensor, kept: Sequence[Kept], counts: Sequence[int], *, forked: int = 0) -> Tensor:
    """Hidden states after `layers`, every row reading on from what it kept; shapes (batch, new, hidden).

    Row r holds `counts[r]` new tokens, at least one, padded on the right. The last `forked` of these are read on a
    fork: nothing of them is kept, and what comes next is read as though they had not been.
    """
    old = _padded([row.places for row in kept], left=True)
    new = _padded([list(range(row.seen, row.seen + count)) for row, count in zip(kept, counts, strict=True)])
    cache = DynamicCache()
    for layer in range(layers.depth if old.shape[1] else 0):
        cache.update(*_joined(kept, layer, old.shape[1]), layer)
    sinks = torch.tensor([row.sink for row in kept])
    mask = _mask(torch.cat([old, new], 1), new, sinks).to(hidden.dtype)
    out = layers(hidden, mask.to(hidden.device), cache, new.clamp(min=0).to(hidden.device))
    for row, (state, count) in enumerate(zip(kept, counts, strict=True)):
        first = old.shape[1] - len(state.places)
        part = slice(first, old.shape[1] + count - forked)
        places = [*state.places, *range(state.seen, state.seen + count - forked)]
        state.seen += count - forked
        later = set(state.places)
        pick = [at for at, place in enumerate(places) if place in later]
        state.layers = [_trimmed(*_row(cache, layer, row, part), pick) for layer in range(layers.depth)]
    return out


def _padded(rows: Sequence[Sequence[int]], *, left: bool = False) -> Tensor:
    """Places as one tensor (batch, longest), -1 where a row has none."""
    longest = max(map(len, rows))
    gaps = [[-1] * (longest - len(row)) for row in rows]
    joined = [[*gap, *row] if left else [*row, *gap] for row, gap in zip(rows, gaps, strict=True)]
    return torch.tensor(joined, dtype=torch.long).reshape(len(rows), longest)


def _mask(keys: Tensor, queries: Tensor, sinks: Tensor) -> Tensor:
    """What is added to attention scores, (batch, 1, queries, keys): 0 where a token looks, else the lowest number."""
    key, query = keys[:, None, None, :], queries[:, None, :, None]
    is_near = (key > query - REACH) | (key < sinks[:, None, None, None])
    is_seen = (key >= 0) & (key <= query) & is_near
    is_seen |= (query < 0) & (key == 0)  # padding must look somewhere
    return torch.where(is_seen, 0.0, torch.finfo(torch.bfloat16).min)


def _joined(kept: Sequence[Kept], layer: int, longest: int) -> tuple[Tensor, Tensor]:
    """Keys and values of several answers, padded on the left: (batch, heads, longest, size) each."""
    if len(kept) == 1:
        return kept[0].layers[layer]
    filled = [(row, *state.layers[layer]) for row, state in enumerate(kept) if state.seen]
    _, first, _ = filled[0]
    keys = first.new_zeros(len(kept), first.shape[1], longest, first.shape[3])
    values = keys.clone()
    for row, k, v in filled:
        keys[row, :, longest - k.shape[2] :] = k[0]
        values[row, :, longest - k.shape[2] :] = v[0]
    return keys, values


def _row(cache: DynamicCache, layer: int, row: int, part: slice) -> tuple[Tensor, Tensor]:
    held: Any = cache.layers[layer]
    return held.keys[row : row + 1, :, part], held.values[row : row + 1, :, part]


def _trimmed(keys: Tensor, values: Tensor, pick: list[int]) -> tuple[Tensor, Tensor]:
    """Copies of the tokens at `pick`, so that the tensors they came from are freed."""
    if keys.shape[2] == len(pick):
        return keys.clone(), values.clone()
    return keys[:, :, pick], values[:, :, pick]
