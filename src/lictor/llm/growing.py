"""Key-value caches that grow in place: decoding a batch spends half its time on copying them otherwise.

In: a model's configuration. Out: transformers' own dynamic cache, its plain layers with room behind what they hold.
Knows no tokens, and leaves layers of another kind (sliding windows, recurrent states) as they are.
"""

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.configuration_utils import PreTrainedConfig

ROOM = 256
"""Buffers hold a multiple of so many tokens: few copies, and freed ones are of a size that is asked for again."""


def growing_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for a model of this configuration."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class GrowingLayer(DynamicLayer):
    """Keys and values, (batch, heads, tokens, size) each, held at the beginning of buffers that have room."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """All keys and values, the given ones last."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        keys, values = self.keys, self.values
        assert keys is not None and values is not None  # noqa: S101 -- both are there from now on
        end = self.get_seq_length() + key_states.shape[-2]
        if not self._buffers or not _has_room(self._buffers[0], keys, end):
            self._buffers = [_roomy(keys, key_states, end), _roomy(values, value_states, end)]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., end - states.shape[-2] : end, :] = states
        keys, values = (buffer[..., :end, :] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values


def _has_room(buffer: Tensor, held: Tensor, end: int) -> bool:
    """Whether what is held stands in the buffer (once rows were chosen it does not), and fits in up to `end`."""
    return held.data_ptr() == buffer.data_ptr() and end <= buffer.shape[-2]


def _roomy(held: Tensor, states: Tensor, end: int) -> Tensor:
    batch, heads, _, size = states.shape
    buffer = torch.empty(batch, heads, (end // ROOM + 1) * ROOM, size, dtype=states.dtype, device=states.device)
    if held.numel():
        buffer[..., : held.shape[-2], :] = held
    return buffer
