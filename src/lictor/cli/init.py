"""`lictor init`: the two files a project starts with.

In: a folder and the name of a template. Out: `constitution.yaml` and `lictor.yaml`; never over a file that is there.
"""

from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.errors import UsageError


def init(
    folder: Annotated[Path, typer.Argument(help="Where the project is to stand; made if it is missing.")] = Path(),
    template: Annotated[
        str, typer.Option("--template", "-t", help="Which constitution to start from; --list names them.")
    ] = "emberglass",
    show_list: Annotated[bool, typer.Option("--list", help="List the templates and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a project: write constitution.yaml and lictor.yaml into FOLDER.

    Files that exist are never overwritten: then nothing is written and the exit code is 2.
    """
    from lictor.starter.templates import DESCRIPTIONS, read_constitution, read_project

    if show_list:
        if as_json:
            say_json(DESCRIPTIONS)
        else:
            say_table(("template", "what it is for"), DESCRIPTIONS.items())
        return
    texts = {folder / "constitution.yaml": read_constitution(template), folder / "lictor.yaml": read_project(template)}
    write_new(texts)
    if as_json:
        say_json({"template": template, "written": [str(path) for path in texts]})
        return
    for path in texts:
        say(f"wrote {path}")
    say(f"next: edit the rules, then `lictor validate {folder / 'constitution.yaml'}`")


def write_new(texts: dict[Path, str]) -> None:
    """Write each text to its path, or none of them if one of the paths is taken.

    Raises:
        UsageError: A path is taken, or the folder cannot be written.
    """
    taken = [str(path) for path in texts if path.exists() or path.is_symlink()]
    if taken:
        raise UsageError(
            f"{', '.join(taken)}: already there, and nothing was written; choose another folder or remove it first"
        )
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise UsageError(
                f"{path}: could not be written ({error.strerror}); choose a folder you may write to"
            ) from error
