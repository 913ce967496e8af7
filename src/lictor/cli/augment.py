"""`lictor augment`: show the transforms, or write a dataset's examples anew through them.

In: a JSONL file of examples. Out: a JSONL file of the new ones, or the list of transforms, or how many of the file's
prompts keep their meaning through each.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.errors import UsageError

if TYPE_CHECKING:
    from lictor.types import Example


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
    language: Annotated[
        list[str] | None, typer.Option(help="Say the examples in this language first; may be repeated.")
    ] = None,
    translator: Annotated[str, typer.Option(metavar="MODEL", help="`apertium`, or a chat model.")] = "apertium",
    seed: Annotated[int, typer.Option(help="The same seed gives the same examples.")] = 0,
    check: Annotated[
        int, typer.Option(min=0, metavar="N", help="Only report how many of N prompts keep their meaning.")
    ] = 0,
    judge: Annotated[str | None, typer.Option(metavar="MODEL", help="Chat model to judge that, with --check.")] = None,
) -> None:
    """Write examples anew through transforms that keep their meaning and their labels."""
    if show_list:
        _print_transforms(as_json=as_json)
        return
    if check and source is not None:
        _check_meaning(source, check, family or (), judge, seed, as_json=as_json)
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
    spoken = _translated(examples, language or (), translator, seed)
    made = spoken + augment([*examples, *spoken], config)
    write_jsonl(target, made)
    if as_json:
        counts = {"read": len(examples), "translated": len(spoken), "written": len(made)}
        say_json({**counts, "path": str(target), "seed": seed})
    else:
        translated = f" {len(spoken)} kept their words in translation," if language else ""
        say(f"{len(examples)} examples read,{translated} {len(made)} new ones written to {target}")


def _translated(examples: "list[Example]", languages: Sequence[str], translator: str, seed: int) -> "list[Example]":
    from lictor.augment.translate import Apertium, ModelTranslator, translate_examples
    from lictor.llm.load import load_chat_model

    if not languages:
        return []
    with_model = translator != Apertium.name
    speaker = ModelTranslator(load_chat_model(translator)) if with_model else Apertium()
    return translate_examples(examples, languages, speaker, seed=seed).examples


def _check_meaning(
    source: Path, size: int, families: Sequence[str], judge: str | None, seed: int, *, as_json: bool
) -> None:
    import numpy as np

    from lictor.augment import transforms
    from lictor.augment.meaning import check_meaning
    from lictor.dataset.store import read_jsonl
    from lictor.llm.load import load_chat_model

    prompts = sorted({example.prompt[-1].content for example in read_jsonl(source) if not example.transforms})
    chosen = [prompts[int(at)] for at in np.random.default_rng(seed).permutation(len(prompts))[:size]]
    made = [one for one in transforms().values() if one.fits("prompt") and (not families or one.family in families)]
    found = check_meaning(made, chosen, seed=seed, judge=load_chat_model(judge) if judge else None)
    if as_json:
        say_json([one._asdict() for one in found])
    else:
        say_table(["transform", "checked by", "kept"], [[o.transform, o.by, f"{o.kept} of {o.texts}"] for o in found])


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
