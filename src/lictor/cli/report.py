"""`lictor report`: one page of an evaluation. In: the folder of an evaluation. Out: report.html and report.json."""

from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of an evaluation.")] = Path("evaluation"),
    title: Annotated[str | None, typer.Option(help="The page's title.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one self-contained page, with JSON beside it, of what `lictor evaluate` found."""
    from lictor.evaluation.report import write_report

    page = write_report(folder, title=title)
    if as_json:
        say_json({"page": str(page), "json": str(page.with_suffix(".json"))})
    else:
        say(f"wrote {page} and {page.with_suffix('.json')}")
