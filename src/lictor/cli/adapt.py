"""`lictor adapt`: teach a guard a missed attack or a wrong refusal, and see that nothing else got worse.

In: a project, files of cases. Out: a new guard folder beside the one in use, and what changed; exit code 1 with the
reasons where it should not be put in use.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.cli.progress import StageProgress

if TYPE_CHECKING:
    from lictor.pipeline.adapting import Adaptation


def adapt_command(
    folder: Annotated[Path, typer.Argument(help="A project with a guard.")] = Path(),
    missed: Annotated[Path | None, typer.Option(metavar="FILE", help="Restricted cases that passed.")] = None,
    refused: Annotated[Path | None, typer.Option(metavar="FILE", help="Permitted cases that were stopped.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="PROJECT/guard-adapted.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Teach a guard cases it was wrong about, in minutes. Rows need `prompt` or `messages`, and `rule`."""
    from lictor.pipeline.adapting import adapt, read_cases
    from lictor.pipeline.config import load_project

    project = load_project(folder)
    sides = ((missed, True), (refused, False))
    cases = [case for path, label in sides if path for case in read_cases(path, is_restricted=label)]
    done = adapt(project, cases, out or project.folder / "guard-adapted", StageProgress(quiet=as_json))
    if as_json:
        say_json(asdict(done))
    else:
        _say(done)
    if done.reasons:
        raise typer.Exit(1)


def _say(done: "Adaptation") -> None:
    groups = [("cases", done.cases), ("variants of families kept from training", done.variants)]
    rows = [
        [
            f"{'restricted' if o.is_restricted else 'permitted'} {name}",
            f"{o.n}",
            f"{o.stopped_before}",
            f"{o.stopped_after}",
        ]
        for name, outcomes in groups
        for o in outcomes
    ]
    rows += [[f"{c.of}, test split", f"{c.n}", f"{c.stopped_before}", f"{c.stopped_after}"] for c in done.held_out]
    say_table(["conversations", "n", "stopped before", "stopped after"], rows)
    for stage, old, new in zip(("input", "output"), done.before, done.after, strict=True):
        say(f"{stage} threshold: {old:.3f} -> {new:.3f}")
    say(f"benign conversations stopped: at most {done.fitted_upper:.2%}")
    for reason in done.reasons:
        say(f"not put in use: {reason}")
    if done.guard:
        say(f"guard: {done.guard}")
