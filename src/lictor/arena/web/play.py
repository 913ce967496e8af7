"""Players' pages: conversations, submissions, universal attempts, the leaderboard.

In: visits. Out: pages of the player's own things alone. Decides nothing: rounds.py does.
"""

import secrets
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from starlette.responses import Response

from lictor.arena import events as e
from lictor.arena.contest import STRATEGIES
from lictor.arena.people import names
from lictor.arena.rounds import Declined, open_conversation, submit, try_universal
from lictor.arena.standing import leaderboard, level_of, points, questions_of, result, verdict
from lictor.arena.state import Conversation, State, Submission, Turn, path, system_owner
from lictor.arena.store import Words
from lictor.arena.tags import suggest
from lictor.arena.talk import wordings
from lictor.arena.web.visit import Visit

MOST_TALKS, TITLE_CHARS = 50, 60


class Talk(NamedTuple):
    """A conversation in a list."""

    id: str
    title: str
    """How its first message of its own begins."""
    messages: int
    at: float
    is_branch: bool


class Line(NamedTuple):
    """A turn as a transcript shows it."""

    turn: str
    sent: str
    delivered: str
    outcome: str
    """Empty while it is running."""


class Row(NamedTuple):
    """A submission in a list."""

    id: str
    form: e.Kind
    at: float
    passed: int
    asked: int
    is_pending: bool


class Mark(NamedTuple):
    """One answer's grade as its page shows it."""

    question: str
    asked: str
    answer: str
    verdict: str
    points: int | None
    needed: int
    topics: int


class _Before(NamedTuple):
    """What a form to submit is filled with."""

    answers: Mapping[str, str]
    strategy: str
    talks: tuple[str, ...]
    tags: tuple[str, ...]
    passed: tuple[str, ...]


def home(visit: Visit) -> Response:
    """What the arena asks, and where one stands."""
    if visit.session is None or visit.site.arena is None:
        return visit.render("home.html", level=0, rows=(), talks=())
    level = visit.store.read(lambda s: level_of(s, visit.me))
    rows = visit.store.read(lambda s: _rows(s, visit.me))
    return visit.render("home.html", level=level, rows=rows, talks=_talks(visit))


def begin_talk(visit: Visit) -> Response:
    """A new conversation, or a branch of one; `edit` is the turn whose message is to be written anew."""
    name, system, kept, edit = secrets.token_hex(8), visit.text("system"), visit.text("kept"), visit.text("edit")

    def decide(state: State) -> list[e.Event]:
        return open_conversation(
            state,
            player=visit.me,
            conversation=name,
            base=visit.text("base"),
            kept=int(kept) if kept.isdecimal() else 0,
            system_chars=len(system),
        )

    words = [Words(e.words(name, "system"), 0, visit.me, system)] if system else []
    visit.store.change(visit.me, decide, words=words)
    return visit.go(f"/talks/{name}?edit={quote(edit)}" if edit else f"/talks/{name}")


def show_talk(visit: Visit) -> Response:
    """A conversation of one's own; `edit` fills the field with the message of one of one's turns."""
    talk = visit.store.read(lambda s: _own_talk(s, visit.me, visit.path("id")))
    level = visit.store.read(lambda s: level_of(s, visit.me))
    edit = visit.request.query_params.get("edit", "")
    return visit.render(
        "talk.html",
        talk=talk,
        lines=transcript(visit, talk),
        system=system_of(visit, talk),
        talks=_talks(visit),
        level=level,
        draft=visit.store.words(e.words(edit, "sent"))
        if visit.store.read(lambda s: _is_own(s, visit.me, edit))
        else "",
    )


def transcript(visit: Visit, talk: Conversation) -> list[Line]:
    """A conversation's turns with their words, those it shares with its base first."""
    turns = visit.store.read(lambda s: list(path(s, talk.id)))
    said = wordings(visit.store, [turn.id for turn in turns])
    return [
        Line(turn.id, said[turn.id].sent, said[turn.id].delivered, turn.answer.outcome if turn.answer else "")
        for turn in turns
    ]


def system_of(visit: Visit, talk: Conversation) -> str:
    """The system prompt a conversation stands under; empty for none."""
    owner = visit.store.read(lambda s: system_owner(s, talk.id))
    return visit.store.words(e.words(owner, "system")) if owner else ""


def show_submit(visit: Visit) -> Response:
    """The form to submit a report or a level's answer; with `parent`, filled with what is to be submitted again."""
    parent, talk = (visit.request.query_params.get(name, "") for name in ("parent", "talk"))
    before = _before(visit, parent) if parent else _Before({}, "", (talk,), (), ())
    contest, level = visit.store.read(lambda s: (s.contest, level_of(s, visit.me)))
    talks = [talk for talk in _talks(visit) if talk.messages]
    asked = contest.questions if contest else ()
    if contest is not None and contest.mode == "levels":
        asked = contest.questions[level : level + 1]
    return visit.render(
        "submit.html",
        talks=talks,
        asked=asked,
        parent=parent,
        submission=secrets.token_hex(8),
        strategies=STRATEGIES,
        before=before,
    )


def _before(visit: Visit, parent: str) -> _Before:
    """What one wrote in a submission that is to be submitted again."""
    sent = visit.store.read(lambda s: _own_submission(s, visit.me, parent)).sent
    passed = visit.store.read(lambda s: result(s, s.submissions[parent]).passed)
    words = visit.store.words_of([e.words(parent, part) for part in (*sent.questions, "strategy")])
    answers = {question: words[e.words(parent, question)] for question in sent.questions}
    return _Before(answers, words[e.words(parent, "strategy")], sent.conversations, sent.strategies, passed)


def do_submit(visit: Visit) -> Response:
    """Submit; the same form sent twice is one submission."""
    contest = visit.store.read(lambda s: s.contest)
    answers = {q.id: visit.text(f"answer-{q.id}") for q in (contest.questions if contest else ())}
    given = {question: text for question, text in answers.items() if text}
    name = visit.text("submission")
    if not name.isalnum() or len(name) > 32:
        raise Declined("invalid", "The form is incomplete; reload the page and send it again.")
    talks = tuple(dict.fromkeys(visit.texts("talk")))
    sent = e.Submitted(
        submission=name,
        player=visit.me,
        form="level" if contest is not None and contest.mode == "levels" else "report",
        questions=tuple(given),
        conversations=talks,
        strategies=tuple(tag for tag in visit.texts("strategy") if tag in STRATEGIES),
        suggested=_suggested(visit, talks, tuple(given)),
        parent=visit.text("parent") or None,
    )
    longest, now = max((len(text) for text in given.values()), default=0), visit.store.now()
    words = [Words(e.words(name, question), 0, visit.me, text) for question, text in given.items()]
    words.append(Words(e.words(name, "strategy"), 0, visit.me, visit.text("how")[:5000]))
    try:
        visit.store.change(visit.me, lambda s: submit(s, sent, longest=longest, now=now), words=words)
    except Declined as declined:
        if declined.reason != "already" or name not in visit.store.read(lambda s: s.players[visit.me].submissions):
            raise
    return visit.go(f"/submissions/{name}")


def _suggested(visit: Visit, talks: tuple[str, ...], questions: tuple[str, ...]) -> tuple[str, ...]:
    """What the player's own messages in `talks` look like; conversations of others are declined later."""

    def look(state: State) -> tuple[list[str], list[str], list[str]]:
        own = [name for name in talks if name in state.players[visit.me].conversations]
        turns = dict.fromkeys(turn.id for name in own for turn in path(state, name))
        asked = [q.text for q in state.contest.questions if q.id in questions] if state.contest else []
        return own, list(turns), asked

    own, turns, asked = visit.store.read(look)
    said = visit.store.words_of([e.words(turn, "sent") for turn in turns])
    owners = visit.store.read(lambda s: [owner for name in own if (owner := system_owner(s, name))])
    system = "\n".join(visit.store.words_of([e.words(owner, "system") for owner in dict.fromkeys(owners)]).values())
    return suggest([text for text in said.values() if text], asked, system=system)


def show_universal(visit: Visit) -> Response:
    """The form for one prompt that is put to every question."""
    return visit.render("universal.html", submission=secrets.token_hex(8), strategies=STRATEGIES)


def do_universal(visit: Visit) -> Response:
    """Take a universal prompt; the arena puts it to every question by itself."""
    name, prompt = visit.text("submission"), visit.text("prompt")
    tags = tuple(tag for tag in visit.texts("strategy") if tag in STRATEGIES)
    if not name.isalnum() or len(name) > 32:
        raise Declined("invalid", "The form is incomplete; reload the page and send it again.")
    now = visit.store.now()
    visit.store.change(
        visit.me,
        lambda s: try_universal(s, player=visit.me, submission=name, prompt=prompt, strategies=tags, now=now),
        words=[Words(e.words(name, "prompt"), 0, visit.me, prompt)],
    )
    return visit.go(f"/submissions/{name}")


def show_submission(visit: Visit) -> Response:
    """One's own submission: which answers passed, and no more than that of the rubric."""
    name = visit.path("id")
    submission = visit.store.read(lambda s: _own_submission(s, visit.me, name))
    hidden = visit.store.read(lambda s: _locked(s, visit.me))
    marks = [
        mark._replace(asked=f"A question of a later level ({mark.question})") if mark.question in hidden else mark
        for mark in marks_of(visit, submission)
    ]
    return visit.render(
        "submission.html",
        submission=submission,
        marks=marks,
        is_host=False,
        hidden=hidden,
        earned=earned_by(visit, submission),
    )


def earned_by(visit: Visit, submission: Submission) -> float:
    """What a bounty report earns, once all of it is graded; 0 elsewhere."""
    came_to = visit.store.read(lambda s: result(s, submission))
    return came_to.amount if came_to.is_final and submission.sent.form == "report" else 0.0


def marks_of(visit: Visit, submission: Submission) -> list[Mark]:
    """The grades of a submission, question by question."""
    name = submission.sent.submission

    def look(state: State) -> list[Mark]:
        contest = state.contest
        if contest is None:
            return []
        found = [(q, contest.question(q)) for q in questions_of(state, submission)]
        return [
            Mark(
                name_of,
                asked.text,
                "",
                verdict(state, submission, name_of),
                points(state, submission, name_of),
                asked.needed(contest.mark),
                asked.topics,
            )
            for name_of, asked in found
            if asked is not None
        ]

    marks = visit.store.read(look)
    asked = [mark.question for mark in marks]
    given = {q: name if q in submission.sent.questions else submission.sent.parent or name for q in asked}
    said = visit.store.words_of([e.words(of, question) for question, of in given.items()])
    return [mark._replace(answer=said[e.words(given[mark.question], mark.question)]) for mark in marks]


def board(visit: Visit) -> Response:
    """The leaderboard; everybody sees names and levels, nobody sees words."""
    rows = visit.store.read(leaderboard)
    return visit.render("board.html", rows=rows, names=names(visit.store))


def _own_talk(state: State, player: str, name: str) -> Conversation:
    talk = state.conversations.get(name)
    if talk is None or talk.player != player:
        raise Declined("not_yours", "You have no such conversation.")
    if talk.question in _locked(state, player):
        raise Declined("order", "This conversation shows a question of a later level.")
    return talk


def _locked(state: State, player: str) -> set[str]:
    """Questions whose level a player has not reached."""
    if state.contest is None or state.contest.mode != "levels":
        return set()
    return {question.id for question in state.contest.questions[level_of(state, player) + 1 :]}


def _own_submission(state: State, player: str, name: str) -> Submission:
    submission = state.submissions.get(name)
    if submission is None or submission.sent.player != player:
        raise Declined("not_yours", "You have no such submission.")
    return submission


def _is_own(state: State, player: str, turn: str) -> bool:
    known = state.turns.get(turn)
    return known is not None and state.conversations[known.conversation].player == player


def _talks(visit: Visit) -> list[Talk]:
    """One's conversations, the newest first."""

    def look(state: State) -> list[tuple[Conversation, list[Turn]]]:
        mine = (state.conversations[name] for name in reversed(state.players[visit.me].conversations))
        return [(talk, list(path(state, talk.id))) for talk in mine if not talk.attempt][:MOST_TALKS]

    talks = visit.store.read(look)
    firsts = {talk.id: e.words((talk.turns or turns)[0].id, "sent") for talk, turns in talks if turns}
    said = visit.store.words_of(list(firsts.values()))
    return [
        Talk(talk.id, _title(said.get(firsts.get(talk.id, ""), "")), len(turns), talk.at, bool(talk.base))
        for talk, turns in talks
    ]


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else f"{line[:TITLE_CHARS]}…"


def _rows(state: State, player: str) -> list[Row]:
    return [row_of(state, state.submissions[name]) for name in reversed(state.players[player].submissions)]


def row_of(state: State, submission: Submission) -> Row:
    """A submission's line in a list."""
    came_to = result(state, submission)
    asked = len(questions_of(state, submission))
    return Row(
        came_to.submission, submission.sent.form, submission.at, len(came_to.passed), asked, not came_to.is_final
    )
