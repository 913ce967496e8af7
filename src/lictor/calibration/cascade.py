"""Fit when an answer is escalated to the exchange scorer, and what that weighs, on the split that promises nothing.

In: answers of the validation split as both scorers read them. Out: a `Cascade` and the report behind it. Knows no
scorer, text or file.

1. *Scale.* The exchange scorer's logits are brought to the stream scorer's scale: both have the same median and spread
   over the peaks of benign answers.
2. *Weight.* Of several weights in the sum, the one whose peaks tell restricted from benign answers best (log-AUROC),
   all of them read by both.
3. *Escalation.* A prompt or an answer token escalates at one level, in units of the benign spread of each. It is the
   lowest level at which benign traffic, sources weighing equally, has the guard read at most `compute` times the tokens
   that the stream scorer reads alone.

Thresholds are fitted after this, over the cascade's own scores, so that what is promised holds whatever is chosen here.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lictor.calibration.curves import log_auroc, roc
from lictor.calibration.thresholds import Spread, source_weights, spread
from lictor.errors import CalibrationError
from lictor.guard.cascade import combined
from lictor.guard.replay import run_peak
from lictor.types import Cascade

WEIGHTS = (0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0)
STEPS = 201
"""Levels of escalation tried, at even shares of the benign answers."""


@dataclass(frozen=True, slots=True, eq=False)
class TwiceRead:
    """One answer, read by both scorers from its beginning."""

    source: str
    is_restricted: bool
    prompt: float
    """Logit of the prompt; -inf where none was scored, never +inf."""
    stream: NDArray[np.float64]  # (tokens,), at least one
    exchange: NDArray[np.float64]  # (tokens,)
    read_from: Callable[[int], int]
    """Tokens that the exchange scorer reads in all if it is called at that token."""

    def levels(self, prompt: Spread, stream: Spread) -> NDArray[np.float64]:
        """Highest level of escalation at which each token is escalated; never falling.  # (tokens,)."""
        asked = (self.prompt - prompt.middle) / prompt.width
        return np.maximum.accumulate(np.maximum(asked, (self.stream - stream.middle) / stream.width))


def escalated_from(cascade: Cascade, prompt: float, stream: Sequence[float]) -> int | None:
    """The first token of an answer that the exchange scorer reads, by the prompt's logit and the stream scorer's."""
    if prompt >= cascade.prompt_escalation:
        return 0
    return next((at for at, logit in enumerate(stream) if logit >= cascade.answer_escalation), None)


@dataclass(frozen=True, slots=True)
class CascadeReport:
    """A cascade, what it was chosen among, and what it costs on the answers that chose it."""

    cascade: Cascade | None
    """None where the exchange scorer adds nothing."""
    log_auroc: Mapping[str, float]
    """By the exchange scorer's weight, every answer read by both scorers."""
    compute: float
    """Tokens that both scorers read for benign answers, over those that the stream scorer reads."""
    benign_escalated: float
    """Share of benign answers escalated, in 0..1; sources weigh equally, as in `compute`."""
    restricted_escalated: float
    n_benign: int
    n_restricted: int
    n_unread: int = 0
    """Answers left out of all this, since one of the scorers could not read them or their prompts."""


def fit_cascade(read: Sequence[TwiceRead], *, debounce: int, compute: float) -> CascadeReport:
    """The cascade that tells answers apart best and reads at most `compute` times what the stream scorer does.

    Raises:
        CalibrationError: There is no benign or no restricted answer, or `compute` is below 1.
    """
    benign = [one for one in read if not one.is_restricted]
    restricted = [one for one in read if one.is_restricted]
    if not benign or not restricted or compute < 1:
        raise CalibrationError(
            "a cascade: expected benign and restricted answers of the validation split and a compute of at least 1, "
            f"got {len(benign)}, {len(restricted)} and {compute}"
        )
    prompt = spread(np.asarray([one.prompt for one in benign]))
    stream, exchange = (
        spread(np.asarray([run_peak(logits, debounce) for logits in of]))
        for of in ([one.stream for one in benign], [one.exchange for one in benign])
    )
    scale = stream.width / exchange.width
    summed = Cascade(prompt.middle, stream.middle, 0.0, scale, stream.middle - scale * exchange.middle)
    reached = {weight: _log_auroc(read, replace(summed, weight=weight), debounce) for weight in WEIGHTS}
    levels = [one.levels(prompt, stream) for one in benign]
    level = _lowest(benign, levels, compute)
    cost = _cost(benign, levels, level)
    cascade = replace(
        summed,
        weight=max(WEIGHTS, key=lambda weight: reached[weight]),
        prompt_escalation=prompt.middle + level * prompt.width,
        answer_escalation=stream.middle + level * stream.width,
    )
    return CascadeReport(
        cascade=cascade if cascade.weight else None,
        log_auroc={f"{weight:g}": value for weight, value in reached.items()},
        compute=cost.compute,
        benign_escalated=cost.escalated,
        restricted_escalated=float(np.mean([one.levels(prompt, stream)[-1] >= level for one in restricted])),
        n_benign=len(benign),
        n_restricted=len(restricted),
    )


def _lowest(benign: Sequence[TwiceRead], levels: Sequence[NDArray[np.float64]], compute: float) -> float:
    """The lowest level that costs no more; one that no benign answer reaches costs nothing."""
    highest = [float(of[-1]) for of in levels]
    tried = [*np.quantile(highest, np.linspace(0, 1, STEPS)).tolist(), max(highest) + 1]
    return tried[bisect_left(tried, True, key=lambda level: _cost(benign, levels, level).compute <= compute)]


def _log_auroc(read: Sequence[TwiceRead], cascade: Cascade, debounce: int) -> float:
    restricted = np.asarray([one.is_restricted for one in read], dtype=bool)
    peaks = [run_peak(combined(cascade, one.stream, one.exchange), debounce) for one in read]
    weights = source_weights(np.asarray([one.source for one in read], dtype=np.str_), restricted)
    return log_auroc(roc(peaks, restricted, weights)).value


class _Cost(NamedTuple):
    compute: float
    escalated: float


def _cost(benign: Sequence[TwiceRead], levels: Sequence[NDArray[np.float64]], level: float) -> _Cost:
    """Means over the sources."""
    by_source: dict[str, list[tuple[int, int]]] = {}
    for one, of in zip(benign, levels, strict=True):
        first = int(np.searchsorted(of, level))
        further = one.read_from(first) if first < of.size else 0
        by_source.setdefault(one.source, []).append((of.size, further))
    counts = [np.asarray(of) for of in by_source.values()]
    return _Cost(
        float(np.mean([1 + of[:, 1].sum() / of[:, 0].sum() for of in counts])),
        float(np.mean([(of[:, 1] > 0).mean() for of in counts])),
    )
