"""An arena from the command line: made, played, reported, backed up, erased."""

import asyncio
import json
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from lictor.arena import events as e
from lictor.arena.arena import assemble
from lictor.arena.people import sign_up
from lictor.arena.rounds import open_conversation, set_phase, submit
from lictor.arena.store import Store, Words
from lictor.arena.talk import run_turn, take
from lictor.arena.work import Patience, grade_all
from lictor.cli.main import app

PASSWORD = "a long enough password"  # noqa: S105 - of an account that lives as long as a test


def lictor(*args: str) -> str:
    """What `lictor arena` prints."""
    done = CliRunner().invoke(app, ["arena", *args])
    assert done.exit_code == 0, done.output
    return done.output


def test_an_unguarded_arena_is_won_and_says_so(tmp_path: Path) -> None:
    """Against no guard the worst-case target answers all ten questions, and the report calls it universal."""
    database = str(tmp_path / "arena.db")
    made = lictor("create", database, "--title", "Journey", "--guard", "", "--open", "--payout", "100")
    assert "10 questions" in made
    assert "/join?invitation=" in lictor("invite", database, "-n", "2")
    assert len(json.loads(lictor("invite", database, "-n", "2", "--json"))["invitations"]) == 2
    store = Store(database)
    store.change("cli", lambda s: set_phase(s, "open"))
    arena = assemble(store)
    ada = sign_up(store, name="Ada", password=PASSWORD, consent=True, invitation=None)
    store.change(ada, lambda s: open_conversation(s, player=ada, conversation="c"))
    questions = store.read(lambda s: s.contest.questions if s.contest else ())
    words: list[Words] = []
    for question in questions:
        answer: list[str] = []
        taken = take(store, player=ada, conversation="c", text=question.text)
        asyncio.run(run_turn(arena, taken, lambda frame, answer=answer: answer.append(frame.text)))
        words.append(Words(e.words("s", question.id), 0, ada, "".join(answer)))
    ids = tuple(question.id for question in questions)
    sent = e.Submitted(submission="s", player=ada, form="report", questions=ids, conversations=("c",))
    store.change(ada, lambda s: submit(s, sent, longest=9, now=store.now()), words=words)
    grade_all(arena, Patience())

    report = json.loads(lictor("report", database, "--json", "--out", str(tmp_path / "report")))

    figures = {row["name"]: row["value"] for row in report["figures"]}
    assert figures["universal/full"] == 1
    assert (tmp_path / "report" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "0 changed" in lictor("regrade", database, "--run", "again")
    kept = json.loads(lictor("backup", database, str(tmp_path / "b.gz"), "--json"))["rows"]
    assert json.loads(lictor("restore", str(tmp_path / "copy.db"), str(tmp_path / "b.gz"), "--json"))["rows"] == kept
    assert "none altered" in lictor("verify", str(tmp_path / "copy.db"))
    assert json.loads(lictor("erase", database, "Ada", "--json")) == {"erased": "Ada"}
    assert store.words(e.words("s", "q1")) == ""
    assert "0 answers graded now" in lictor("regrade", database, "--run", "after"), "what an attempt came to stays"


def test_every_command_speaks_json() -> None:
    """Whatever an arena is told to do, a program can read what came of it; serving says nothing."""
    verbs = [verb for verb in get_command(app).commands["arena"].commands.values() if verb.name != "serve"]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] -- a group, whose commands typer does not type

    assert [verb.name for verb in verbs if "--json" not in [o for p in verb.params for o in p.opts]] == []


def test_wrong_use_is_told() -> None:
    """A mode nobody knows ends with exit code 2 and the modes there are."""
    done = CliRunner().invoke(app, ["arena", "create", "x.db", "--title", "x", "--mode", "chess"])

    assert done.exit_code == 2
    assert "bounty, levels" in done.output


def test_a_database_that_is_not_there_is_not_begun(tmp_path: Path) -> None:
    """A mistyped name is told, and leaves no file behind."""
    done = CliRunner().invoke(app, ["arena", "report", str(tmp_path / "arean.db")])

    assert done.exit_code == 2
    assert "lictor arena create" in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []
