"""`lictor import`: a well-known public set as a file of examples. In: the set's rows. Out: a JSONL file, and counts."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.errors import UsageError


def import_command(  # noqa: PLR0917 - the command line's options
    name: Annotated[str, typer.Argument(metavar="SET", help="Which set; --list shows them.")] = "",
    target: Annotated[Path | None, typer.Argument(metavar="OUT.jsonl", help="Where the examples go.")] = None,
    place: Annotated[
        str, typer.Option("--from", help="A .jsonl, .csv or .parquet file, or hub:ORG/NAME:CONFIG:SPLIT.")
    ] = "",
    permitted_only: Annotated[bool, typer.Option(help="Only what the set calls harmless, for a pool.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="How many conversations at most.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show the sets and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a public set, from a file or from the Hugging Face hub, as labelled examples."""
    from lictor.dataset.imports import import_set
    from lictor.dataset.public_sets import SETS
    from lictor.dataset.store import write_jsonl

    if show_list:
        if as_json:
            say_json({known: shape.hub or None for known, shape in SETS.items()})
        else:
            say_table(["set", "stands at"], [[known, shape.hub or "your own file"] for known, shape in SETS.items()])
        return
    if target is None:
        raise UsageError("expected SET and OUT.jsonl, got fewer; or use --list to see the sets")
    examples = import_set(name, place, permitted_only=permitted_only, limit=limit)
    write_jsonl(target, examples)
    labels = Counter(f"prompt {e.prompt_label}, answer {e.answer_label}" for e in examples)
    if as_json:
        say_json({"set": name, "examples": len(examples), "labels": labels, "path": str(target)})
    else:
        say(f"{len(examples)} examples written to {target}")
        say_table(["labels", "examples"], [[label, str(count)] for label, count in sorted(labels.items())])
