"""Linear layers in int8: close to what they stand for, and blind to their neighbours."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lictor.llm.int8 import Int8Linear, quantise


@pytest.fixture(scope="module")
def linear() -> nn.Linear:
    """A layer with a bias."""
    torch.manual_seed(0)
    return nn.Linear(64, 32)


def test_its_output_is_within_two_percent_of_the_layer_it_stands_for(linear: nn.Linear) -> None:
    """Rounding to 8 bits costs little."""
    hidden = torch.randn(3, 5, 64)
    exact, found = linear(hidden), Int8Linear(linear)(hidden)
    assert found.shape == exact.shape
    assert (found - exact).norm() / exact.norm() < 0.02


def test_a_massive_activation_on_one_token_leaves_the_others_exact(linear: nn.Linear) -> None:
    """Every token has a scale of its own."""
    layer, calm = Int8Linear(linear), torch.randn(4, 64)
    wild = calm.clone()
    wild[0, 3] = 1e5
    assert torch.equal(layer(wild)[1:], layer(calm)[1:])


@given(st.integers(1, 40), st.integers(0, 39))
def test_what_a_token_gives_does_not_depend_on_the_batch(rows: int, at: int) -> None:
    """Alone or among others, the same token gives the same numbers, bit for bit."""
    torch.manual_seed(1)
    layer, hidden = Int8Linear(nn.Linear(48, 16, bias=False)), torch.randn(rows, 48)
    at %= rows
    assert torch.equal(layer(hidden)[at], layer(hidden[at : at + 1])[0])


def test_a_token_of_zeros_gives_zeros(linear: nn.Linear) -> None:
    """No division by nothing."""
    assert torch.allclose(Int8Linear(linear)(torch.zeros(1, 64)), linear.bias[None])


def test_every_linear_layer_is_replaced_however_deep() -> None:
    """Nothing stays in floating point by oversight."""
    module = quantise(nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2))))
    assert sum(isinstance(m, Int8Linear) for m in module.modules()) == 2
    assert not any(isinstance(m, nn.Linear) for m in module.modules())
