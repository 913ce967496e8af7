"""Organisers' pages: set up, invite, pause, limit, watch, review, audit, close and export.

In: visits of organisers. Out: pages; and events that name who did it. Decides nothing: rounds.py does.
"""

import json
from pathlib import Path
from typing import NamedTuple, cast, get_args

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from lictor.arena import events as e
from lictor.arena.arena import note_start, set_up
from lictor.arena.contest import Limits
from lictor.arena.people import invite, names
from lictor.arena.rounds import Declined, create, review, set_phase
from lictor.arena.standing import payouts
from lictor.arena.state import Player, State, Submission, path
from lictor.arena.web.play import Row, marks_of, row_of, system_of, transcript
from lictor.arena.web.visit import Visit
from lictor.evaluation.rubric import Mark
from lictor.starter.folders import PREFIX

FEED_ROWS = 100
DEEPEST = 3


class Counts(NamedTuple):
    """The arena in numbers."""

    players: int
    queries: int
    blocked: int
    submissions: int
    waiting: int
    """Submissions with an answer that has no verdict yet."""


def overview(visit: Visit) -> Response:
    """Where the arena stands, and the controls."""
    if visit.store.read(lambda s: s.contest) is None:
        return visit.go("/host/setup")
    counts = visit.store.read(_count)
    label = visit.request.query_params.get("made", "")
    return visit.render("host.html", counts=counts, made=label, link="")


def show_setup(visit: Visit) -> Response:
    """The form that sets the arena up from a guard and a domain."""
    guards = _folders(visit.site.folders, "guard.json")
    domains = [f"{PREFIX}emberglass", *_folders(visit.site.folders, "questions.yaml")]
    return visit.render("setup.html", guards=guards, domains=domains)


def do_setup(visit: Visit) -> Response:
    """Set the arena up; only folders the form offered are taken."""
    guard, domain, mode, mark = (visit.text(name) for name in ("guard", "domain", "mode", "mark"))
    if guard and guard not in _folders(visit.site.folders, "guard.json"):
        raise Declined("invalid", "Choose a guard from the list.")
    if domain != f"{PREFIX}emberglass" and domain not in _folders(visit.site.folders, "questions.yaml"):
        raise Declined("invalid", "Choose the questions from the list.")
    if mode not in ("bounty", "levels") or mark not in get_args(Mark):
        raise Declined("invalid", "Choose a mode and a pass mark from the lists.")
    contest = set_up(
        domain,
        title=visit.text("title") or "Arena",
        mode=mode,
        guard=guard,
        mark=cast(Mark, mark),
    )
    contest = contest.model_copy(
        update={"invited_only": not visit.text("everybody"), "system_prompt": bool(visit.text("system_prompt"))}
    )
    visit.store.change(visit.me, lambda s: create(s, contest))
    visit.site.arena = visit.site.assemble(visit.store)
    note_start(visit.site.arena)
    return visit.go("/host")


def do_phase(visit: Visit) -> Response:
    """Open, pause or close."""
    phase = visit.text("phase")
    if phase not in ("open", "paused", "closed"):
        raise Declined("invalid", "Choose open, paused or closed.")
    visit.store.change(visit.me, lambda s: set_phase(s, cast(e.Phase, phase), visit.text("reason")[:500]))
    return visit.go("/host")


def do_limits(visit: Visit) -> Response:
    """Change the limits."""
    try:
        limits = Limits.model_validate({name: visit.text(name) for name in Limits.model_fields if visit.text(name)})
    except ValidationError as error:
        raise Declined("invalid", f"Limits are whole numbers of at least 1: {error.errors()[0]['loc'][0]}.") from error
    visit.store.change(visit.me, lambda _: [e.LimitsSet(limits=limits)])
    return visit.go("/host")


def do_invite(visit: Visit) -> Response:
    """A new invitation; its link is shown this once."""
    role: e.Role = "organiser" if visit.text("role") == "organiser" else "player"
    secret = invite(visit.store, role=role, label=visit.text("label")[:80], actor=visit.me)
    link = str(visit.request.url_for("join").include_query_params(invitation=secret))
    return visit.render("host.html", counts=visit.store.read(_count), made=role, link=link)


def players(visit: Visit) -> Response:
    """Everybody who signed up, and what they did."""

    def look(state: State) -> list[tuple[Player, int, int]]:
        return [(p, *_queries(state, p)) for p in state.players.values()]

    rows = visit.store.read(look)
    return visit.render("players.html", rows=rows, names=names(visit.store), payouts=visit.store.read(payouts))


def watch(visit: Visit) -> Response:
    """What happens, as it happens."""
    return visit.render("watch.html", seq=max(0, visit.store.read(lambda s: s.seq) - FEED_ROWS))


def feed(visit: Visit) -> Response:
    """Lines of the log after `after`, for the page that watches."""
    after = visit.request.query_params.get("after", "0")
    called = names(visit.store)
    entries = visit.store.entries(int(after) if after.isdigit() else 0, FEED_ROWS)
    rows = [
        {"seq": one.seq, "at": one.at, "who": called.get(one.actor, one.actor), "what": tell(one.event)}
        | {"talk": getattr(one.event, "conversation", None), "submission": getattr(one.event, "submission", None)}
        for one in entries
    ]
    return JSONResponse(rows)


def show_talk(visit: Visit) -> Response:
    """Any conversation."""
    talk = visit.store.read(lambda s: s.conversations.get(visit.path("id")))
    if talk is None:
        raise Declined("unknown", "There is no such conversation.")
    who = names(visit.store).get(talk.player, "erased")
    answers = visit.store.read(lambda s: [turn.answer for turn in path(s, talk.id)])
    lines = list(zip(transcript(visit, talk), answers, strict=False))
    return visit.render("host_talk.html", talk=talk, lines=lines, system=system_of(visit, talk), who=who)


def submissions(visit: Visit) -> Response:
    """Every submission, those that wait for a verdict first."""

    def look(state: State) -> list[tuple[str, Row]]:
        rows = [(s.sent.player, row_of(state, s)) for s in reversed(state.submissions.values())]
        return sorted(rows, key=lambda row: not row[1].is_pending)

    return visit.render("submissions.html", rows=visit.store.read(look), names=names(visit.store))


def show_submission(visit: Visit) -> Response:
    """A submission with all evidence, and the form to set a verdict."""
    submission = _submission(visit)
    sent = submission.sent
    said = visit.store.words_of([e.words(sent.submission, part) for part in ("strategy", "prompt")])
    return visit.render(
        "submission.html",
        submission=submission,
        marks=marks_of(visit, submission),
        is_host=True,
        strategy="\n".join(text for text in said.values() if text),
        who=names(visit.store).get(sent.player, "erased"),
    )


def do_review(visit: Visit) -> Response:
    """Set the verdict on one answer, with a reason."""
    name = _submission(visit).sent.submission
    given = visit.text("points")
    if not given.isdigit() or not visit.text("reason"):
        raise Declined("invalid", "A verdict needs points, as a whole number, and a reason.")
    event = e.Reviewed(
        submission=name, question=visit.text("question"), points=int(given), reason=visit.text("reason")[:2000]
    )
    visit.store.change(visit.me, lambda s: review(s, event))
    return visit.go(f"/host/submissions/{name}")


def audit(visit: Visit) -> Response:
    """What organisers and servers did."""
    entries = reversed(visit.store.entries(kinds=e.AUDITED))
    return visit.render("audit.html", rows=[(one, tell(one.event)) for one in entries], names=names(visit.store))


def export(visit: Visit) -> Response:
    """The log, one line a JSON object; without names and words."""
    entries = visit.store.entries()
    lines = (
        json.dumps({"seq": one.seq, "at": one.at, "actor": one.actor, **one.event.model_dump(mode="json")}) + "\n"
        for one in entries
    )
    headers = {"content-disposition": 'attachment; filename="arena-log.jsonl"'}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def tell(event: e.Event) -> str:  # noqa: PLR0911 - one a kind
    """An event in a few words."""
    match event:
        case e.PhaseSet():
            return f"set the arena to {event.phase}" + (f": {event.reason}" if event.reason else "")
        case e.Reviewed():
            return f"gave {event.submission} {event.question} {event.points} points: {event.reason}"
        case e.Invited():
            return f"invited {event.label or 'somebody'} as {event.role}"
        case e.Answered():
            return f"turn {event.outcome}, {event.chars} characters, {len(event.facts)} facts"
        case e.Submitted():
            return f"submitted a {event.form}: {', '.join(event.questions)}"
        case e.Graded():
            return f"{event.submission} {event.question}: {event.points} points, {event.status}"
        case e.LimitsSet():
            return f"changed the limits: {event.limits.model_dump_json()}"
        case e.Started():
            return f"server started: guard {event.guard or 'none'}, target {event.target}"
        case _:
            return event.kind


def _count(state: State) -> Counts:
    def is_waiting(submission: Submission) -> bool:
        return any(submission.points(question) is None for question in submission.sent.questions)

    return Counts(
        sum(p.role == "player" for p in state.players.values()),
        len(state.turns),
        sum(turn.was_blocked for turn in state.turns.values()),
        len(state.submissions),
        sum(is_waiting(s) for s in state.submissions.values()),
    )


def _queries(state: State, player: Player) -> tuple[int, int]:
    turns = [turn for name in player.conversations for turn in state.conversations[name].turns]
    return len(turns), sum(turn.was_blocked for turn in turns)


def _submission(visit: Visit) -> Submission:
    found = visit.store.read(lambda s: s.submissions.get(visit.path("id")))
    if found is None:
        raise Declined("unknown", "There is no such submission.")
    return found


def _folders(root: str, file: str) -> list[str]:
    """Folders under `root`, at most three deep, that hold `file`."""
    found: list[str] = []
    for depth in range(DEEPEST):
        found += [str(path.parent) for path in sorted(Path(root).glob("*/" * (depth + 1) + file))]
    return found
