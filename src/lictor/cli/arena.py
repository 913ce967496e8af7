"""`lictor arena`: set up, serve, watch over and evaluate an arena in which people attack a guard.

In: a database and options. Out: pages on a port, files, and what was done. Every command but `create` works on what
the database says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lictor.cli.output import JsonOption, say, say_json, say_table

if TYPE_CHECKING:
    from lictor.arena.store import Store

Database = Annotated[str, typer.Argument(help="SQLite file, or the address of a PostgreSQL database.")]
Verb = Callable[..., None]
INVITATION = "/join?invitation="


def build(wrap: Callable[[Verb], Verb]) -> typer.Typer:
    """All commands under `lictor arena`, each wrapped so that errors become messages and exit codes."""
    app = typer.Typer(help="Let people attack a guard: rounds, pages, grading and statistics.", no_args_is_help=True)
    for verb in (create, rubric, serve, invite, report, regrade, replay, export, backup, restore, verify, erase):
        app.command(verb.__name__)(wrap(verb))
    return app


def create(  # noqa: PLR0917 - options by name
    database: Database,
    title: Annotated[str, typer.Option("--title", help="What players see.")],
    guard: Annotated[str, typer.Option("--guard", "-g", help="The guard's folder; empty for none.")] = "guard",
    questions: Annotated[
        str, typer.Option("--questions", "-q", help="Folder with questions.yaml and handbook.yaml.")
    ] = "starter:emberglass",
    mode: Annotated[str, typer.Option("--mode", help="bounty or levels.")] = "bounty",
    mark: Annotated[str, typer.Option("--mark", help="Detail to pass: pass, half or full.")] = "half",
    target: Annotated[str, typer.Option("--target", help="worst-case, or a chat model's reference.")] = "worst-case",
    judge: Annotated[str, typer.Option("--judge", help="Chat model that grades; empty grades by facts.")] = "",
    fallback: Annotated[
        str, typer.Option("--judge-fallback", help="Chat model that grades where the judge refuses.")
    ] = "",
    ask: Annotated[str, typer.Option("--ask", help="Ids of the questions, with commas; empty for all.")] = "",
    everybody: Annotated[bool, typer.Option("--open", help="Everybody may sign up.")] = False,
    system: Annotated[bool, typer.Option("--system-prompt", help="Players may write a system prompt.")] = False,
    most: Annotated[float, typer.Option("--payout", min=0, help="What a report of all questions earns.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Set an arena up, and print an invitation for its first organiser."""
    from lictor.arena.arena import set_up
    from lictor.arena.people import invite
    from lictor.arena.rounds import create as decide
    from lictor.cli.arena_options import read_mark, read_mode

    contest = set_up(
        questions,
        title=title,
        mode=read_mode(mode),
        guard=guard,
        questions=tuple(filter(None, ask.split(","))),
        mark=read_mark(mark),
        target=target,
        judge=judge,
        judge_fallback=fallback,
    )
    paid = contest.payout.model_copy(update={"most": most})
    contest = contest.model_copy(
        update={
            "invited_only": not everybody,
            "system_prompt": system,
            "payout": paid,
        }
    )
    store = _store(database, may_begin=True)
    store.change("cli", lambda s: decide(s, contest))
    link = INVITATION + invite(store, role="organiser", label="first", actor="cli")
    if as_json:
        say_json({**contest.model_dump(mode="json"), "invitation": link})
        return
    say(f"{contest.title}: {contest.mode}, {len(contest.questions)} questions, graded by {contest.grader}")
    say(f"organiser's invitation: {link}")
    say(f"next: lictor arena serve {store.shown.removeprefix('sqlite:///')}")


def serve(  # noqa: PLR0917 - options by name
    database: Database,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", help="Port.")] = 8100,
    folders: Annotated[str, typer.Option("--folders", help="Where the set-up page looks for guards.")] = ".",
    https: Annotated[bool, typer.Option("--https", help="Players come over HTTPS, through a proxy.")] = False,
    streams: Annotated[int, typer.Option("--streams", min=1, help="Turns answered at once.")] = 64,
    sign_ups: Annotated[int, typer.Option("--sign-ups", min=1, help="Accounts an hour from one address.")] = 60,
) -> None:
    """Serve the arena's pages; one process at a time."""
    import gc

    import uvicorn

    from lictor.arena.arena import assemble
    from lictor.arena.web.app import create_app

    app = create_app(
        _store(database, may_begin=True),
        assemble,
        folders=folders,
        is_https=https,
        streams=streams,
        sign_ups_per_hour=sign_ups,
    )
    gc.freeze()  # a guard's half a million objects stay: looking through them would stop every stream for half a second
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=5)


def invite(
    database: Database,
    role: Annotated[str, typer.Option("--role", help="player or organiser.")] = "player",
    label: Annotated[str, typer.Option("--for", help="A note to yourself.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Print invitations, each for one person; they are shown this once."""
    from lictor.arena.people import invite as make
    from lictor.cli.arena_options import read_role

    as_role = read_role(role)
    store = _store(database, may_begin=True)
    links = [INVITATION + make(store, role=as_role, label=label, actor="cli") for _ in range(count)]
    if as_json:
        say_json({"role": role, "invitations": links})
        return
    for link in links:
        say(link)


def backup(
    database: Database,
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Write everything but sessions into one file; the arena may be played meanwhile."""
    from lictor.arena.backup import backup as write

    rows = write(_store(database), file)
    say_json({"rows": rows, "file": file}) if as_json else say(f"{rows} rows in {file}")


def restore(
    database: Database,
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Put a backup into an empty database, of whichever kind."""
    from lictor.arena.backup import restore as read

    rows = read(_store(database, may_begin=True), file)
    say_json({"rows": rows, "file": file}) if as_json else say(f"{rows} rows from {file}")


def verify(database: Database, as_json: JsonOption = False) -> None:
    """Check every line of the log against its chain."""
    lines = _store(database).verify()
    say_json({"lines": lines, "altered": 0}) if as_json else say(f"{lines} lines, none altered")


def erase(
    database: Database,
    name: Annotated[str, typer.Argument(help="The player's name on the leaderboard.")],
    as_json: JsonOption = False,
) -> None:
    """Erase a player's account and words; what their attempts came to stays."""
    from lictor.arena.people import erase_person
    from lictor.cli.arena_options import find_person

    store = _store(database)
    erase_person(store, find_person(store, name), actor="cli")
    say_json({"erased": name}) if as_json else say(f"{name}: erased")


def regrade(  # noqa: PLR0917 - options by name
    database: Database,
    run: Annotated[str, typer.Option("--run", help="Name of this grading; the same name goes on with it.")],
    second: Annotated[bool, typer.Option("--second", help="A second opinion: no verdict changes.")] = False,
    judge: Annotated[str, typer.Option("--judge", help="Another chat model to grade by.")] = "",
    sample: Annotated[float, typer.Option("--sample", min=0, max=1, help="Share of the answers to grade.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Grade every submission anew, by the rubric as it is now, and show what changed."""
    from lictor.arena.arena import asked_in, assemble, judge_of
    from lictor.arena.regrading import changes
    from lictor.arena.regrading import regrade as grade
    from lictor.arena.rounds import contest_of

    made = assemble(_store(database))
    contest = made.store.read(contest_of)
    now = asked_in(contest.domain, by_judge=contest.grader == "judge")
    questions = tuple(now.get(asked.id, asked) for asked in contest.questions)
    by = judge_of(made, judge) if judge else None
    graded = grade(made, run, grader=by, questions=questions, is_second=second, sample=sample)
    changed = [row for row in changes(made.store.entries(), run) if row.has_changed]
    if as_json:
        say_json({"graded": graded, "changed": [row._asdict() for row in changed]})
        return
    say(f"{graded} answers graded now, {len(changed)} changed under {run}")
    if changed:
        table = [
            (r.submission, r.question, str(r.before), str(r.after), r.verdict_before, r.verdict_after) for r in changed
        ]
        say_table(("submission", "question", "before", "after", "verdict before", "after"), table)


def rubric(  # noqa: PLR0917 - options by name
    folder: Annotated[Path, typer.Argument(help="Folder with questions.yaml; rubrics.json is written beside it.")],
    judge: Annotated[str, typer.Option("--judge", help="Chat model that makes the rubrics.")],
    answers: Annotated[
        Path | None, typer.Option("--answers", help="JSONL of unguarded answers: question (its id) and answer.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Chat model without a guard that complies; asked where there are no answers.")
    ] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Answers of it to each question.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Make the rubrics a judge grades by from unguarded answers; questions that have one are passed over."""
    from lictor.arena.arena import RUBRICS
    from lictor.arena.judge import build_rubric, read_rubrics, write_rubrics
    from lictor.cli.arena_options import read_answers, sample_answers
    from lictor.errors import UsageError
    from lictor.evaluation.questions import load_questions
    from lictor.llm.load import load_chat_model

    path, questions = folder / RUBRICS, load_questions(folder)
    made = read_rubrics(path) if path.exists() else {}
    given = read_answers(answers) if answers else {}
    if not given and not model:
        raise UsageError("expected unguarded answers (--answers) or a model to ask for them (--model), got neither")
    by, target = load_chat_model(judge), load_chat_model(model) if model else None
    for question in questions:
        if question.id in made:
            continue
        found = given.get(question.id) or (sample_answers(target, question.text, count) if target else [])
        if not found:
            raise UsageError(f"{answers}: expected answers to question {question.id!r}, found none")
        made[question.id] = build_rubric(by, question.text, found)
        write_rubrics(path, made)
        if not as_json:
            say(f"{question.id}: {len(made[question.id].points)} points, {made[question.id].covered:.1f} in an answer")
    if as_json:
        say_json(
            {
                "file": path,
                "rubrics": {name: {"points": len(r.points), "covered": r.covered} for name, r in made.items()},
            }
        )
        return
    say(f"{len(made)} rubrics in {path}")


def report(
    database: Database,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for report.html, .json and .csv.")] = None,
    ablate: Annotated[int, typer.Option("--ablate", min=0, help="Turns to replay without parts of the guard.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print what the arena has shown, with intervals; every figure follows from its log alone."""
    import numpy as np

    from lictor.arena.arena import assemble
    from lictor.arena.replay import Replayed, parts_of, summarise
    from lictor.arena.replay import replay as play
    from lictor.arena.report import shown, to_csv, to_html, to_json
    from lictor.arena.rounds import contest_of
    from lictor.arena.statistics import measure
    from lictor.artifacts import write_atomic

    store, rng = _store(database), np.random.default_rng(0)
    contest = store.read(contest_of)
    made = store.read(lambda s: measure(s, rng=rng))
    rows: list[Replayed] = []
    if ablate:
        arena = assemble(store)
        rows = list(play(arena, parts_of(arena.guard), most=ablate, rng=rng))
    ablation = summarise(rows, rng=rng)
    if out is not None:
        write_atomic(out / "report.html", to_html(made, contest, ablation))
        write_atomic(out / "report.json", to_json(made, ablation) + "\n")
        write_atomic(out / "report.csv", to_csv(made, ablation))
    if as_json:
        typer.echo(to_json(made, ablation))
        return
    named = [(f.name, f) for f in (*made.figures, made.effort.hours)]
    named += [(f"{one.name}/{f.name}", f) for one in ablation for f in one.figures]
    table = [(name, shown(f.value), shown(f.low), shown(f.high), str(f.n), f.unit) for name, f in named]
    say_table(("figure", "value", "low", "high", "n", "unit"), table, title=contest.title)


def replay(  # noqa: PLR0917 - options by name
    database: Database,
    guards: Annotated[list[str], typer.Option("--guard", "-g", help="Folder of a guard; may be given again.")],
    most: Annotated[int | None, typer.Option("--limit", min=1, help="Turns to sample; all without it.")] = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="JSONL file for what came of every turn.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Draws the sample.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Put the arena's messages to other guards, and compare what they let through."""
    import json
    from dataclasses import asdict

    import numpy as np

    from lictor.arena.arena import assemble
    from lictor.arena.replay import replay as play
    from lictor.arena.replay import summarise
    from lictor.arena.report import shown
    from lictor.artifacts import write_atomic
    from lictor.assemble import Guard
    from lictor.errors import UsageError

    arena, rng = assemble(_store(database)), np.random.default_rng(seed)
    others = {folder: Guard.load(folder) for folder in guards}
    found = list(play(arena, {"arena": arena.guard, **others}, most=most, rng=rng))
    if not found:
        raise UsageError("expected turns to replay, this arena has none whose words stand")
    if rows is not None:
        write_atomic(rows, "".join(json.dumps(row._asdict()) + "\n" for row in found))
    summary = summarise(found, rng=rng)
    if as_json:
        say_json({one.name: [asdict(figure) for figure in one.figures] for one in summary})
        return
    table = [
        (one.name, f.name, shown(f.value), shown(f.low), shown(f.high), str(f.n))
        for one in summary
        for f in one.figures
    ]
    say_table(("guard", "figure", "value", "low", "high", "n"), table)


def export(
    database: Database,
    folder: Annotated[Path, typer.Argument(help="The dataset's folder; made, or replaced.")],
    constitution: Annotated[Path, typer.Option("--constitution", "-c", help="Whose labels these are.")],
    answers: Annotated[bool, typer.Option("--answers", help="Also what was delivered, with label 1.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the successes of players who consent as a dataset, each once."""
    from lictor.arena.arena import assemble
    from lictor.arena.export import successes
    from lictor.constitution import Constitution
    from lictor.dataset.store import content_of, write_dataset
    from lictor.errors import DataError

    rules = Constitution.load(constitution)
    found = successes(assemble(_store(database)), constitution=rules.fingerprint, with_answers=answers)
    if not found:
        raise DataError("expected a success of a player who consents to training, this arena has none")
    write_dataset(folder, found, key=content_of(found))
    say_json({"examples": len(found), "folder": folder}) if as_json else say(f"{len(found)} examples in {folder}")


def _store(database: str, *, may_begin: bool = False) -> "Store":
    from lictor.arena.store import Store
    from lictor.errors import UsageError

    if not may_begin and "://" not in database and not Path(database).exists():
        raise UsageError(f"{database}: expected an arena's database, found none; `lictor arena create` makes one")
    return Store(database)
