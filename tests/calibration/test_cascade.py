"""A cascade is fitted to tell answers apart, within what it may cost."""

import numpy as np
import pytest

from lictor.calibration.cascade import TwiceRead, fit_cascade
from lictor.errors import CalibrationError

OPENING = 20


def read(
    rng: np.random.Generator, *, bad: bool, source: str = "chat", told: float = 3.0, tokens: int = 30
) -> TwiceRead:
    """An answer on which both scorers are noisy; what is restricted has the stream scorer at 1, the other at `told`."""
    return TwiceRead(
        source=source,
        is_restricted=bad,
        prompt=float(rng.normal(bad)),
        stream=rng.normal(bad, 1.0) + rng.normal(0, 0.1, tokens),
        exchange=10 + 5 * (rng.normal(told * bad, 1.0) + rng.normal(0, 0.1, tokens)),
        read_from=lambda first: OPENING + tokens + (tokens - first),
    )


def drawn(told: float = 3.0, n: int = 300) -> list[TwiceRead]:
    """Benign answers of two sources, and a third as many restricted ones."""
    rng = np.random.default_rng(3)
    benign = [read(rng, bad=False, source=name) for name in ("chat", "domain") for _ in range(n)]
    return benign + [read(rng, bad=True, told=told) for _ in range(n)]


def cost(answers: list[TwiceRead], prompt: float, answer: float) -> float:
    """Tokens read for benign answers over those the stream scorer reads, worked out token by token; sizes are equal."""
    spent = stream = 0
    for one in (a for a in answers if not a.is_restricted):
        at = [n for n, logit in enumerate(one.stream) if one.prompt >= prompt or logit >= answer]
        stream += len(one.stream)
        spent += len(one.stream) + (one.read_from(at[0]) if at else 0)
    return spent / stream


@pytest.mark.parametrize("most", [1.1, 1.5, 3.0])
def test_benign_traffic_costs_what_it_may(most: float) -> None:
    """And hardly less: more that is suspicious is read for it."""
    answers = drawn()
    fitted = fit_cascade(answers, debounce=2, compute=most)

    assert fitted.cascade is not None
    spent = cost(answers, fitted.cascade.prompt_escalation, fitted.cascade.answer_escalation)
    assert fitted.compute == pytest.approx(spent)
    assert most - 0.05 < spent <= most
    assert fitted.restricted_escalated > fitted.benign_escalated
    assert (fitted.n_benign, fitted.n_restricted) == (600, 300)


def test_nothing_is_escalated_that_may_cost_nothing() -> None:
    """A compute of 1 leaves no room for a second reading of benign answers."""
    fitted = fit_cascade(drawn(), debounce=2, compute=1.0)

    assert (fitted.compute, fitted.benign_escalated) == (1.0, 0.0)


def test_the_scorer_that_knows_more_weighs_more() -> None:
    """Their sum tells more than either; one that knows nothing is left out."""
    knowing, equal, ignorant = (fit_cascade(drawn(told), debounce=2, compute=1.5) for told in (4.0, 1.0, 0.0))

    assert knowing.cascade is not None
    assert equal.cascade is not None
    assert knowing.cascade.weight > equal.cascade.weight > 0
    assert ignorant.cascade is None
    assert all(equal.log_auroc[f"{equal.cascade.weight:g}"] > equal.log_auroc[w] for w in ("0", "1"))


def test_logits_are_brought_to_one_scale() -> None:
    """The benign median and spread of either are the same then."""
    answers = drawn()
    cascade = fit_cascade(answers, debounce=1, compute=1.5).cascade

    assert cascade is not None
    benign = [a for a in answers if not a.is_restricted]
    stream = np.quantile([a.stream.max() for a in benign], [0.5, 0.95])
    exchange = np.quantile([cascade.scale * a.exchange.max() + cascade.shift for a in benign], [0.5, 0.95])
    assert exchange == pytest.approx(stream)


def test_a_cascade_needs_both_sides() -> None:
    """And may not be asked to cost less than the stream scorer alone."""
    answers = drawn(n=5)
    for wrong, most in (([a for a in answers if a.is_restricted], 1.5), ([], 1.5), (answers, 0.9)):
        with pytest.raises(CalibrationError, match="a cascade: expected"):
            fit_cascade(wrong, debounce=1, compute=most)
