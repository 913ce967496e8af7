"""`lictor calibrate`: operating points, and thresholds fitted anew on a project's own traffic.

In: a project, decision logs. Out: a table of budgets; with logs, how the traffic differs, and the guard brought up to
date.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.cli.progress import StageProgress

if TYPE_CHECKING:
    from lictor.calibration.points import OperatingPoint
    from lictor.calibration.thresholds import Rate
    from lictor.pipeline.calibrating import Recalibrated


def calibrate(  # noqa: PLR0917 - the command line's options
    folder: Annotated[Path, typer.Argument(help="A project with a guard.")] = Path(),
    logs: Annotated[
        list[Path] | None, typer.Option("--from", metavar="FILE", help="Decision logs with text, or rows of messages.")
    ] = None,
    source: Annotated[str, typer.Option(help="What to call this traffic; the same name replaces it.")] = "traffic",
    stopped: Annotated[
        Literal["permitted", "restricted"] | None,
        typer.Option(help="What rows are that the guard stopped and nobody labelled."),
    ] = None,
    budget: Annotated[list[float] | None, typer.Option(min=1e-6, max=0.5, help="A budget to show.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what other false-positive budgets would promise and stop; or fit the guard to your own traffic."""
    from lictor.calibration.points import BUDGETS
    from lictor.pipeline.calibrating import points_of, recalibrate
    from lictor.pipeline.config import load_project

    project = load_project(folder)
    done = None
    if logs:
        progress = StageProgress(quiet=as_json)
        done = recalibrate(project, logs, progress, source=source, stopped=stopped)
    points = points_of(project, budget or BUDGETS)
    if as_json:
        say_json({"recalibrated": asdict(done) if done else None, "points": [_as_row(point) for point in points]})
        return
    if done:
        _say_recalibrated(done, source)
    _say_points(points)


def _as_row(point: "OperatingPoint") -> dict[str, object]:
    if point.fit is None:
        return {"budget_fpr": point.budget_fpr, "reason": point.reason}
    policy, report = point.fit.policy, point.fit.report
    return {
        "budget_fpr": point.budget_fpr,
        "input_threshold": policy.input_threshold,
        "output_threshold": policy.output_threshold,
        "promise": report.promise,
        "upper_bound": report.fitted_upper,
        "held_out": asdict(report.held_out),
    }


def _say_points(points: "Sequence[OperatingPoint]") -> None:
    rows: list[Sequence[str]] = []
    for point in points:
        if point.fit is None:
            rows.append([f"{point.budget_fpr:.2%}", (point.reason or "").split("; got ")[0], "", "", ""])
            continue
        report = point.fit.report
        rows.append(
            [
                f"{point.budget_fpr:.2%}",
                f"at most {report.fitted_upper:.2%}, {report.confidence:.0%} sure",
                _rate(next(r for r in report.held_out.false_positives if r.name == "either")),
                _rate(next(r for r in report.held_out.caught if r.name == "input")),
                _rate(next(r for r in report.held_out.caught if r.name == "either")),
            ]
        )
    columns = ["budget", "benign stopped", "on the test split", "restricted refused", "refused or halted"]
    say_table(columns, rows, title="Operating points (the last three columns: the test split, which chose nothing)")


def _say_recalibrated(done: "Recalibrated", source: str) -> None:
    taken = done.taken
    say(f"{source}: {taken.kept} benign conversations joined")
    say(f"left out: {taken.restricted} restricted, {taken.empty} without text")
    rows = [
        [d.stage, f"{d.n:,}", f"{d.distance:.2f}", f"{d.p_value:.2g}", f"{d.hit:.2%} ({d.low:.2%} to {d.high:.2%})"]
        for d in done.drift
    ]
    columns = ["stage", "scored", "distance", "p", "hit at the old threshold"]
    say_table(columns, rows, title="How this traffic scores beside what the thresholds stood on")
    for stage, old, new in zip(("input", "output"), done.before, done.after, strict=True):
        say(f"{stage} threshold: {old:.3f} -> {new:.3f}")


def _rate(rate: "Rate") -> str:
    return f"{rate.value:.1%} of {rate.n}"
