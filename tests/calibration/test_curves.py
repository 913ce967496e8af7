"""Curves: ties move together, and areas say what a threshold really reaches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lictor.calibration.curves import auroc, log_auroc, roc, tpr_at
from lictor.errors import CalibrationError


def test_equal_scores_are_hit_together() -> None:
    """A threshold at a tied score hits every conversation with that score, benign ones too."""
    curve = roc([2.0, 1.0, 1.0, 0.0], [True, True, False, False])

    assert curve.thresholds.tolist() == [np.inf, 2.0, 1.0, 0.0]
    assert curve.fpr.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert curve.tpr.tolist() == [0.0, 0.5, 1.0, 1.0]


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2).filter(lambda r: len({x[1] for x in r}) == 2))
def test_auroc_agrees_with_the_reference(rows: list[tuple[int, bool]]) -> None:
    """The area equals scikit-learn's, heavy ties included."""
    scores, labels = zip(*rows, strict=True)

    assert auroc(roc(scores, labels)).value == pytest.approx(roc_auc_score(labels, scores))


def test_tpr_at_stays_within_the_rate() -> None:
    """The share caught is that of a threshold whose false-positive rate does not exceed the one asked for."""
    curve = roc([5, 4, 3, 2, 1, 0], [True, False, True, False, False, False])

    assert tpr_at(curve, 0.0) == (0.5, 4, 2)
    assert tpr_at(curve, 0.24).value == 0.5
    assert tpr_at(curve, 0.25).value == 1.0


def test_log_auroc_weighs_each_decade_the_same() -> None:
    """A curve that rises from 0 to 1 at one percent, the middle of the range, has half the area."""
    scores = [3.0] + [2.0] * 10 + [1.0] * 99
    labels = [False] + [True] * 10 + [False] * 99

    assert log_auroc(roc(scores, labels)).value == pytest.approx(0.5)


def test_log_auroc_is_one_for_perfect_and_zero_for_reversed() -> None:
    """Its ends are those of a share."""
    labels = [False] * 50 + [True] * 50

    assert log_auroc(roc(np.arange(100), labels)) == (1.0, 50, 50)
    assert log_auroc(roc(-np.arange(100), labels)).value == 0.0


def test_weights_make_sources_equal() -> None:
    """Two sources of unequal size that weigh the same give the mean of their rates."""
    scores, labels = [9.0, 1.0, 1.0, 1.0, 5.0], [False, False, False, False, True]

    assert roc(scores, labels, [1.0, 1 / 3, 1 / 3, 1 / 3, 1.0]).fpr[1] == pytest.approx(0.5)


@pytest.mark.parametrize("scores", [[1.0, np.nan], [1.0]])
def test_malformed_scores_are_refused(scores: list[float]) -> None:
    """NaN or missing scores are errors."""
    with pytest.raises(CalibrationError, match="expected one score"):
        roc(scores, [True, False])


def test_one_class_alone_has_no_curve() -> None:
    """Without benign conversations there is no false-positive rate."""
    with pytest.raises(CalibrationError, match="got 0 and 2"):
        roc([1.0, 2.0], [True, True])
