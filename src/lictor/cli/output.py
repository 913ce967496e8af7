"""How every verb prints: text for people, one JSON value for programs, errors on stderr.

In: what to say. Out: lines on stdout or stderr. Decides nothing.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
"""The `--json` every verb takes."""


def say(text: str = "") -> None:
    """Print a line for people on stdout."""
    typer.echo(text)


def say_error(message: str) -> None:
    """Print `lictor: message` on stderr."""
    typer.echo(f"lictor: {message}", file=sys.stderr)


def say_json(value: object) -> None:
    """Print `value` as JSON on stdout; what JSON has no form for is written as text."""
    typer.echo(json.dumps(value, indent=2, default=str))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print rows under their columns, as wide as the terminal allows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, highlight=False).print(table)


def say_line(value: object) -> None:
    """Print `value` as one line of JSON on stdout."""
    typer.echo(json.dumps(value, default=str))
