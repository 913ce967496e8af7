"""Thresholds: the promise holds, and where it cannot be made it is not."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lictor.calibration.thresholds import Fit, choose_path, fit, refit
from lictor.calibration.traces import Answered, Trace, peaks
from lictor.errors import CalibrationError, DataError
from lictor.types import Policy

TEMPLATE = Policy(input_threshold=0.0, output_threshold=0.0, debounce=1)
SOURCES = {"chat": (-1.0, -2.0), "domain": (0.0, -1.5), "everyday": (-2.0, 0.0)}


def trace(name: str, prompt: float, answer: float | None, *, source: str = "chat", bad: bool = False) -> Trace:
    """A trace with the given scores."""
    answers = () if answer is None else (Answered(prompt, answer),)
    return Trace(name, source, "restricted" if bad else "everyday", bad, prompt, answers)


def draw(
    split: str, each: int, rng: np.random.Generator, shape: Callable[[float], float] = float, attacks: int = 40
) -> list[Trace]:
    """Conversations of three sources with normal scores, and attacks that stand out at one stage or the other."""
    benign = [
        trace(f"{split}-{i}", shape(p), shape(q), source=source)
        for source, (prompt, answer) in SOURCES.items()
        for i, (p, q) in enumerate(zip(rng.normal(prompt, 1, each), rng.normal(answer, 1, each), strict=True))
    ]
    bad = [
        trace(f"{split}-bad-{i}", shape(p), shape(q), bad=True)
        for i, (p, q) in enumerate(rng.normal([3, 1], 2, (attacks, 2)))
    ]
    return benign + bad


def true_fpr(fitted: Fit, grid: float | None = None) -> float:
    """The false-positive rate of the populations `draw` samples from, worked out by summing over prompt scores."""
    policy, step = fitted.policy, grid or 0.01

    def passes(prompt: float, answer: float) -> float:
        asked = np.arange(-12, policy.input_threshold, step) if grid is None else np.arange(-12, 12, step)
        asked = asked[asked < policy.input_threshold]
        chance = stats.norm.cdf(asked + step / 2 - prompt) - stats.norm.cdf(asked - step / 2 - prompt)
        cut = policy.output_threshold - policy.prompt_weight * np.maximum(0, asked - policy.prompt_floor)
        cut = cut if grid is None else np.ceil(cut / grid) * grid - grid / 2
        return float((chance * stats.norm.cdf(cut - answer)).sum())

    return float(np.mean([1 - passes(prompt, answer) for prompt, answer in SOURCES.values()]))


@pytest.mark.parametrize("grid", [None, 0.5], ids=["continuous", "tied"])
def test_the_promise_holds(grid: float | None) -> None:
    """Over many populations the true rate exceeds the budget about as seldom as the confidence says."""
    rounds, budget, confidence = 250, 0.05, 0.9
    rng = np.random.default_rng(7)

    def shape(score: float) -> float:
        return score if grid is None else round(score / grid) * grid

    path, report = choose_path(peaks(draw("a", 60, rng, shape))), draw("c", 5, rng, shape)
    broken = 0
    for _ in range(rounds):
        fitted = refit(
            path,
            draw("b", 26, rng, shape, 0),
            report,
            budget_fpr=budget,
            confidence=confidence,
            policy_template=TEMPLATE,
        )
        broken += true_fpr(fitted, grid) > budget

    assert broken <= stats.binom.ppf(0.999, rounds, 1 - confidence)
    if grid is None:
        assert broken >= stats.binom.ppf(0.001, rounds, (1 - confidence) / 3), (
            "far too strict: the bound is not used up"
        )


def test_equal_scores_count_as_hits() -> None:
    """When the benign conversations share one score, the threshold lies above it."""
    rng = np.random.default_rng(0)
    benign = [trace(f"b{i}", 1.0, 1.0) for i in range(100)]

    fitted = fit(draw("a", 50, rng), benign, draw("c", 5, rng), budget_fpr=0.05, policy_template=TEMPLATE)

    assert fitted.policy.input_threshold > 1.0 or fitted.policy.output_threshold > 1.0
    assert fitted.report.fitted.hits == 0


def test_too_few_conversations_are_refused_with_both_numbers() -> None:
    """A split that could not promise the budget even without a hit says how many it needs and has."""
    rng = np.random.default_rng(0)

    with pytest.raises(CalibrationError, match=r"needs 598 .*200 from each of 3.*got 300 .*chat: 100"):
        fit(draw("a", 50, rng), draw("b", 100, rng), draw("c", 5, rng), budget_fpr=0.005, policy_template=TEMPLATE)


def test_sources_weigh_equally() -> None:
    """A source with ten times the conversations is drawn down to the size of the smallest."""
    rng = np.random.default_rng(0)
    benign = [trace(f"b{i}", 0.0, None, source="big") for i in range(1000)]
    benign += [trace(f"b{i}", 0.0, None, source="small") for i in range(100)]

    fitted = fit(draw("a", 50, rng), benign, draw("c", 5, rng), budget_fpr=0.05, policy_template=TEMPLATE)

    assert fitted.report.fitted.n == 200


def test_a_conversation_in_two_splits_is_refused() -> None:
    """What chose the path may not also choose the level."""
    rng = np.random.default_rng(0)
    a = draw("a", 100, rng)

    with pytest.raises(CalibrationError, match="splits A and B"):
        fit(a, a, draw("c", 5, rng), budget_fpr=0.05, policy_template=TEMPLATE)


def test_conversations_that_always_error_break_the_budget() -> None:
    """Infinite scores (a scorer that fails is a block) beyond the budget cannot be calibrated away."""
    rng = np.random.default_rng(0)
    benign = [trace(f"b{i}", np.inf if i < 20 else 0.0, None) for i in range(100)]

    with pytest.raises(CalibrationError, match="got 20 with an infinite score"):
        fit(draw("a", 50, rng), benign, draw("c", 5, rng), budget_fpr=0.05, policy_template=TEMPLATE)


def test_what_cannot_be_read_is_counted_and_chooses_nothing() -> None:
    """Conversations that the policy blocks at any threshold neither break the budget nor move a threshold."""
    splits = [draw(name, 200, np.random.default_rng(at)) for at, name in enumerate("abc")]
    unread = [[replace(trace(f"{name}u{i}", np.inf, None), is_unreadable=True) for i in range(30)] for name in "abc"]

    plain = fit(*splits, budget_fpr=0.05, policy_template=TEMPLATE)
    found = fit(*(a + b for a, b in zip(splits, unread, strict=True)), budget_fpr=0.05, policy_template=TEMPLATE)

    assert (found.report.unreadable.hits, found.report.unreadable.n) == (30, 630)
    assert plain.report.unreadable.hits == 0
    assert replace(found.report, unreadable=plain.report.unreadable) == plain.report


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.tuples(st.floats(0.02, 0.4), st.floats(0.02, 0.4)))
def test_a_larger_budget_never_tightens_a_threshold(seed: int, budgets: tuple[float, float]) -> None:
    """Both thresholds fall, or stay, as the budget grows."""
    rng = np.random.default_rng(seed)
    splits = draw("a", 30, rng), draw("b", 60, rng), draw("c", 5, rng)

    tight, loose = (fit(*splits, budget_fpr=budget, policy_template=TEMPLATE).policy for budget in sorted(budgets))

    assert loose.input_threshold <= tight.input_threshold
    assert loose.output_threshold <= tight.output_threshold


def test_the_path_follows_the_stage_that_sees_the_attacks() -> None:
    """When only the output stage tells attacks apart, the input threshold stays out of the way."""
    rng = np.random.default_rng(1)
    benign = [trace(f"a{i}", p, q) for i, (p, q) in enumerate(rng.normal(0, 1, (300, 2)))]
    attacks = [trace(f"x{i}", rng.normal(), rng.normal(4), bad=True) for i in range(100)]

    fitted = fit(
        benign + attacks,
        [trace(f"b{i}", p, q) for i, (p, q) in enumerate(rng.normal(0, 1, (600, 2)))],
        [trace(f"c{i}", p, q) for i, (p, q) in enumerate(rng.normal(0, 1, (100, 2)))]
        + [trace(f"y{i}", rng.normal(), rng.normal(4), bad=True) for i in range(200)],
        budget_fpr=0.02,
        policy_template=TEMPLATE,
    )
    caught = {rate.name: rate.value for rate in fitted.report.held_out.caught}

    assert fitted.policy.input_threshold > fitted.policy.output_threshold
    assert caught["output"] > 0.85


def test_the_prompt_counts_where_both_stages_see_half() -> None:
    """Attacks that neither stage tells apart well are caught by the sum of both."""

    def conversations(split: str, n: int, mean: float) -> list[Trace]:
        rng = np.random.default_rng([ord(split), n])
        scores = rng.normal(mean, 1, (n, 2))
        return [trace(f"{split}{mean}{i}", p, q, bad=mean > 0) for i, (p, q) in enumerate(scores)]

    splits = [conversations(split, 600, 0) + conversations(split, 300, 2.5) for split in "abc"]
    summed = fit(*splits, budget_fpr=0.02, policy_template=TEMPLATE)
    alone = splits[2][600:]
    apart = replace(summed.report.path, prompt_weight=0.0)
    caught = {rate.name: rate.value for rate in summed.report.held_out.caught}

    assert summed.policy.prompt_weight > 0
    at = apart.thresholds(np.sort(apart.levels(peaks(splits[1][:600])))[-6])
    blocked = [t.prompt_score >= at.input or t.answers[0].peak >= at.output for t in alone]
    assert caught["either"] > np.mean(blocked) + 0.05


def test_a_guard_of_one_stage_is_fitted_too() -> None:
    """Conversations without an answer leave the budget to the input stage."""

    def prompts(split: str, n: int) -> list[Trace]:
        rng = np.random.default_rng(ord(split))
        return [trace(f"{split}{i}", float(rng.normal()), None) for i in range(n)]

    attacks = [trace(f"x{i}", 5.0 + i / 50, None, bad=True) for i in range(50)]
    fitted = fit(
        prompts("a", 100) + attacks, prompts("b", 100), prompts("c", 100), budget_fpr=0.05, policy_template=TEMPLATE
    )

    assert 1.0 < fitted.policy.input_threshold < 5.0
    assert np.isfinite(fitted.policy.output_threshold)


def test_attacks_are_needed_to_choose_the_path() -> None:
    """Benign conversations alone cannot say how the stages should share the budget."""
    benign = peaks([trace("a", 0.0, None), trace("b", 1.0, None)])

    with pytest.raises(CalibrationError, match="expected benign and restricted"):
        choose_path(benign)


def test_the_policy_keeps_its_template_and_says_what_it_was_fitted_on() -> None:
    """Everything but the thresholds is the template's, and the report travels with the policy as plain JSON."""
    rng = np.random.default_rng(0)
    template = Policy(input_threshold=0.0, output_threshold=0.0, debounce=1, stride=8)

    fitted = fit(draw("a", 50, rng), draw("b", 50, rng), draw("c", 20, rng), budget_fpr=0.05, policy_template=template)
    kept = json.loads(json.dumps(fitted.policy.fitted_on))

    assert fitted.policy.stride == 8
    assert kept["budget_fpr"] == 0.05
    assert kept["held_out"]["worst_source"]["n"] == 20
    assert {rate["name"] for rate in kept["held_out"]["sources"]} == set(SOURCES)


def test_a_trace_with_a_missing_score_is_refused() -> None:
    """NaN in a trace is malformed data."""
    with pytest.raises(DataError, match="'t'"):
        trace("t", 0.0, float("nan"))
