"""Fit the thresholds of both stages together to a false-positive budget, with a promise that holds.

In: traces of three disjoint splits. Out: a `Policy` and the report behind it. Knows no scorer, text or file.

How, and why the promise is valid:

1. *Path, on split A.* Thresholds move along a straight line: each stage in units of its own benign spread, at an
   offset between the stages, and with a weight of the prompt's score in its answer's, that catch most attacks over
   false-positive rates 0.1% to 10% (log-AUROC of the whole system). Of offsets that do next to equally well, the one
   that refuses most at the prompt is taken. The line does not depend on the budget, so a larger budget never tightens
   either threshold.
2. *Level, on split B.* Along the line hits only grow, so every conversation has one level at which it is first hit,
   and the loosest level is read off the sorted levels: the exact one-sided upper bound of the false-positive rate at
   that level fits the budget. As there is a single fixed order of levels, that choice costs nothing: the rate exceeds
   the budget in at most 1 - confidence of all fits.
3. *Sources weigh equally.* The rate under budget is the mean of the sources' rates. The same number of conversations
   is drawn from each (seeded), and their pooled hits obey the binomial bound although the rates differ (Hoeffding 1956,
   for confidences of at least 0.75). Or the promise is for every source: each has a level of its own, at a confidence
   that all of them hold together (Bonferroni), and the strictest counts.
4. *Report, on split C*, which chose nothing.

A false positive is a benign conversation in which any turn is refused or the stream is halted. A score equal to the
threshold is a hit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lictor.calibration.curves import log_auroc, roc
from lictor.calibration.intervals import exact, most_hits, samples_needed, upper_bound
from lictor.calibration.traces import Peaks, Trace, peaks, readable, unreadable
from lictor.errors import CalibrationError
from lictor.types import Policy

MARGIN = 1e-6
"""How far past the conversation that must pass the level is set, in benign spreads: room for float32 logits."""
CANDIDATES = 41
TOLERANCE = 0.01
"""Log-AUROC given up to have more refused at the prompt, before the model was asked and anything was streamed."""
PROMPT_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
"""Tried for the prompt's part in its answer's score, both in units of their benign spread."""


Promise = Literal["mean", "every_source"]
"""What keeps the budget: the mean of the sources' false-positive rates, or each of them."""


class Spread(NamedTuple):
    """Where benign scores lie: their median, and the way from it to the 95th percentile."""

    middle: float
    width: float


class At(NamedTuple):
    """Both thresholds, in logits."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Path:
    """A line of threshold pairs; the higher the level, the fewer conversations are hit."""

    input_at: float
    """Input threshold at level 0, a logit."""
    input_step: float
    """How far the input threshold moves in one level: the benign spread of the input stage."""
    output_at: float
    output_step: float
    prompt_weight: float
    """What each logit of a prompt above `prompt_floor` adds to every logit of its answer."""
    prompt_floor: float
    log_auroc: float
    """What the path reached on the conversations that chose it."""
    n_benign: int = 0
    """Conversations that chose it; 0 where that was not kept."""
    n_restricted: int = 0

    def levels(self, scored: Peaks) -> NDArray[np.float64]:
        """Highest level at which each conversation is hit by either stage.  # (traces,)."""
        by_input = (scored.prompt - self.input_at) / self.input_step
        by_output = (self.answer(scored) - self.output_at) / self.output_step
        return np.maximum(by_input, by_output)

    def answer(self, scored: Peaks) -> NDArray[np.float64]:
        """The output threshold at or under which each conversation would be halted.  # (traces,)."""
        return scored.answer(self.prompt_weight, self.prompt_floor)

    def thresholds(self, level: float) -> At:
        """Both thresholds at `level`."""
        return At(self.input_at + level * self.input_step, self.output_at + level * self.output_step)


@dataclass(frozen=True, slots=True)
class Rate:
    """Hits among conversations, with the exact two-sided interval at the confidence of the fit."""

    name: str
    hits: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Share hit, in 0..1; 0.0 when there was none."""
        return self.hits / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the thresholds do on split C, which chose nothing."""

    sources: tuple[Rate, ...]
    """False positives by source."""
    mean_fpr: float
    """Mean of the sources' false-positive rates, in 0..1."""
    worst_source: Rate
    false_positives: tuple[Rate, ...]
    """By `input`, `output` and `either` stage, all sources pooled."""
    caught: tuple[Rate, ...]
    """Restricted conversations blocked by `input`, `output` and `either` stage."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a policy was fitted on, what it promises, and what it does on conversations that chose nothing."""

    budget_fpr: float
    confidence: float
    seed: int
    path: Path
    level: float
    promise: Promise
    fitted: Rate
    """False positives among the equally drawn conversations of split B, or those of its worst source."""
    fitted_upper: float
    """What is promised: exact one-sided upper bound of the false-positive rate."""
    held_out: HeldOut
    unreadable: Rate
    """Benign conversations of split B that cannot be read, and are blocked beside the budget where the policy says."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A policy and the report behind it, which also stands in `policy.fitted_on`."""

    policy: Policy
    report: Report


def fit(
    traces_a: Sequence[Trace],
    traces_b: Sequence[Trace],
    traces_c: Sequence[Trace],
    *,
    budget_fpr: float,
    policy_template: Policy,
    confidence: float = 0.95,
    promise: Promise = "mean",
    seed: int = 0,
) -> Fit:
    """Thresholds that catch most attacks while the false-positive rate stays within budget.

    Args:
        traces_a: Benign and restricted conversations; they choose the path.
        traces_b: Benign conversations, which choose the level; restricted ones are ignored.
        traces_c: Conversations for the report; they choose nothing.
        budget_fpr: Largest false-positive rate, in 0..1.
        policy_template: Debounce, stride and the rest; its thresholds and the prompt's part are replaced.
        confidence: Of the promise, at least 0.75.
        promise: Whether the mean over the sources keeps the budget, or every source.
        seed: Of the equal draw from the sources of split B.

    Raises:
        CalibrationError: Split B is too small to promise the budget even with no hit; a conversation is in two splits;
            a split lacks what it is for; or too many conversations are blocked at any threshold.
    """
    _refuse_overlap(traces_a, traces_b, traces_c)
    return refit(
        choose_path(peaks(readable(traces_a))),
        traces_b,
        traces_c,
        budget_fpr=budget_fpr,
        policy_template=policy_template,
        confidence=confidence,
        promise=promise,
        seed=seed,
    )


def refit(
    path: Path,
    traces_b: Sequence[Trace],
    traces_c: Sequence[Trace],
    *,
    budget_fpr: float,
    policy_template: Policy,
    confidence: float = 0.95,
    promise: Promise = "mean",
    seed: int = 0,
) -> Fit:
    """As `fit`, on a path that was chosen before: the promise holds for any, if split B did not choose it.

    Raises:
        CalibrationError: As `fit`.
    """
    if not 0.75 <= confidence < 1:
        raise CalibrationError(f"expected a confidence in 0.75..1, 1 excluded, got {confidence}")
    _refuse_overlap(traces_b, traces_c)
    b, c = peaks(readable(traces_b)), peaks(readable(traces_c))
    benign = b.take(~b.restricted)
    if promise == "mean":
        groups = {"split B": draw_equally(benign, budget_fpr, confidence, np.random.default_rng(seed))}
    else:
        groups = {str(name): benign.take(benign.source == name) for name in np.unique(benign.source)}
        groups = groups or {"split B": benign}
    each = 1 - (1 - confidence) / len(groups)
    level = max(_choose_level(path.levels(_enough(g, budget_fpr, each)), budget_fpr, each) for g in groups.values())
    at = path.thresholds(level)
    rates = [_rate(name, _blocked(group, path, at)["either"], confidence) for name, group in groups.items()]
    fitted = max(rates, key=lambda rate: upper_bound(rate.hits, rate.n, each))
    report = Report(
        budget_fpr=budget_fpr,
        confidence=confidence,
        seed=seed,
        path=path,
        level=level,
        promise=promise,
        fitted=fitted,
        fitted_upper=upper_bound(fitted.hits, fitted.n, each),
        held_out=_hold_out(c, path, at, confidence),
        unreadable=_rate("unreadable", unreadable(traces_b), confidence),
    )
    assert report.fitted_upper <= budget_fpr, "more hits at the level than the budget allows"  # noqa: S101
    return Fit(_with_thresholds(policy_template, at, report), report)


def choose_path(a: Peaks) -> Path:
    """The line of threshold pairs that catches most of split A's attacks over false-positive rates 0.1% to 10%.

    Raises:
        CalibrationError: Split A has no benign or no restricted conversation.
    """
    weights = source_weights(a.source, a.restricted)
    floor, input_step = spread(a.prompt[~a.restricted])
    output_at, output_step = spread(a.answer(0.0, 0.0)[~a.restricted])
    z_input = (a.prompt - floor) / input_step

    def best_at(weight: float) -> Path:
        per_logit = weight * output_step / input_step
        z_output = (a.answer(per_logit, floor) - output_at) / output_step

        def reached(offset: float) -> float:
            return log_auroc(roc(np.maximum(z_input - offset, z_output), a.restricted, weights)).value

        low, high = _reach(z_input, z_output)
        coarse = _earliest(np.linspace(low, high, CANDIDATES), reached)
        step = (high - low) / (CANDIDATES - 1)
        offset = _earliest(np.linspace(coarse - step, coarse + step, CANDIDATES), reached)
        at = floor + input_step * offset
        counts = int((~a.restricted).sum()), int(a.restricted.sum())
        return Path(at, input_step, output_at, output_step, per_logit, floor, reached(offset), *counts)

    return max(map(best_at, PROMPT_WEIGHTS), key=lambda path: path.log_auroc)


def draw_equally(benign: Peaks, budget_fpr: float, confidence: float, rng: np.random.Generator) -> Peaks:
    """As many benign conversations from every source as the smallest source has.

    Raises:
        CalibrationError: That many cannot promise the budget even if none of them is hit.
    """
    names, sizes = np.unique(benign.source, return_counts=True)
    each = int(sizes.min()) if sizes.size else 0
    drawn = [rng.permutation(np.flatnonzero(benign.source == name))[:each] for name in names]
    places = np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, dtype=np.intp)
    return _enough(benign.take(places), budget_fpr, confidence, found=dict(zip(map(str, names), sizes, strict=True)))


def _enough(group: Peaks, budget_fpr: float, confidence: float, *, found: Mapping[str, int] | None = None) -> Peaks:
    """`group`, if it can promise the budget; `found` is what it was drawn from, itself if left out."""
    needed, n = samples_needed(budget_fpr, confidence), group.prompt.size
    if n >= needed:
        return group
    if found is None:
        found = {str(name): int((group.source == name).sum()) for name in np.unique(group.source)}
    sizes = ", ".join(f"{name}: {size:,}" for name, size in found.items()) or "none"
    sources = max(1, len(found))
    raise CalibrationError(
        f"a false-positive budget of {budget_fpr:.3%} at {confidence:.0%} confidence needs {needed:,} benign "
        f"conversations in split B, the same number from each source, even if none is hit "
        f"({-(-needed // sources):,} from each of {sources}); got {n:,} ({sizes}). "
        "Add conversations to the smallest source, or allow a larger budget"
    )


def _choose_level(levels: NDArray[np.float64], budget_fpr: float, confidence: float) -> float:
    """Loosest level at which no more of `levels` are hit than the budget allows."""
    allowed = most_hits(levels.size, budget_fpr, confidence)
    assert allowed is not None, "draw_equally lets no smaller sample through"  # noqa: S101
    must_pass = float(np.sort(levels)[::-1][allowed])
    if must_pass == np.inf:
        raise CalibrationError(
            f"expected at most {allowed} of {levels.size:,} benign conversations of split B to be blocked at every "
            f"threshold, got {int((levels == np.inf).sum())} with an infinite score; mend the scorer that gives them"
        )
    finite = levels[np.isfinite(levels)]
    loosest = float(finite.min()) if finite.size else 0.0
    return max(must_pass, loosest) + MARGIN


def _blocked(scored: Peaks, path: Path, at: At) -> dict[str, NDArray[np.bool_]]:
    by_input, by_output = scored.prompt >= at.input, path.answer(scored) >= at.output
    return {"input": by_input, "output": by_output, "either": by_input | by_output}


def _hold_out(c: Peaks, path: Path, at: At, confidence: float) -> HeldOut:
    benign, restricted = c.take(~c.restricted), c.take(c.restricted)
    if not benign.prompt.size:
        raise CalibrationError("split C has no benign conversation: nothing to report the false-positive rate on")
    wrong = _blocked(benign, path, at)
    sources = tuple(
        _rate(str(name), wrong["either"][benign.source == name], confidence) for name in np.unique(benign.source)
    )
    right = _blocked(restricted, path, at)
    return HeldOut(
        sources=sources,
        mean_fpr=float(np.mean([rate.value for rate in sources])),
        worst_source=max(sources, key=lambda rate: rate.value),
        false_positives=tuple(_rate(name, blocked, confidence) for name, blocked in wrong.items()),
        caught=tuple(_rate(name, blocked, confidence) for name, blocked in right.items()),
    )


def _rate(name: str, blocked: NDArray[np.bool_], confidence: float) -> Rate:
    hits, n = int(blocked.sum()), blocked.size
    return Rate(name, hits, n, *exact(hits, n, confidence))


def _with_thresholds(template: Policy, at: At, report: Report) -> Policy:
    return replace(
        template,
        input_threshold=at.input,
        output_threshold=at.output,
        prompt_weight=report.path.prompt_weight,
        prompt_floor=report.path.prompt_floor,
        fitted_on=asdict(report),
    )


def source_weights(source: NDArray[np.str_], restricted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights under which every source of benign conversations counts the same, and every attack does."""
    weights = np.ones(source.size)
    for name in np.unique(source[~restricted]):
        of = ~restricted & (source == name)
        weights[of] = 1 / of.sum()
    return weights


def spread(benign: NDArray[np.float64]) -> Spread:
    """That of the finite scores; its width is never quite zero."""
    finite = benign[np.isfinite(benign)]
    if not finite.size:
        return Spread(0.0, 1.0)
    middle, upper = np.quantile(finite, [0.5, 0.95])
    return Spread(float(middle), float(max(upper - middle, 1e-2 * max(1.0, abs(middle)))))


def _reach(z_input: NDArray[np.float64], z_output: NDArray[np.float64]) -> tuple[float, float]:
    """Offsets at which one stage alone decides, and the other alone."""
    inputs, outputs = z_input[np.isfinite(z_input)], z_output[np.isfinite(z_output)]
    if not inputs.size or not outputs.size:
        return -1.0, 1.0
    return float(inputs.min() - outputs.max()), float(inputs.max() - outputs.min())


def _earliest(offsets: NDArray[np.float64], reached: Callable[[float], float]) -> float:
    """The lowest offset, at which the input stage refuses most, that reaches the best but for the tolerance."""
    values = np.asarray([reached(float(offset)) for offset in offsets])
    return float(offsets[np.flatnonzero(values >= values.max() - TOLERANCE)[0]])


def _refuse_overlap(*splits: Sequence[Trace]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for name, traces in zip("ABC"[-len(splits) :], splits, strict=True):
        for trace in traces:
            before = seen.setdefault((trace.source, trace.conversation_id), name)
            if before != name:
                raise CalibrationError(
                    f"conversation {trace.conversation_id!r} of {trace.source!r} is in splits {before} and {name}; "
                    "a bound on what chose the threshold is none: put each conversation in one split"
                )
