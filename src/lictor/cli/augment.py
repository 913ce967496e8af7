"""`lictor augment`: show the transforms, or write a dataset's examples anew through them.

In: a JSONL file of examples. Out: a JSONL file of the new ones, or the list of transforms.
"""

from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.errors import UsageError


def augment_command(  # noqa: PLR0917 - the command line's options
    source: Annotated[Path | None, typer.Argument(metavar="IN.jsonl", help="Examples to start from.")] = None,
    target: Annotated[Path | None, typer.Argument(metavar="OUT.jsonl", help="Where the new examples go.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show every transform and stop.")] = False,
    as_json: JsonOption = False,
    per_example: Annotated[int, typer.Option(min=1, help="New examples for each given one.")] = 2,
    depth: Annotated[int, typer.Option(min=1, help="Longest chain of transforms.")] = 2,
    family: Annotated[list[str] | None, typer.Option(help="Draw from this family only; may be repeated.")] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(help="Families or transforms not to use, with commas between; '' for none."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same examples.")] = 0,
) -> None:
    """Write examples anew through transforms that keep their meaning and their labels."""
    if show_list:
        _print_transforms(as_json=as_json)
        return
    if source is None or target is None:
        raise UsageError("expected IN.jsonl and OUT.jsonl, got fewer; or use --list to see the transforms")
    from lictor.augment import DEFAULT_HOLD_OUT, PlanConfig, augment
    from lictor.dataset.store import read_jsonl, write_jsonl

    left_out = DEFAULT_HOLD_OUT if hold_out is None else tuple(filter(None, map(str.strip, hold_out.split(","))))
    config = PlanConfig(
        families=tuple(family or ()), per_example=per_example, depth=depth, hold_out=left_out, seed=seed
    )
    examples = read_jsonl(source)
    made = augment(examples, config)
    write_jsonl(target, made)
    if as_json:
        say_json({"read": len(examples), "written": len(made), "path": str(target), "seed": seed})
    else:
        say(f"{len(examples)} examples read, {len(made)} new ones written to {target}")


def _print_transforms(*, as_json: bool) -> None:
    from lictor.augment import DEFAULT_HOLD_OUT, transforms

    made = list(transforms().values())
    if as_json:
        say_json([{**one.describe(), "held_out": one.family in DEFAULT_HOLD_OUT} for one in made])
        return
    rows = [
        [
            one.family + (" *" if one.family in DEFAULT_HOLD_OUT else ""),
            one.name,
            one.side,
            "yes" if one.reversible else "no",
            one.view or "-",
            one.source,
        ]
        for one in made
    ]
    say_table(["family", "name", "side", "reversible", "view", "source"], rows)
    say("* held out by default, for evaluation")
