"""Reading on from kept state: whatever the steps and the company, what one masked pass over the whole gives."""

import pytest
import torch
from torch import Tensor

from lictor.model.backbone import Backbone, Cut, Layers
from lictor.model.reading import REACH, Kept, read_on

LENGTH = REACH + 90


@pytest.fixture(scope="module")
def trunk(tiny: str) -> Layers:
    """Three layers of the tiny model in fp32."""
    return Backbone(tiny, Cut(3, 4), "fp32").trunk


@pytest.fixture(scope="module")
def hidden() -> Tensor:
    """Random hidden states of two long answers, (2, LENGTH, 32)."""
    return torch.randn(2, LENGTH, 32, generator=torch.Generator().manual_seed(5))


def whole(trunk: Layers, hidden: Tensor) -> Tensor:
    """One pass over all of it, with the mask written out pair by pair."""
    n = hidden.shape[1]
    seen = [[k <= q and (k == 0 or q - k < REACH) for k in range(n)] for q in range(n)]
    mask = torch.where(torch.tensor(seen), 0.0, float("-inf"))[None, None]
    return trunk(hidden, mask.expand(hidden.shape[0], 1, n, n))


@pytest.mark.parametrize("step", [1, 16, LENGTH])
@torch.inference_mode()
def test_any_steps_give_what_one_pass_gives(trunk: Layers, hidden: Tensor, step: int) -> None:
    """Past the reach too, where old tokens are dropped."""
    kept = Kept()
    parts = [hidden[:1, at : at + step] for at in range(0, LENGTH, step)]

    found = torch.cat([read_on(trunk, part, [kept], [part.shape[1]]) for part in parts], 1)

    assert (found - whole(trunk, hidden[:1])).abs().max() < 1e-3
    assert kept.seen == LENGTH
    assert {t.shape[2] for pair in kept.layers for t in pair} == {REACH} == {len(kept.places)}


@torch.inference_mode()
def test_answers_of_any_lengths_read_on_together(trunk: Layers, hidden: Tensor) -> None:
    """One short of the reach, one beyond it, with unequal steps: each as if alone."""
    kept = [Kept(), Kept()]
    read_on(trunk, hidden[:1, : LENGTH - 10], [kept[0]], [LENGTH - 10])
    joined = torch.stack([hidden[0, -10:], torch.cat([hidden[1, :4], torch.zeros(6, 32)])])

    found = read_on(trunk, joined, kept, [10, 4])
    later = read_on(trunk, hidden[1:, 4:9], [kept[1]], [5])

    expected = whole(trunk, hidden)
    assert (found[0] - expected[0, -10:]).abs().max() < 1e-3
    assert (torch.cat([found[1, :4], later[0]]) - expected[1, :9]).abs().max() < 1e-3


@torch.inference_mode()
def test_the_first_token_and_the_near_ones_count_and_no_other(trunk: Layers, hidden: Tensor) -> None:
    """One layer: what lies beyond the reach changes nothing; the first token and the nearest do."""
    layer = Layers(trunk.decoder, 0, 1, is_top=False)  # pyright: ignore[reportArgumentType] -- a decoder it is

    def last(changed: int) -> Tensor:
        text = hidden[:1].clone()
        text[:, changed] += 1
        return read_on(layer, text, [Kept()], [LENGTH])[0, -1]

    plain = read_on(layer, hidden[:1], [Kept()], [LENGTH])[0, -1]
    assert torch.equal(last(LENGTH - 1 - REACH), plain)
    assert not torch.equal(last(LENGTH - REACH), plain)
    assert not torch.equal(last(0), plain)
