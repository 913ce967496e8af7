"""A cache that grows in place holds what transformers' own holds, whatever is done to its rows."""

import pytest
import torch
from transformers import DynamicCache, LlamaConfig
from transformers.cache_utils import DynamicLayer

from lictor.llm.growing import ROOM, GrowingLayer, growing_cache

CONFIG = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2)


@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0, 1], [2, 0], [1]])
def test_it_holds_what_the_plain_cache_holds(rows: list[int]) -> None:
    """After a prefix, its repetition over rows, single tokens past the room there is, and rows that leave."""
    caches = [growing_cache(CONFIG), DynamicCache(config=CONFIG)]
    generator = torch.Generator().manual_seed(0)

    def feed(batch: int, tokens: int) -> None:
        states = torch.randn(2, batch, 2, tokens, 4, generator=generator)
        grown, plain = [cache.update(states[0], states[1], 0) for cache in caches]
        assert torch.equal(grown[0], plain[0])
        assert torch.equal(grown[1], plain[1])

    feed(1, 5)
    for cache in caches:
        cache.batch_repeat_interleave(3)
    for _ in range(ROOM + 3):
        feed(3, 1)
    for cache in caches:
        cache.batch_select_indices(torch.tensor(rows))
    for _ in range(3):
        feed(len(rows), 1)
    assert caches[0].get_seq_length() == caches[1].get_seq_length() == 5 + ROOM + 3 + 3


def test_a_token_is_written_in_place() -> None:
    """What is held is not copied while there is room."""
    layer = GrowingLayer()
    layer.update(torch.ones(2, 1, 3, 4), torch.ones(2, 1, 3, 4))
    before = start(layer)
    for _ in range(ROOM - 3):
        layer.update(torch.zeros(2, 1, 1, 4), torch.zeros(2, 1, 1, 4))

    assert start(layer) == before
    layer.update(torch.zeros(2, 1, 1, 4), torch.zeros(2, 1, 1, 4))
    assert start(layer) != before


def start(layer: GrowingLayer) -> int:
    """Where its keys stand."""
    assert layer.keys is not None
    return layer.keys.data_ptr()


def test_layers_of_another_kind_stay() -> None:
    """A sliding window keeps its own."""
    config = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2)
    config.layer_types = ["sliding_attention", "full_attention"]
    config.sliding_window = 4
    kinds = [type(layer) for layer in growing_cache(config).layers]

    assert kinds[1] is GrowingLayer
    assert kinds[0] is not GrowingLayer
    assert kinds[0] is not DynamicLayer
