"""`lictor audit`: look a dataset over before anything is trained on it.

In: a project, a dataset folder, or a file of examples. Out: what was found, a page to browse it in if asked for; exit
code 1 with the reasons where nothing should be trained on it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.errors import UsageError

if TYPE_CHECKING:
    from lictor.artifacts import Manifest
    from lictor.constitution import Constitution
    from lictor.dataset.audit import Audit
    from lictor.dataset.review import Read
    from lictor.types import Bucket, Example


class _Subject(NamedTuple):
    """What is looked over."""

    name: str
    examples: "Sequence[Example]"
    constitution: "Constitution | None"
    manifest: "Manifest | None"


def audit_command(  # noqa: PLR0917 - the command line's options
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A project, a dataset folder, `starter:emberglass/pack`, or a .jsonl or .parquet file."
        ),
    ] = ".",
    constitution: Annotated[
        Path | None, typer.Option("--constitution", "-c", help="The rules; a project's and a starter's are known.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write an HTML file to browse the examples in.")] = None,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Show N random examples on the page, and take a verdict on each.")
    ] = 0,
    verdicts: Annotated[Path | None, typer.Option(help="What such a page saved: say how many are right.")] = None,
    limit: Annotated[list[str] | None, typer.Option(metavar="NAME=NUMBER", help="Allow more or less of it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look a dataset over: balance, leaks between splits, refusals, shortcuts, doubtful labels."""
    from lictor.artifacts import write_atomic
    from lictor.dataset.audit import audit
    from lictor.dataset.limits import gate, with_limits
    from lictor.dataset.page import render_page
    from lictor.dataset.review import count_skipped, count_verdicts, read_verdicts

    if sample and page is None:
        raise UsageError("--sample: expected --page FILE too; the sample is read there")
    limits = with_limits(limit or ())
    subject = _subject(source, constitution)
    found = audit(subject.examples, subject.constitution)
    reasons = gate(found, limits)
    if page is not None:
        rules = subject.constitution.rules if subject.constitution else ()
        buckets: dict[str | None, Bucket] = {rule.id: rule.bucket for rule in rules}
        html = render_page(
            subject.name,
            subject.examples,
            found,
            reasons,
            buckets=buckets,
            manifest=subject.manifest,
            sample=sample,
        )
        write_atomic(page, html)
    given = read_verdicts(verdicts) if verdicts else {}
    read, skipped = count_verdicts(subject.examples, given) if given else [], count_skipped(subject.examples, given)
    if as_json:
        shown = {"name": subject.name, "examples": len(subject.examples), "reasons": reasons, "audit": asdict(found)}
        say_json(shown | {"verdicts": [one._asdict() for one in read], "verdicts_skipped": skipped})
    else:
        _print(subject, found, reasons, page)
        _print_read(read, skipped)
    if reasons:
        raise typer.Exit(1)


def _subject(source: str, rules: Path | None) -> _Subject:
    from lictor.artifacts import MANIFEST, read_manifest
    from lictor.constitution import Constitution
    from lictor.dataset.store import read_dataset, read_jsonl, read_parquet
    from lictor.starter.folders import PREFIX, resolve

    given = Constitution.load(rules) if rules else None
    path = resolve(source, Path()) if source.startswith(PREFIX) else Path(source)
    if (path / "lictor.yaml").is_file():
        path, given = _of_project(path, given)
    elif given is None and source.startswith(PREFIX):
        given = Constitution.load(path.parent / "constitution.yaml")
    if (path / MANIFEST).is_file():
        return _Subject(path.name, read_dataset(path), given, read_manifest(path))
    match path.suffix:
        case ".jsonl":
            return _Subject(path.name, read_jsonl(path), given, None)
        case ".parquet":
            return _Subject(path.name, read_parquet(path), given, None)
        case _:
            raise UsageError(f"{source}: expected a project, a dataset folder, a .jsonl or a .parquet file")


def _of_project(folder: Path, given: "Constitution | None") -> "tuple[Path, Constitution]":
    from lictor.pipeline.config import load_project
    from lictor.pipeline.stages import plan, read_inputs

    project = load_project(folder)
    made = [stage for stage in plan(project) if stage.stage == "data" and not stage.is_new]
    if not made:
        raise UsageError(f"{folder}: expected a project whose data is made, found none; run `lictor run` first")
    return made[0].folder, given or read_inputs(project).constitution


def _print_read(read: "Sequence[Read]", skipped: int) -> None:
    from lictor.calibration.intervals import exact

    rows: list[list[str]] = []
    for one in read:
        low, high = exact(one.examples, one.of)
        rows.append([one.group, one.verdict, f"{one.examples} of {one.of}", f"{low:.0%} to {high:.0%}"])
    if rows:
        say_table(["read", "verdict", "examples", "95% interval"], rows)
    if skipped:
        say(f"{skipped} of the sample were passed over for later ones: what a reader picks is no random sample")


def _print(subject: _Subject, found: "Audit", reasons: Sequence[str], page: Path | None) -> None:
    say(f"{subject.name}: {len(subject.examples)} examples, {found.answers} answers, {found.prompts} plain prompts")
    for what in ("bucket", "split", "lang", "length"):
        rows = [[name, str(b.restricted), str(b.permitted)] for name, b in found.balance[what].items()]
        say_table([what, "restricted", "permitted"], rows)
    told = [[s.side, s.feature, s.against, f"{s.auroc:.3f}", str(s.texts)] for s in found.shortcuts]
    say_table(["side", "told apart by", "against", "AUROC", "texts"], told)
    doubts = {d.rule: f"{d.doubted} of {d.texts}" for d in found.doubts if d.side == "prompt"}
    rows = [
        [s.rule, f"{s.words:.3f}", f"{s.length:.3f}", doubts.get(s.rule, "words tell too little")]
        for s in found.rule_shortcuts
    ]
    say_table(["rule", "words", "length", "labels in doubt"], rows)
    held, seen, one_sided = found.templates
    say(f"leaks: {len(found.exact_leaks)} exact, {len(found.near_leaks)} near, {len(found.answer_leaks)} in answers")
    say(f"held-out prompts that open as training ones do: {seen} of {held}, {one_sided} as those of one label only")
    say(f"answers that refuse: {len(found.refusals)} of {found.answers}")
    if page is not None:
        say(f"page: {page}")
    for reason in reasons:
        say(f"- {reason}")
    say("nothing speaks against training on it" if not reasons else f"{len(reasons)} reasons not to train on it")
