"""A linear probe: one logit from the activations of every layer, for each token a model reads or writes.

In: activations (tokens, layers, hidden). Out: logits (tokens). Knows no text, model or threshold.

Cites: CC2 section 5 (one linear map of the concatenated activations of all layers).
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lictor.errors import ArtifactError


class Probe(nn.Module):
    """`z = sum over layers of w_layer . h_layer, and a bias`: the features of every layer on a scale of their own.

    Activations differ in size by orders of magnitude between layers and features. The map is learnt on standardised
    ones; `fold` then puts the scale into the weights, so that reading costs one product.
    """

    def __init__(self, layers: int, hidden_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(layers, hidden_size))
        self.bias = nn.Parameter(torch.zeros(()))
        self.register_buffer("centre", torch.zeros(layers, hidden_size), persistent=False)
        self.register_buffer("spread", torch.ones(layers, hidden_size), persistent=False)

    def standardise(self, centre: Tensor, spread: Tensor) -> None:
        """Learn on activations less `centre`, divided by `spread`; both (layers, hidden)."""
        self.centre, self.spread = centre, spread

    def forward(self, activations: Tensor) -> Tensor:
        """Logits (...) of activations (..., layers, hidden)."""
        scaled = self.weight / self.spread
        return (activations.float() * scaled).sum((-2, -1)) + self.bias - (self.centre * scaled).sum()

    @torch.no_grad()
    def fold(self) -> None:
        """Put the standardisation into the weights; logits stay what they are."""
        scaled = self.weight / self.spread
        self.bias -= (self.centre * scaled).sum()
        self.weight.copy_(scaled)
        self.standardise(torch.zeros_like(scaled), torch.ones_like(scaled))

    def to_bytes(self) -> bytes:
        """Its weights as safetensors, folded before."""
        return save({name: tensor.detach().contiguous() for name, tensor in self.state_dict().items()})


def load_probe(path: Path) -> Probe:
    """The probe in a file.

    Raises:
        ArtifactError: There is none.
    """
    try:
        tensors = load_file(path)
        probe = Probe(*tensors["weight"].shape)
        probe.load_state_dict(tensors)
    except (OSError, RuntimeError, SafetensorError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: expected a probe's weights, got something else: {error}") from error
    return probe.eval()
