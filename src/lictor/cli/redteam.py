"""`lictor redteam`: attack a project's guard within a budget. In: a project. Out: curves, tries, and finds as data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.cli.progress import StageProgress
from lictor.errors import UsageError

if TYPE_CHECKING:
    from lictor.pipeline.redteam import Hunted

Target = Literal["worst", "model"]


def redteam(  # noqa: PLR0917 - the command line's options
    folder: Annotated[Path, typer.Argument(help="The project: a folder with lictor.yaml.")] = Path(),
    guard: Annotated[Path | None, typer.Option("--guard", "-g", help="Its guard's folder if not in it.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where finds and curves go.")] = Path("redteam"),
    attacker: Annotated[list[str] | None, typer.Option(help="One of them only; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Restricted requests to attack with.")] = 10,
    queries: Annotated[int, typer.Option(min=1, help="Queries per attacker and request.")] = 40,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds per attacker and request.")] = 600.0,
    successes: Annotated[int, typer.Option(min=1, help="Successes after which an attacker stops.")] = 1,
    generator: Annotated[bool, typer.Option("--generator", help="The project's generator plans and rewords.")] = False,
    target: Annotated[
        Target, typer.Option(help="What answers: the worst case, or the protected model, judged.")
    ] = "worst",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and stop.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same attacks.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Attack the guard adaptively, with a target behind it that complies with everything, and keep what gets through.

    Name the folder's data under `attacks:` in lictor.yaml, and the next `lictor run` trains on it.
    """
    from lictor.redteam import ATTACKERS, Budget

    known = (*ATTACKERS, "staged")
    names = tuple(attacker or (known if generator else ATTACKERS))
    if odd := [name for name in names if name not in known]:
        raise UsageError(f"expected attackers of {', '.join(known)}; got {', '.join(odd)}")
    budget = Budget(queries, seconds, successes)
    if dry_run:
        _say_bound(names, limit, budget, as_json=as_json)
        return
    from lictor.pipeline.redteam import Helpers, HuntConfig, attack_project

    config = HuntConfig(names, limit, budget, seed=seed)
    helpers = Helpers(rewording=generator, planning="staged" in names, judged=target == "model")
    hunted, counted = attack_project(
        folder, guard, out, config, help_from=helpers, progress=StageProgress(quiet=as_json)
    )
    _draw(hunted, out / "curve.svg")
    if as_json:
        from dataclasses import asdict

        say_json({**counted, "folder": str(out), "curve": [asdict(figure) for figure in hunted.curve]})
        return
    _show(hunted)
    say(f"{counted['queries']} queries, {counted['found']} finds, {counted['permitted']} permitted twins: {out}")
    if counted["found"]:
        say(f"to train on them, name {out / 'data'} under attacks: in lictor.yaml and run lictor run")


def _say_bound(names: tuple[str, ...], limit: int, budget: tuple[int, float, int], *, as_json: bool) -> None:
    most = len(names) * limit
    bound = {"queries": most * budget[0], "seconds": most * budget[1]}
    if as_json:
        say_json(bound)
    else:
        say(
            f"at most {bound['queries']} queries and {bound['seconds']:.0f} seconds; an attacker stops when it succeeds"
        )


def _draw(hunted: "Hunted", path: Path) -> None:
    from lictor.cli.output import say_error
    from lictor.evaluation.budgets import draw_curve

    try:
        draw_curve(hunted.curve, path)
    except UsageError as error:
        say_error(str(error))


def _show(hunted: "Hunted") -> None:
    budgets = list(dict.fromkeys(figure.name.rpartition("/")[2] for figure in hunted.curve))
    names = list(dict.fromkeys(figure.name.rpartition("/")[0] for figure in hunted.curve))
    value = {figure.name: figure.value for figure in hunted.curve}
    rows = [[name, *(f"{value[f'{name}/{budget}']:.0%}" for budget in budgets)] for name in names]
    say_table(["answered within", *budgets], rows)
