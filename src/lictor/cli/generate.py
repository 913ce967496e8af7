"""`lictor generate`: a data pack from a project's rules and material. In: a project. Out: a dataset folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.cli.progress import StageProgress

if TYPE_CHECKING:
    from lictor.artifacts import Manifest
    from lictor.llm.cache import CompletionStore
    from lictor.pipeline.stages import Inputs
    from lictor.types import ChatModel

Where = Literal["local", "ray"]
Precision = Literal["auto", "fp32", "bf16", "int8"]


def generate(  # noqa: PLR0917 - the command line's options
    folder: Annotated[Path, typer.Argument(help="The project: a folder with lictor.yaml.")] = Path(),
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the pack is to stand.")] = Path("pack"),
    cache: Annotated[Path | None, typer.Option("--cache", help="File of completions already paid for.")] = None,
    generator: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Another generator than lictor.yaml names.")
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="Number format of its weights; int8 is fast on a CPU with VNNI.")
    ] = None,
    copies: Annotated[
        int, typer.Option("--augment", min=0, help="Write OUT-augmented too: so many disguised copies an example.")
    ] = 0,
    on: Annotated[
        Where, typer.Option(help="Where the generator runs: this machine, or actors of a Ray cluster.")
    ] = "local",
    workers: Annotated[int, typer.Option(min=1, help="Actors, with --on ray.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked for, and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make labelled data with the project's generator, split and audited. A killed run resumes from the cache."""
    from lictor.llm.cache import CachedModel, CompletionStore
    from lictor.llm.weights import cache_dir
    from lictor.pipeline.config import load_project
    from lictor.pipeline.data import synthesis_config
    from lictor.pipeline.models import chat_model, chat_model_on_ray
    from lictor.pipeline.pack import disguise_pack, make_pack
    from lictor.pipeline.stages import augment_plan, read_inputs

    project = load_project(folder)
    inputs = read_inputs(project.with_generator(model=generator, precision=precision))
    store = CompletionStore(cache or cache_dir() / "completions.sqlite")
    section = inputs.project.config.generator
    if dry_run:
        _say_estimate(inputs, store, as_json=as_json)
        return
    model = chat_model(section) if on == "local" else chat_model_on_ray(section, workers)
    manifest = make_pack(
        out,
        inputs.constitution,
        inputs.material,
        CachedModel(model, store),
        synthesis_config(inputs.project),
        several_turns=inputs.project.config.synthesis.several_turns,
        progress=_Priced(model, section.price_in, section.price_out, quiet=as_json),
    )
    made = {out: manifest}
    if copies:
        more = out.with_name(f"{out.name}-augmented")
        made[more] = disguise_pack(more, out, augment_plan(inputs.project, per_example=copies))
    if as_json:
        shown = {"folder": str(out), "fingerprint": manifest.fingerprint, "notes": dict(manifest.notes)}
        say_json(shown | {"datasets": {str(path): one.notes["examples"] for path, one in made.items()}})
    else:
        _say_kept(manifest)
        for path, one in made.items():
            say(f"wrote {path}: {one.notes['examples']} examples")


def _say_kept(manifest: "Manifest") -> None:
    from lictor.synthesis.keeping import keep_rates

    notes: Any = manifest.notes
    rates = [[rate.filter, f"{rate.kept} of {rate.of}", f"{rate.share:.0%}"] for rate in keep_rates(notes["synthesis"])]
    say_table(["filter", "kept", "share"], rates)
    rows = [
        [rule, str(sum(of["origin"].values())), _listed(of["origin"]), str(of["turns"].get("several", 0))]
        for rule, of in notes["coverage"].items()
    ]
    say_table(["rule", "messages", "by origin", "in a conversation"], rows)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


class _Priced(StageProgress):
    """Progress that says what was spent so far, where an endpoint has a price."""

    def __init__(self, model: "ChatModel", price_in: float, price_out: float, *, quiet: bool) -> None:
        from lictor.llm.openai_api import OpenAIModel

        super().__init__(quiet=quiet)
        self._spent = model.spent if isinstance(model, OpenAIModel) else None
        self._prices = price_in, price_out

    @property
    def tail(self) -> str:
        cost = self._spent.cost(*self._prices) if self._spent else 0.0
        return f", {cost:.2f} spent" if cost else ""


def _say_estimate(inputs: "Inputs", store: "CompletionStore", *, as_json: bool) -> None:
    from dataclasses import asdict

    from lictor.llm.cache import completion_key
    from lictor.llm.load import chat_model_name
    from lictor.pipeline.data import synthesis_config
    from lictor.synthesis.estimate import CHARS_PER_TOKEN, estimate

    section = inputs.project.config.generator
    name = chat_model_name(section.model, section.precision)
    stages = estimate(
        inputs.constitution,
        inputs.material,
        synthesis_config(inputs.project),
        lambda conversation, sampling: store.get(completion_key(name, conversation, sampling)),
        name,
    )
    calls, written = sum(s.calls for s in stages), sum(s.completion_tokens for s in stages)
    read = sum(s.prompt_tokens for s in stages)
    cost = (read * section.price_in + written * section.price_out) / 1e6
    pace = store.pace(name)
    floors = [written * CHARS_PER_TOKEN / pace] if pace else []
    floors += [60 * calls / section.requests_per_minute] if section.requests_per_minute else []
    floors += [60 * (read + written) / section.tokens_per_minute] if section.tokens_per_minute else []
    seconds = max(floors, default=None)
    if as_json:
        say_json({"stages": [asdict(s) for s in stages], "cost": cost, "seconds": seconds})
        return
    rows = [[s.stage, str(s.calls), str(s.known), str(s.prompt_tokens), str(s.completion_tokens)] for s in stages]
    say_table(["stage", "calls", "paid already", "prompt tokens", "answer tokens at most"], rows)
    price = f", cost at most {cost:.2f}" if cost else ""
    time = f", about {seconds / 60:.0f} minutes" if seconds is not None else ", time unknown before a first run"
    say(f"{calls} calls, at most {read + written} tokens{price}{time}")
