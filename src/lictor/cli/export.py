"""`lictor export`: a guard's scorers in Hugging Face's layout. In: a guard folder. Out: a folder a scorer."""

from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json


def export(
    out: Annotated[Path, typer.Argument(help="A folder to make.")],
    guard: Annotated[Path, typer.Option("--guard", "-g", help="The guard's folder.")] = Path("guard"),
    as_json: JsonOption = False,
) -> None:
    """Write the scorers of a guard as models that transformers and other tools open, each with a card."""
    from lictor.pipeline.exporting import export_guard

    found = export_guard(guard, out)
    if as_json:
        say_json(
            [{"scorer": e.kind, "folder": str(e.folder), "token_classifier": e.is_token_classifier} for e in found]
        )
        return
    for one in found:
        say(f"{one.kind}: {one.folder}, {'a token classifier' if one.is_token_classifier else 'a language model'}")
