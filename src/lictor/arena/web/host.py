"""Organisers' pages: invite, pause, limit, watch, audit, close and export.

In: visits of organisers. Out: pages; and events that name who did it. Decides nothing: rounds.py does.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple, cast

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from lictor.arena import events as e
from lictor.arena.contest import Limits
from lictor.arena.people import invite, names
from lictor.arena.rounds import Declined, set_phase
from lictor.arena.standing import payouts
from lictor.arena.state import Player, State, Submission, path
from lictor.arena.web.play import system_of, transcript
from lictor.arena.web.visit import Visit

LIMITS = {
    "messages_per_minute": "Messages of one player a minute",
    "message_chars": "Characters of one message",
    "messages": "Messages of one player in all",
    "messages_of_all": "Messages of all players together: the arena's budget",
    "turns": "Messages in one conversation",
    "conversations": "Conversations of one player",
    "submissions_per_hour": "Submissions of one player an hour",
    "reports": "Reports of one player, resubmissions not counted",
    "answer_chars": "Characters of one submitted answer",
}
FEED_ROWS, MOST_INVITATIONS = 100, 200


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
    label = visit.request.query_params.get("made", "")
    return _overview(visit, made=label, links=())


def do_phase(visit: Visit) -> Response:
    """Open, pause or close."""
    phase = visit.text("phase")
    if phase not in ("open", "paused", "closed"):
        raise Declined("invalid", "Choose open, paused or closed.")
    if phase == "closed" and not visit.text("sure"):
        raise Declined("invalid", "A closed arena cannot be opened again; tick the box if you are sure.")
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
    """New invitations; their links are shown this once."""
    role: e.Role = "organiser" if visit.text("role") == "organiser" else "player"
    many = visit.text("count") or "1"
    if not many.isdecimal() or not 1 <= int(many) <= MOST_INVITATIONS:
        raise Declined("invalid", f"Make 1 to {MOST_INVITATIONS} invitations at a time.")
    label = visit.text("label")[:80]
    secrets = [invite(visit.store, role=role, label=label, actor=visit.me) for _ in range(int(many))]
    links = [str(visit.request.url_for("join").include_query_params(invitation=secret)) for secret in secrets]
    return _overview(visit, made=role, links=links)


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


def tell(event: e.Event) -> str:  # noqa: PLR0911, PLR0912 - one a kind
    """An event in a few words."""
    match event:
        case e.PhaseSet():
            return f"set the arena to {event.phase}" + (f": {event.reason}" if event.reason else "")
        case e.Reviewed():
            return f"gave {event.submission} {event.question} {event.points} points: {event.reason}"
        case e.Invited():
            return f"invited {event.label or 'somebody'} as {event.role}"
        case e.Joined():
            return f"joined as {event.role}"
        case e.Opened():
            return "branched off a conversation" if event.base else "began a conversation"
        case e.Sent():
            return f"sent {event.chars} characters"
        case e.Answered():
            return f"answer {event.outcome}, {event.chars} characters, {len(event.facts)} facts"
        case e.Submitted():
            return f"submitted a {event.form}: {', '.join(event.questions)}"
        case e.Graded():
            return f"{event.submission} {event.question}: {event.points} points, {event.status}"
        case e.QuestionsSet():
            marks = ", ".join(f"{one.id} {one.covered:g} of {one.topics}" for one in event.questions)
            return f"changed the marks for {event.run or 'all'}: {marks}"
        case e.LimitsSet():
            return f"changed the limits: {event.limits.model_dump_json()}"
        case e.Erased():
            return "erased a player's account and words"
        case e.Started():
            return f"server started: guard {event.guard or 'none'}, target {event.target}"
        case _:
            return event.kind


def _overview(visit: Visit, *, made: str, links: Sequence[str]) -> Response:
    counts, trouble = visit.store.read(_count), visit.site.patience.trouble
    return visit.render("host.html", counts=counts, made=made, links=links, trouble=trouble, limits=LIMITS)


def _count(state: State) -> Counts:
    def is_waiting(submission: Submission) -> bool:
        is_erased = state.players[submission.sent.player].is_erased
        return not is_erased and any(submission.points(q) is None for q in submission.sent.questions)

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
