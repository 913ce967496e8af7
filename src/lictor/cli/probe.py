"""`lictor probe`: a guard that reads the protected model's own activations. In: a project, a model. Out: `probe/`."""

from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say
from lictor.cli.progress import StageProgress
from lictor.cli.run import say_stages
from lictor.errors import UsageError


def probe(
    folder: Annotated[Path, typer.Argument(help="A project with a guard.")] = Path(),
    model: Annotated[str | None, typer.Option(help="The model to protect.  [default: lictor.yaml's]")] = None,
    layers: Annotated[str, typer.Option(help="Layers to read, counted from 1, with commas.  [default: all]")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a guard whose stream scorer is a linear probe on the protected model, read while that model writes.

    Serve it with `lictor serve FOLDER/probe --model MODEL`: no text is read twice.
    """
    from lictor.pipeline.config import load_project
    from lictor.pipeline.probing import ProbeSettings, make_probe, probe_folder

    project = load_project(folder)
    protected = project.config.protected
    settings = ProbeSettings(model or protected.model, protected.precision, _layers(layers))
    reports = make_probe(project, settings, StageProgress(quiet=as_json))
    say_stages(reports, as_json=as_json)
    if not as_json:
        say(f"guard: {probe_folder(project)} (serve it with --model {settings.model})")


def _layers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--layers: expected numbers with commas, got {text!r}") from None
