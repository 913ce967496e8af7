"""`lictor run`: from a constitution to a guard. In: a project folder. Out: its runs/ and guard/ brought up to date."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json
from lictor.cli.progress import StageProgress

if TYPE_CHECKING:
    from lictor.pipeline.standing import StageReport


def run(
    folder: Annotated[Path, typer.Argument(help="The project: a folder with lictor.yaml.")] = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which stages would run, and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the guard of a project: data, training, calibration. What is up to date is left alone.

    An interrupted run goes on where it ended: nothing finished is made twice, no generation is paid for twice.
    """
    from lictor.pipeline.config import load_project
    from lictor.pipeline.stages import plan
    from lictor.pipeline.stages import run as run_project

    project = load_project(folder)
    if dry_run:
        rows = [{"stage": s.stage, "would_run": s.is_new, "folder": str(s.folder)} for s in plan(project)]
        _print(rows, as_json)
        return
    say_stages(run_project(project, StageProgress(quiet=as_json)), as_json=as_json)
    if not as_json:
        say(f"guard: {project.guard} (its README.md says what it promises)")


def say_stages(reports: Sequence["StageReport"], *, as_json: bool) -> None:
    """Say what became of every stage."""
    rows = [
        {"stage": r.stage, "made": r.is_new, "seconds": round(r.seconds, 1), "folder": str(r.folder)} for r in reports
    ]
    _print(rows, as_json)


def _print(rows: Sequence[Mapping[str, object]], as_json: bool) -> None:
    if as_json:
        say_json(rows)
        return
    for row in rows:
        if "would_run" in row:
            say(f"{row['stage']:>7}  {'would run' if row['would_run'] else 'up to date'}")
        else:
            say(f"{row['stage']:>7}  {'made' if row['made'] else 'up to date'}  {row['seconds']} s  {row['folder']}")
