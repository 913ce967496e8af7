"""`lictor calibrate`: operating points, and thresholds fitted anew on a project's own traffic.

In: a project, decision logs. Out: a table of budgets, and when answers are escalated; with logs, how the traffic
differs, and the guard brought up to date.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.cli.progress import StageProgress

if TYPE_CHECKING:
    from lictor.calibration.cascade import CascadeReport
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
    from lictor.pipeline.calibrating import cascade_of, points_of, recalibrate
    from lictor.pipeline.config import load_project

    project = load_project(folder)
    done = None
    if logs:
        progress = StageProgress(quiet=as_json)
        done = recalibrate(project, logs, progress, source=source, stopped=stopped)
    points, cascade = points_of(project, budget or BUDGETS), cascade_of(project)
    if as_json:
        rows = {"points": [_as_row(point) for point in points], "cascade": asdict(cascade) if cascade else None}
        say_json({"recalibrated": asdict(done) if done else None, **rows})
        return
    if done:
        _say_recalibrated(done, source)
    _say_points(points)
    if cascade:
        _say_cascade(cascade)


def _as_row(point: "OperatingPoint") -> dict[str, object]:
    if point.fit is None:
        return {"budget_fpr": point.budget_fpr, "reason": point.reason}
    policy, report = point.fit.policy, point.fit.report
    return {
        "budget_fpr": point.budget_fpr,
        "input_threshold": policy.input_threshold,
        "output_threshold": policy.output_threshold,
        "prompt_weight": policy.prompt_weight,
        "prompt_floor": policy.prompt_floor,
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


def _say_cascade(report: "CascadeReport") -> None:
    cascade = report.cascade
    weighs = f"{cascade.weight:g}" if cascade else "0"
    rows = [[weight + " (chosen)" * (weight == weighs), f"{value:.3f}"] for weight, value in report.log_auroc.items()]
    columns = ["weight of the exchange scorer", "log-AUROC of answers"]
    say_table(
        columns, rows, title="Answers read by the exchange scorer too (the validation split, which promises nothing)"
    )
    if report.n_unread:
        say(f"not counted: {report.n_unread:,} answers that one of the scorers cannot read")
    if cascade is None:
        say("the exchange scorer adds nothing to the stream scorer: no answer is escalated")
        return
    say(f"escalated: from the beginning after a prompt of {cascade.prompt_escalation:.3f} or more,")
    say(f"else from an answer token of {cascade.answer_escalation:.3f} or more on, by the stream scorer")
    say(f"that is {report.benign_escalated:.1%} of the benign answers ({report.n_benign:,}), sources weighing equally,")
    say(f"and {report.restricted_escalated:.1%} of the restricted ones ({report.n_restricted:,});")
    say(f"benign ones cost {report.compute:.2f} times the tokens that the stream scorer reads")
    exchange = f"({cascade.scale:.3g} x exchange {cascade.shift:+.3f})"
    say(f"an escalated token scores {1 - cascade.weight:g} x stream + {weighs} x {exchange}")


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
