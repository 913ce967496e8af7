"""The backbone: cutting a model in two changes nothing it computes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lictor.errors import ModelNotFoundError
from lictor.llm.local import load_causal_lm
from lictor.model.backbone import FINAL_NORMS, Backbone, Cut, batches_by_length, pad_right
from lictor.model.reading import Kept, read_on

from .conftest import OTHERS

CUTS = [Cut(trunk, top) for top in range(1, 5) for trunk in range(top)]
SEQUENCES = [[7, 250, 3, 3, 99], [12], [40, 41, 42, 43, 44, 45, 46, 47, 48]]


def whole_model(reference: str, top: int, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What the untouched model says after `top` layers and its final norm."""
    decoder: Any = load_causal_lm(reference, "fp32").get_decoder()
    norm = decoder.get_submodule(next(name for name, _ in decoder.named_children() if name in FINAL_NORMS))
    with torch.inference_mode():
        out: Any = decoder(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return out.last_hidden_state if top == 4 else norm(out.hidden_states[top])


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_trunk_and_top_are_the_whole_model(tiny: str, cut: Cut) -> None:
    """Over any cut, padded rows included, the two parts in turn give the model's own hidden states."""
    backbone = Backbone(tiny, cut, "fp32")
    ids, mask = pad_right(SEQUENCES)

    with torch.inference_mode():
        found = backbone.fresh_top()(backbone.read(ids, mask), mask)

    expected = whole_model(tiny, cut.top, ids, mask)
    assert expected.std() > 0.1
    assert (found - expected).abs()[mask.bool()].max() < 1e-5


@pytest.mark.parametrize("kind", OTHERS)
def test_models_of_other_makes_are_cut_as_well(other: Callable[[str], str], kind: str) -> None:
    """Learnt positions, layers of two kinds, other names: in one pass or token by token, nothing changes."""
    reference = other(kind)
    for cut in (Cut(0, 4), Cut(1, 3), Cut(2, 4)):
        backbone = Backbone(reference, cut, "fp32")
        top, (ids, mask) = backbone.fresh_top(), pad_right(SEQUENCES)
        low, high = Kept(), Kept()

        with torch.inference_mode():
            found = top(backbone.read(ids, mask), mask)
            read = (read_on(backbone.trunk, backbone.embed(ids[2:, [i]]), [low], [1]) for i in range(ids.shape[1]))
            parts = torch.cat([read_on(top, hidden, [high], [1]) for hidden in read], 1)

        expected = whole_model(reference, cut.top, ids, mask)
        assert expected.std() > 0.1
        assert (found - expected).abs()[mask.bool()].max() < 1e-4
        assert (parts[0] - expected[2]).abs().max() < 1e-3


@pytest.mark.parametrize("cut", [Cut(0, 4), Cut(2, 3), Cut(3, 4)], ids=str)
def test_state_replaces_reading_again(tiny: str, cut: Cut) -> None:
    """Reading token by token with what was kept gives what one pass over the whole gives."""
    backbone = Backbone(tiny, cut, "fp32")
    top = backbone.fresh_top()
    ids = torch.tensor([SEQUENCES[2]])
    low, high = Kept(), Kept()

    with torch.inference_mode():
        whole = top(backbone.read(ids))
        read = (read_on(backbone.trunk, backbone.embed(ids[:, [i]]), [low], [1]) for i in range(ids.shape[1]))
        parts = [read_on(top, hidden, [high], [1]) for hidden in read]

    assert (torch.cat(parts, 1) - whole).abs().max() < 1e-4


def test_activations_come_back_in_the_order_given(tiny: str) -> None:
    """However sequences are batched, each gets its own activations at its own length."""
    backbone = Backbone(tiny, Cut(2, 3), "fp32")

    batched = backbone.activations(SEQUENCES, batch_tokens=8)

    assert [h.shape[0] for h in batched] == [5, 1, 9]
    for sequence, hidden in zip(SEQUENCES, batched, strict=True):
        alone = backbone.read(torch.tensor([sequence]))[0]
        assert (hidden.float() - alone).abs().max() < 0.05 * alone.abs().max()


def test_batches_hold_every_index_once_within_the_limit() -> None:
    """Shortest first, each batch no wider than the limit unless one sequence alone is."""
    lengths = [5, 1, 9, 30, 2, 2]

    batches = batches_by_length(lengths, 10)

    assert sorted(i for batch in batches for i in batch) == [0, 1, 2, 3, 4, 5]
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 10 for b in batches)
    assert len(batches) < len(lengths)


@pytest.mark.parametrize("cut", [Cut(3, 3), Cut(-1, 2), Cut(2, 5)], ids=str)
def test_a_cut_outside_the_model_is_told(tiny: str, cut: Cut) -> None:
    """The message says how many layers there are."""
    with pytest.raises(ModelNotFoundError, match="trunk < top <= 4 layers"):
        Backbone(tiny, cut)


def test_training_the_top_leaves_the_trunk_alone(tiny: str) -> None:
    """Only the copies above the trunk take gradients; two copies share no weight."""
    backbone = Backbone(tiny, Cut(2, 3), "fp32")
    first, second = backbone.fresh_top(), backbone.fresh_top()

    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1.0)

    assert not any(p.requires_grad for p in backbone.trunk.parameters())
    assert all(p.requires_grad for p in second.parameters())
    assert all((a - b).abs().min() > 0.5 for a, b in zip(first.parameters(), second.parameters(), strict=True))
