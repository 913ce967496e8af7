"""`lictor generate`: a data pack from a project's rules and material. In: a project. Out: a dataset folder."""

from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json
from lictor.cli.progress import StageProgress


def generate(
    folder: Annotated[Path, typer.Argument(help="The project: a folder with lictor.yaml.")] = Path(),
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the pack is to stand.")] = Path("pack"),
    cache: Annotated[Path | None, typer.Option("--cache", help="File of completions already paid for.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make labelled data with the project's generator, split and audited. A killed run resumes from the cache."""
    from lictor.llm.cache import CachedModel, CompletionStore
    from lictor.llm.load import load_chat_model
    from lictor.llm.weights import cache_dir
    from lictor.pipeline.config import load_project
    from lictor.pipeline.data import synthesis_config
    from lictor.pipeline.pack import make_pack
    from lictor.pipeline.stages import read_inputs

    inputs = read_inputs(load_project(folder))
    section = inputs.project.config.generator
    model = load_chat_model(section.model, precision=section.precision, api_key_env=section.api_key_env)
    store = CompletionStore(cache or cache_dir() / "completions.sqlite")
    manifest = make_pack(
        out,
        inputs.constitution,
        inputs.material,
        CachedModel(model, store),
        synthesis_config(inputs.project),
        several_turns=inputs.project.config.synthesis.several_turns,
        progress=StageProgress(quiet=as_json),
    )
    if as_json:
        say_json({"folder": str(out), "fingerprint": manifest.fingerprint, "notes": dict(manifest.notes)})
    else:
        say(f"wrote {out}: {manifest.notes.get('examples', '')} examples")
