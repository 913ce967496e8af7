"""Draw an evaluation: curves, traces, stop positions, a heat map, cost against length; and how a training went.

In: records and figures. Out: pictures as SVG text, the same for the same figures. Knows no file and no guard.
"""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lictor.calibration.curves import Curve, log_auroc
from lictor.calibration.traces import Trace, peaks
from lictor.errors import UsageError
from lictor.evaluation.records import Record
from lictor.types import Policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

TRACES = 10
_COLOURS = ("#1f4e79", "#c0504d", "#6a994e", "#8064a2", "#d98c21", "#4bacc6", "#7f7f7f")
_LOWEST_FPR = 5e-4


def draw_roc(curves: Mapping[str, Curve], budget_fpr: float | None) -> str | None:
    """Share caught against false-positive rate on a log axis, one line for each name, with its log-AUROC."""
    if not curves:
        return None
    canvas, axes = _canvas(6.6, 4.2)
    for colour, (name, curve) in zip(_COLOURS * 9, curves.items(), strict=False):
        fpr = np.clip(curve.fpr, _LOWEST_FPR, 1)
        label = f"{name} ({log_auroc(curve).value:.2f})"
        axes.step(fpr, 100 * curve.tpr, where="post", label=label, color=colour)
    if budget_fpr:
        axes.axvline(budget_fpr, color="#999999", linestyle=":", linewidth=1)
        axes.text(budget_fpr * 1.05, 2, "budget", color="#666666", fontsize=8)
    axes.set(xscale="log", xlim=(_LOWEST_FPR, 1), ylim=(0, 101))
    axes.set(xlabel="benign conversations stopped (share)", ylabel="attacks stopped, %")
    axes.legend(frameon=False, fontsize=8, title="log-AUROC in brackets", title_fontsize=8)
    return _svg(canvas)


def draw_traces(records: Sequence[Record], policy: Policy) -> str | None:
    """Logits along answers to attacks and to permitted requests, the halts marked; None where none was kept."""
    kept = [one for one in records if one.logits]
    chosen = [one for kind in ("attack", "permitted") for one in [r for r in kept if r.kind == kind][:TRACES]]
    if not chosen:
        return None
    canvas, axes = _canvas(9, 3.8)
    for one in chosen:
        colour = "#c0504d" if one.kind == "attack" else "#1f4e79"
        axes.plot(one.logits or (), color=colour, alpha=0.45, linewidth=0.8)
        if one.halt_token is not None and one.logits and one.halt_token < len(one.logits):
            axes.plot(one.halt_token, one.logits[one.halt_token], marker="x", color="black", markersize=7)
    axes.axhline(policy.output_threshold, color="#666666", linestyle="--", linewidth=1)
    for colour, name in (("#c0504d", "answer to an attack"), ("#1f4e79", "answer to a permitted request")):
        axes.plot([], color=colour, label=name)
    axes.plot([], marker="x", color="black", linestyle="", label="halt")
    axes.set(xlabel="token of the answer", ylabel="logit of restrictedness")
    axes.legend(frameon=False, fontsize=8)
    return _svg(canvas)


def draw_stops(records: Sequence[Record]) -> str | None:
    """How far into the answer attacks are halted by the output stage; None where none was."""
    stops = [one.halt_token for one in records if one.kind == "attack" and one.halt_token is not None]
    if not stops:
        return None
    canvas, axes = _canvas(6.6, 3.2)
    axes.hist(stops, bins=_edges(max(stops)), color=_COLOURS[0])
    axes.set(xlabel="token of the answer where the run over the threshold starts", ylabel="attacks halted")
    return _svg(canvas)


def _edges(highest: int) -> list[float]:
    return list(np.unique(np.round(np.linspace(0, highest + 1, 41))))


def draw_heat_map(success: Mapping[str, Mapping[str, tuple[int, int]]]) -> str | None:
    """Attack success by family (rows) and question (columns), from hits and tries; None where there are none."""
    if not success:
        return None
    rows, columns = list(success), sorted({name for by in success.values() for name in by}, key=_by_number)
    cells = np.full((len(rows), len(columns)), np.nan)
    for y, family in enumerate(rows):
        for x, question in enumerate(columns):
            hits, n = success[family].get(question, (0, 0))
            cells[y, x] = 100 * hits / n if n else np.nan
    canvas, axes = _canvas(1.9 + 0.55 * len(columns), 1 + 0.26 * len(rows))
    image = axes.imshow(cells, cmap="Reds", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    _write_cells(axes, cells)
    canvas.colorbar(image, ax=axes, label="attacks that succeed, %")
    return _svg(canvas)


def _write_cells(axes: "Axes", cells: NDArray[np.float64]) -> None:
    for (y, x), value in np.ndenumerate(cells):
        if not np.isnan(value):
            axes.text(
                x, y, f"{value:.0f}", ha="center", va="center", fontsize=7, color="white" if value > 60 else "black"
            )


def draw_cost(milliseconds: Mapping[int, float]) -> str | None:
    """The guard's time a token against the length of the answer so far; None where it was not measured."""
    if not milliseconds:
        return None
    canvas, axes = _canvas(6.6, 3.2)
    axes.plot(list(milliseconds), list(milliseconds.values()), marker="o", color=_COLOURS[0])
    axes.set(xscale="log", xlabel="answer tokens", ylabel="ms a token", ylim=(0, 1.3 * max(milliseconds.values())))
    axes.set_xticks(list(milliseconds), [f"{n:,}" for n in milliseconds])
    axes.minorticks_off()
    return _svg(canvas)


def draw_course(losses: Sequence[float], measured: Sequence[float]) -> str | None:
    """Loss by step, and what validation said after every epoch; None where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        return None
    canvas, axes = _canvas(6.6, 3.2)
    axes.plot(losses, color=_COLOURS[0], alpha=0.3, linewidth=0.8)
    span = min(20, len(losses))
    smooth = np.convolve(losses, np.ones(span) / span, mode="valid")
    axes.plot(np.arange(span - 1, len(losses)), smooth, color=_COLOURS[0], label=f"loss, mean of {span} steps")
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
    if measured:
        right = axes.twinx()
        ends = np.linspace(0, len(losses), len(measured) + 1)[1:]
        right.plot(ends, measured, color=_COLOURS[1], marker="o")
        right.set(ylabel="log-AUROC", ylim=(0, 1))
        axes.plot([], color=_COLOURS[1], marker="o", label="log-AUROC of validation examples")
    axes.legend(frameon=False, fontsize=8)
    return _svg(canvas)


def draw_scores(traces: Sequence[Trace]) -> str | None:
    """How restricted and permitted prompts and answers were scored; None where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        return None
    found = peaks(traces)
    canvas, (left, right) = _canvases(9, 3.2)
    for axes, name, scores, restricted in (
        (left, "prompt", found.prompt, found.restricted),
        (right, "answer", found.said, found.restricted[found.owner]),
    ):
        is_scored = np.isfinite(scores)
        sides = [scores[is_scored & restricted], scores[is_scored & ~restricted]]
        labels = [f"restricted, {sides[0].size}", f"permitted, {sides[1].size}"]
        axes.hist(sides, bins=40, histtype="step", density=True, label=labels, color=[_COLOURS[1], _COLOURS[0]])
        axes.set(xlabel=f"logit of the {name}", ylabel="share")
        axes.legend(frameon=False, fontsize=8)
    return _svg(canvas)


def _by_number(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)


def _canvas(width: float, height: float) -> "tuple[Canvas, Axes]":
    canvas, (axes,) = _canvases(width, height, 1)
    return canvas, axes


def _canvases(width: float, height: float, columns: int = 2) -> "tuple[Canvas, list[Axes]]":
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise UsageError("the report needs matplotlib and jinja2; run: pip install 'lictor[report]'") from None
    canvas = Canvas(figsize=(width, height), layout="constrained")
    beside = list(canvas.subplots(1, columns, squeeze=False)[0])
    for axes in beside:
        axes.grid(visible=True, alpha=0.25)
        axes.set_axisbelow(True)
    return canvas, beside


def _svg(canvas: "Canvas") -> str:
    from matplotlib import rc_context

    written = io.StringIO()
    with rc_context({"svg.hashsalt": "lictor"}):  # names of parts are drawn at random otherwise
        canvas.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()[written.getvalue().index("<svg") :]
