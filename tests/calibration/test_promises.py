"""Promises for every source, several budgets at once, and how far traffic is from what they stand on."""

import numpy as np
import pytest

from lictor.calibration.drift import drift
from lictor.calibration.points import operating_points
from lictor.calibration.thresholds import choose_path, fit, peaks, refit
from lictor.errors import CalibrationError
from lictor.types import Policy

from .test_thresholds import SOURCES, TEMPLATE, draw, trace


def test_every_source_keeps_the_budget_where_that_is_promised() -> None:
    """Over many populations whose sources differ, some source's true rate exceeds it as seldom as promised."""
    rounds, budget, confidence = 150, 0.06, 0.9
    rng = np.random.default_rng(11)
    path, report = choose_path(peaks(draw("a", 60, rng))), draw("c", 5, rng)
    broken = by_mean = 0
    for _ in range(rounds):
        b = draw("b", 80, rng, attacks=0)
        for promise in ("every_source", "mean"):
            fitted = refit(
                path, b, report, budget_fpr=budget, policy_template=TEMPLATE, confidence=confidence, promise=promise
            )
            assert fitted.report.fitted_upper <= budget
            worst = worst_rate(fitted.policy)
            broken += promise == "every_source" and worst > budget
            by_mean += promise == "mean" and worst > budget

    assert broken / rounds <= 1 - confidence + 0.06
    assert by_mean > broken, "the mean's promise should let the worst source exceed the budget more often"


def worst_rate(policy: Policy, n: int = 40_000) -> float:
    """False-positive rate of the worst population of `draw`, by sampling."""
    rng = np.random.default_rng(3)
    rates: list[float] = []
    for prompt, answer in SOURCES.values():
        asked, said = rng.normal(prompt, 1, n), rng.normal(answer, 1, n)
        said = said + policy.prompt_weight * np.maximum(0, asked - policy.prompt_floor)
        rates.append(float(((asked >= policy.input_threshold) | (said >= policy.output_threshold)).mean()))
    return max(rates)


def test_a_source_too_small_for_its_own_promise_is_named() -> None:
    """The mean can be promised, every source cannot."""
    rng = np.random.default_rng(5)
    splits = draw("a", 40, rng), draw("b", 20, rng), draw("c", 5, rng)

    fit(*splits, budget_fpr=0.1, policy_template=TEMPLATE)
    with pytest.raises(CalibrationError, match=r"needs 39 benign .* got 20 \(chat: 20\)"):
        fit(*splits, budget_fpr=0.1, policy_template=TEMPLATE, promise="every_source")


def test_points_go_from_loose_to_strict_until_the_data_ends() -> None:
    """Thresholds rise as the budget falls; what cannot be promised has a reason."""
    rng = np.random.default_rng(6)
    splits = draw("a", 40, rng), draw("b", 60, rng), draw("c", 5, rng)

    points = operating_points(splits, TEMPLATE, budgets=(0.2, 0.05, 0.001))

    fits = [point.fit for point in points[:2] if point.fit]
    assert len(fits) == 2
    assert fits[0].policy.input_threshold < fits[1].policy.input_threshold
    assert points[2].fit is None
    assert "needs 2,995" in str(points[2].reason)


def test_drift_sees_traffic_that_scores_higher_and_none_in_its_own_kind() -> None:
    """Each stage by itself; restricted rows do not count; a stage without answers is left out."""
    rng = np.random.default_rng(8)
    policy = Policy(input_threshold=2.0, output_threshold=2.0)
    fitted = [trace(f"f{i}", p, q) for i, (p, q) in enumerate(rng.normal(0, 1, (400, 2)))]
    alike = [trace(f"t{i}", p, q) for i, (p, q) in enumerate(rng.normal(0, 1, (400, 2)))]
    bad = [trace(f"b{i}", 9.0, 9.0, bad=True) for i in range(50)]
    moved = [trace(f"m{i}", p + 1.5, None) for i, p in enumerate(rng.normal(0, 1, 400))]

    same, other = drift(fitted, alike + bad, policy), drift(fitted, moved, policy)

    assert [d.stage for d in same] == ["input", "output"]
    assert all(d.p_value > 0.01 and d.distance < 0.15 and d.n == 400 for d in same)
    assert [d.stage for d in other] == ["input"]
    assert other[0].p_value < 1e-9
    assert other[0].low < 0.31 < other[0].high, "one in 3.2 of a normal lies above half a deviation"
    assert drift(fitted, [], policy) == []
