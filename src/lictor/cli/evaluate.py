"""`lictor evaluate`: what a guard stops, leaks and wrongly refuses. In: a project or guard. Out: records, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table
from lictor.cli.progress import StageProgress

if TYPE_CHECKING:
    from lictor.evaluation.measures import Figure
    from lictor.guard.guard import Guard
    from lictor.pipeline.evaluating import Evaluation

SHOWN = (
    "attack_success/pass",
    "leaked_before_stop/any",
    "guard/universality/half",
    "mean_of_sources",
    "premature_stops",
    "curve/guard/log_auroc",
    "recall/stage/guard",
    "grading/pass/agree",
)
"""Ends of the names of the figures shown in the terminal; all are in the folder."""


def evaluate(  # noqa: PLR0917 - the command line's options
    folder: Annotated[Path, typer.Argument(help="A project with a guard, or a guard's folder.")] = Path(),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="PROJECT/evaluation, or GUARD-evaluation.")] = None,
    attacks: Annotated[int, typer.Option(min=1, help="About how many attacks on the worst-case target.")] = 1000,
    target: Annotated[
        str | None, typer.Option(help="A real model that answers too: pypi:, hf:, path:, openai:")
    ] = None,
    target_attacks: Annotated[int, typer.Option(min=1, help="About how many attacks on the real model.")] = 40,
    pool: Annotated[list[str] | None, typer.Option(metavar="NAME=FILE", help="Permitted conversations.")] = None,
    restricted: Annotated[list[str] | None, typer.Option(metavar="NAME=FILE", help="Restricted ones.")] = None,
    pool_limit: Annotated[int, typer.Option(min=1, help="Most conversations taken of each file.")] = 1000,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="keywords, bag_of_words, embeddings, judge:MODEL; or a part of the guard by itself: "
            "prompt_only, output_only, exchange_only, unescalated, probe."
        ),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Chat model that grades answers too, to be compared.")] = None,
    judged: Annotated[int, typer.Option(min=1, help="How many answers it grades.")] = 50,
    knowledge: Annotated[str | None, typer.Option(help="Folder with questions.yaml and handbook.yaml.")] = None,
    hold_out: Annotated[str | None, typer.Option(help="Families training did not see, with commas.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after about so many cases; run again to go on.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same attacks.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and how long it takes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Attack a guard, and put benign conversations before it; figures with intervals. A killed run resumes."""
    from lictor.evaluation.evaluate import open_folder
    from lictor.pipeline.evaluating import Wanted, gather, grade_by_judge

    place = out or _default_place(folder)
    wanted = Wanted(
        attacks=attacks,
        target=target,
        target_attacks=target_attacks,
        permitted=tuple(pool or ()),
        restricted=tuple(restricted or ()),
        file_limit=pool_limit,
        knowledge=knowledge,
        hold_out=None if hold_out is None else tuple(filter(None, map(str.strip, hold_out.split(",")))),
        seed=seed,
    )
    found = gather(folder, wanted, place / "answers.sqlite")
    if dry_run:
        _estimate(found, as_json=as_json)
        return
    open_folder(place, found.cases, found.about(wanted))
    made = _measure(place, found, baseline or (), limit, StageProgress(quiet=as_json))
    if judge:
        made["grading"] = grade_by_judge(found, place, judge, judged)
    _say(place, made, cases=len(found.cases), as_json=as_json)


def _measure(
    place: Path, found: "Evaluation", baselines: Sequence[str], limit: int | None, progress: StageProgress
) -> "dict[str, list[Figure]]":
    """Put the cases before the guard and each baseline; the figures of each. Then what a token costs."""
    import time

    from lictor.evaluation.cost import COST, write_cost
    from lictor.evaluation.evaluate import GUARD, note_speed, results_path, run_cases, slug, write_figures
    from lictor.evaluation.records import read_records

    guards: dict[str, Guard] = {GUARD: found.guard, **{slug(name): _baseline(name, found) for name in baselines}}
    made: dict[str, list[Figure]] = {}
    for name, guard in guards.items():
        path = results_path(place, name)
        before, started = len(read_records(path)), time.perf_counter()
        records = run_cases(path, found.cases, guard, found.answers, limit=limit, progress=progress)
        if len(records) > before:
            note_speed(place, name, len(records) - before, time.perf_counter() - started)
        made[name] = write_figures(place, name, records, guard.policy)
    if not (place / COST).exists() and limit is None:
        write_cost(place, found.guard, time.perf_counter)
    return made


def _default_place(folder: Path) -> Path:
    """Within a project; beside a guard's folder, which is replaced whole when the guard is made anew."""
    is_project = (folder / "lictor.yaml").is_file()
    return folder / "evaluation" if is_project else folder.resolve().with_name(f"{folder.resolve().name}-evaluation")


def _baseline(name: str, found: "Evaluation") -> "Guard":
    from lictor.errors import UsageError
    from lictor.pipeline.baselines import baseline_guard
    from lictor.pipeline.parts import PART_NAMES, part_guard

    if found.project is None:
        raise UsageError(f"--baseline {name}: expected a project, whose data it is made of; got a guard folder")
    for part in PART_NAMES:
        if name == part:
            return part_guard(part, found.project, found.examples, found.guard)
    return baseline_guard(name, found.project, found.examples, found.guard.policy)


def _estimate(found: "Evaluation", *, as_json: bool) -> None:
    """How many cases of each suite, and about how long they take here."""
    from collections import Counter

    from lictor.evaluation.evaluate import seconds_a_case
    from lictor.evaluation.suites import WORST_CASE

    counts = Counter(f"{case.suite}, {case.kind}" for case in found.cases)
    scored = [case for case in found.cases if case.target in ("", WORST_CASE)]
    seconds = seconds_a_case(scored, found.guard, found.answers) * len(found.cases)
    asked = len(found.cases) - len(scored)
    if as_json:
        say_json({"cases": dict(counts), "model_answers": asked, "seconds": round(seconds)})
        return
    say_table(["cases", "n"], [[name, f"{n:,}"] for name, n in sorted(counts.items())])
    say(
        f"{len(found.cases):,} cases, about {seconds / 60:.0f} minutes here"
        + f", and {asked} model answers" * bool(asked)
    )


def _say(place: Path, made: "Mapping[str, Sequence[Figure]]", *, cases: int, as_json: bool) -> None:
    if as_json:
        rows = {name: [asdict(figure) for figure in figures] for name, figures in made.items()}
        say_json({"folder": str(place), "cases": cases, "figures": rows})
        return
    from lictor.evaluation.results import number

    for name, figures in made.items():
        rows = [
            [f.name, number(f.value, f.unit), f"{number(f.low, f.unit)} to {number(f.high, f.unit)}", f"{f.n:,}"]
            for f in figures
            if f.name.endswith(SHOWN)
        ]
        say_table(["figure", "value", "95% interval", "n"], rows, title=name)
    say(f"records and figures in {place}; `lictor report {place}` makes a page of them")
