"""Write a report down: JSON and CSV for programs, one self-contained HTML page with plots for people.

In: a `Report`, the arena's contest, and perhaps an ablation. Out: texts. Knows no file or page of the arena.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from math import isfinite
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from lictor.arena.contest import Contest
from lictor.arena.replay import Variant
from lictor.arena.statistics import Report
from lictor.evaluation.measures import Figure


class Bar(NamedTuple):
    """One bar of a plot."""

    label: str
    value: int
    share: float
    """Of the longest bar, in 0..1."""


class Plot(NamedTuple):
    """Bars under a title."""

    title: str
    bars: tuple[Bar, ...]


def to_json(report: Report, ablation: Sequence[Variant] = ()) -> str:
    """Every number, as JSON; an infinite end of an interval is null."""
    value = {
        "figures": [_row(figure) for figure in (*report.figures, report.effort.hours)],
        "effort": {
            "counted_hours": report.effort.counted_hours,
            "scale": report.effort.scale,
            "respondents": report.effort.respondents,
        },
        "histograms": [one._asdict() for one in report.histograms],
        "questions": [one._asdict() for one in report.questions],
        "strategies": [one._asdict() for one in report.strategies],
        "outcomes": dict(report.outcomes),
        "ablation": [{"name": one.name, "figures": [_row(f) for f in one.figures]} for one in ablation],
    }
    return json.dumps(value, indent=2)


def to_csv(report: Report, ablation: Sequence[Variant] = ()) -> str:
    """The figures, one a line."""
    rows = [(figure.name, figure) for figure in (*report.figures, report.effort.hours)]
    rows += [(f"{one.name}/{figure.name}", figure) for one in ablation for figure in one.figures]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("name", "value", "low", "high", "n", "unit"))
    writer.writerows((name, one.value, one.low, one.high, one.n, one.unit) for name, one in rows)
    return out.getvalue()


def to_html(report: Report, contest: Contest, ablation: Sequence[Variant] = ()) -> str:
    """A page that needs no other file."""
    return _render("report_file.html", report, contest, ablation, style=_style())


def body(report: Report, contest: Contest, ablation: Sequence[Variant] = ()) -> str:
    """The page's content alone."""
    return _render("report_body.html", report, contest, ablation)


def plots(report: Report) -> tuple[Plot, ...]:
    """Questions answered per report and per player, and successful answers per question, at half and full detail."""
    made = [
        Plot(f"{one.name.capitalize()} by questions answered, {one.detail} detail", _bars(enumerate(one.counts)))
        for one in report.histograms
        if one.detail != "pass" and sum(one.counts)
    ]
    for detail in ("half", "full"):
        rows = [(row.question, row.at[detail]) for row in report.questions]
        made.append(Plot(f"Successful answers by question, {detail} detail", _bars(rows)))
    return tuple(made)


def shown(value: float) -> str:
    """A number as reports show it."""
    if not isfinite(value):
        return "∞"
    return f"{value:.0f}" if value == round(value) else f"{value:.3g}"


def _bars(rows: "Sequence[tuple[object, int]] | enumerate[int]") -> tuple[Bar, ...]:
    found = list(rows)
    most = max((count for _, count in found), default=0) or 1
    return tuple(Bar(str(label), count, count / most) for label, count in found)


def _row(figure: Figure) -> Mapping[str, object]:
    return {name: v if not isinstance(v, float) or isfinite(v) else None for name, v in asdict(figure).items()}


def _render(template: str, report: Report, contest: Contest, ablation: Sequence[Variant], **more: object) -> str:
    made = Environment(
        loader=PackageLoader("lictor.arena.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters["shown"] = shown
    values = {"report": report, "contest": contest, "ablation": ablation, "plots": plots(report)}
    return made.get_template(template).render(**values, **more)


def _style() -> str:
    return (resources.files("lictor.arena.web") / "static" / "arena.css").read_text(encoding="utf-8")
