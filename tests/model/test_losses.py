"""Losses: what the annealed maximum is at both ends, and what a mask hides."""

import pytest
import torch
from torch.nn import functional

from lictor.model.losses import (
    WINDOW,
    StreamLoss,
    annealed_maximum_loss,
    maximum_weight,
    next_token_loss,
    readout_loss,
    sliding_mean,
    sliding_window_loss,
    stream_loss,
)

LOGITS = torch.tensor([[-2.0, 1.0, 0.5, -3.0], [0.3, -0.4, 2.0, 9.0]])
LABELS = torch.tensor([1, 0])
FULL = torch.ones(2, 4)


def bce(p: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy of probabilities with LABELS."""
    return functional.binary_cross_entropy(p, LABELS.float()[:, None].expand_as(p))


def test_at_weight_zero_every_token_is_judged_alone() -> None:
    """The loss is the plain per-token cross-entropy."""
    assert annealed_maximum_loss(LOGITS, LABELS, FULL, 0.0).item() == pytest.approx(bce(torch.sigmoid(LOGITS)).item())


def test_at_weight_one_the_running_maximum_is_judged() -> None:
    """The loss is the cross-entropy of the highest probability so far."""
    running = torch.sigmoid(LOGITS).cummax(-1).values

    assert annealed_maximum_loss(LOGITS, LABELS, FULL, 1.0).item() == pytest.approx(bce(running).item())
    assert abs(bce(running).item() - bce(torch.sigmoid(LOGITS)).item()) > 0.05


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_what_the_mask_hides_counts_nothing(weight: float) -> None:
    """A start token and padding, however high, change neither the maximum nor the mean."""
    padded = torch.cat([torch.full((2, 1), 50.0), LOGITS, torch.full((2, 3), 50.0)], 1)
    mask = torch.tensor([[0, 1, 1, 1, 1, 0, 0, 0]] * 2)

    found = annealed_maximum_loss(padded, LABELS, mask, weight)

    assert found.item() == pytest.approx(annealed_maximum_loss(LOGITS, LABELS, FULL, weight).item())


def test_a_window_takes_the_mean_of_what_it_holds() -> None:
    """The last tokens count, fewer near the start, and nothing the mask hides."""
    logits = torch.tensor([[99.0, 1.0, 3.0, 5.0, 99.0]])
    mask = torch.tensor([[0, 1, 1, 1, 0]])

    assert sliding_mean(logits, mask, 2)[0, 1:4].tolist() == [1.0, 2.0, 4.0]


def test_a_harmless_beginning_costs_a_restricted_answer_nothing() -> None:
    """Windows weigh by how high they are: one that is plainly restricted is enough, and one false alarm is dear."""
    low, high = torch.full((1, 3 * WINDOW), -6.0), torch.full((1, WINDOW), 6.0)
    mixed = torch.cat([low, high], 1)
    mask = torch.ones_like(mixed)

    assert sliding_window_loss(mixed, torch.tensor([1]), mask).item() < 0.1
    assert sliding_window_loss(mixed, torch.tensor([0]), mask).item() > 4
    assert stream_loss("token", mixed, torch.tensor([1]), mask, progress=1.0).item() > 4


def test_an_answer_shorter_than_a_window_has_one_prediction() -> None:
    """It is the mean of all its logits."""
    found = sliding_window_loss(LOGITS, LABELS, FULL)

    assert found.item() == pytest.approx(readout_loss(LOGITS.mean(-1), LABELS).item())


@pytest.mark.parametrize("kind", ["cumulative_max", "sliding_window", "token", "last_token"])
def test_every_stream_loss_ignores_what_is_hidden(kind: StreamLoss) -> None:
    """A start token and padding change no loss."""
    padded = torch.cat([torch.full((2, 1), 50.0), LOGITS, torch.full((2, 3), 50.0)], 1)
    mask = torch.tensor([[0, 1, 1, 1, 1, 0, 0, 0]] * 2)

    found = stream_loss(kind, padded, LABELS, mask, progress=0.5)

    assert found.item() == pytest.approx(stream_loss(kind, LOGITS, LABELS, FULL, progress=0.5).item())


def test_extreme_logits_keep_the_loss_and_its_gradient_finite() -> None:
    """A head that is wholly sure and wholly wrong still learns from finite numbers."""
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)

    loss = annealed_maximum_loss(logits, torch.tensor([0]), torch.ones(1, 2), 0.5) + readout_loss(
        logits[:, 0], torch.tensor([0])
    )
    loss.backward()  # pyright: ignore[reportUnknownMemberType] -- torch's own stub

    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_the_maximum_takes_over_by_three_quarters() -> None:
    """Its weight rises from 0 to 1 and stays there."""
    assert [maximum_weight(p) for p in (0.0, 0.375, 0.75, 1.0)] == [0.0, 0.5, 1.0, 1.0]


def test_all_positions_sampled_give_the_full_next_token_loss() -> None:
    """Over every position the estimate is the language model's own cross-entropy, padding left out."""
    torch.manual_seed(0)
    hidden, unembedding = torch.randn(2, 5, 8), torch.randn(11, 8)
    ids = torch.randint(0, 11, (2, 5))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])

    found = next_token_loss(hidden, unembedding, ids, mask, torch.randperm(10))

    scores = hidden @ unembedding.T
    kept = [(scores[b, t], ids[b, t + 1]) for b, n in ((0, 5), (1, 3)) for t in range(n - 1)]
    expected = functional.cross_entropy(torch.stack([s for s, _ in kept]), torch.stack([i for _, i in kept]))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_sample_without_a_following_token_costs_nothing() -> None:
    """Last positions alone give 0, not a division by zero."""
    mask = torch.ones(1, 3)

    loss = next_token_loss(torch.randn(1, 3, 4), torch.randn(6, 4), torch.tensor([[1, 2, 3]]), mask, torch.tensor([2]))

    assert loss.item() == 0.0


def test_smoothed_targets_give_the_readout_an_end() -> None:
    """Smoothing by a tenth is least at a probability of 0.95, and a surer logit costs more again."""
    label = torch.tensor([1])
    best = torch.logit(torch.tensor([0.95]))
    at_best, beyond = (readout_loss(logit, label, smoothing=0.1) for logit in (best, best + 5))
    assert at_best < beyond
    assert at_best < readout_loss(best - 1, label, smoothing=0.1)
    assert readout_loss(best + 5, label) < readout_loss(best, label)
