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


def build(wrap: Callable[[Verb], Verb]) -> typer.Typer:
    """All commands under `lictor arena`, each wrapped so that errors become messages and exit codes."""
    app = typer.Typer(help="Let people attack a guard: rounds, pages, grading and statistics.", no_args_is_help=True)
    for verb in (create, serve, invite, regrade, backup, restore, verify, erase):
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
    ask: Annotated[str, typer.Option("--ask", help="Ids of the questions, with commas; empty for all.")] = "",
    everybody: Annotated[bool, typer.Option("--open", help="Everybody may sign up.")] = False,
    most: Annotated[float, typer.Option("--payout", min=0, help="What a report of all questions earns.")] = 0.0,
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
    )
    paid = contest.payout.model_copy(update={"most": most})
    contest = contest.model_copy(
        update={"invited_only": not everybody, "payout": paid, "judge": judge, "grader": "judge" if judge else "facts"}
    )
    store = _store(database)
    store.change("cli", lambda s: decide(s, contest))
    say(f"{contest.title}: {contest.mode}, {len(contest.questions)} questions, graded by {contest.grader}")
    say(f"organiser's invitation: /join?invitation={invite(store, role='organiser', label='first', actor='cli')}")


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
    import uvicorn

    from lictor.arena.arena import assemble
    from lictor.arena.web.app import create_app

    app = create_app(
        _store(database), assemble, folders=folders, is_https=https, streams=streams, sign_ups_per_hour=sign_ups
    )
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=5)


def invite(
    database: Database,
    role: Annotated[str, typer.Option("--role", help="player or organiser.")] = "player",
    label: Annotated[str, typer.Option("--for", help="A note to yourself.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 1,
) -> None:
    """Print invitations, each for one person; they are shown this once."""
    from lictor.arena.people import invite as make
    from lictor.cli.arena_options import read_role

    store = _store(database)
    for _ in range(count):
        say(f"/join?invitation={make(store, role=read_role(role), label=label, actor='cli')}")


def backup(database: Database, file: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Write everything but sessions into one file; the arena may be played meanwhile."""
    from lictor.arena.backup import backup as write

    say(f"{write(_store(database), file)} rows in {file}")


def restore(database: Database, file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")]) -> None:
    """Put a backup into an empty database, of whichever kind."""
    from lictor.arena.backup import restore as read

    say(f"{read(_store(database), file)} rows from {file}")


def verify(database: Database) -> None:
    """Check every line of the log against its chain."""
    say(f"{_store(database).verify()} lines, none altered")


def erase(
    database: Database, name: Annotated[str, typer.Argument(help="The player's name on the leaderboard.")]
) -> None:
    """Erase a player's account and words; what their attempts came to stays."""
    from lictor.arena.people import erase_person
    from lictor.cli.arena_options import find_person

    store = _store(database)
    erase_person(store, find_person(store, name), actor="cli")
    say(f"{name}: erased")


def regrade(
    database: Database,
    run: Annotated[str, typer.Option("--run", help="Name of this grading; the same name goes on with it.")],
    second: Annotated[bool, typer.Option("--second", help="A second opinion: no verdict changes.")] = False,
    judge: Annotated[str, typer.Option("--judge", help="Another chat model to grade by.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Grade every submission anew, and show what changed."""
    from lictor.arena.arena import assemble, judge_of
    from lictor.arena.work import regrade as grade

    made = assemble(_store(database))
    rows = grade(made, run, grader=judge_of(made, judge) if judge else None, is_second=second)
    changed = [row for row in rows if row.has_changed]
    if as_json:
        say_json({"graded": len(rows), "changed": [row._asdict() for row in changed]})
        return
    say(f"{len(rows)} answers graded, {len(changed)} changed")
    if changed:
        table = [(r.submission, r.question, str(r.before), str(r.after)) for r in changed]
        say_table(("submission", "question", "before", "after"), table)


def _store(database: str) -> "Store":
    from lictor.arena.store import Store

    return Store(database)
