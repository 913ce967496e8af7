"""Where an arena stands: the log folded into players, conversations and submissions.

In: entries of the log, in order. Out: a `State`. Decides nothing and knows no words, file or clock.
"""

from dataclasses import dataclass, field
from typing import assert_never

from lictor.arena import events as e
from lictor.arena.contest import Contest


@dataclass
class Turn:
    """One message and what became of it."""

    id: str
    conversation: str
    at: float
    chars: int
    seq: int = 0
    """Its line of the log; clocks may be set back, the log goes on."""
    ended_at: float | None = None
    answer: e.Answered | None = None
    """None while it is running."""

    @property
    def was_blocked(self) -> bool:
        """Whether the guard refused or halted it."""
        return self.answer is not None and self.answer.outcome in ("refused", "halted")


@dataclass
class Conversation:
    """A player's conversation."""

    id: str
    player: str
    at: float
    attempt: str = ""
    question: str = ""
    base: str = ""
    kept: int = 0
    has_system: bool = False
    turns: list[Turn] = field(default_factory=list[Turn])
    """Its own, without those it shares with its base."""


@dataclass
class Submission:
    """A report, a level's answer or a universal attempt, with its grades."""

    sent: e.Submitted
    at: float
    seq: int = 0
    graded: dict[str, e.Graded] = field(default_factory=dict[str, e.Graded])
    """The grade that counts, by question."""
    second: dict[str, e.Graded] = field(default_factory=dict[str, e.Graded])
    reviews: dict[str, e.Reviewed] = field(default_factory=dict[str, e.Reviewed])
    child: str | None = None
    """Its resubmission."""

    def points(self, question: str) -> int | None:
        """Points of the answer to `question`, an organiser's before a grader's; None while there is no verdict."""
        review, grade = self.reviews.get(question), self.graded.get(question)
        if review is not None:
            return review.points
        if grade is None or grade.status != "ok":
            return None
        return 0 if grade.answers_it is False else grade.points

    @property
    def ungraded(self) -> tuple[str, ...]:
        """Questions no grader has looked at yet."""
        return tuple(q for q in self.sent.questions if q not in self.graded and q not in self.reviews)


@dataclass
class Player:
    """Somebody who signed up."""

    id: str
    role: e.Role
    at: float
    consent: bool
    hours: float | None = None
    is_erased: bool = False
    conversations: list[str] = field(default_factory=list[str])
    submissions: list[str] = field(default_factory=list[str])
    sent_at: list[float] = field(default_factory=list[float])


@dataclass
class State:
    """Everything the log says."""

    seq: int = 0
    contest: Contest | None = None
    phase: e.Phase = "draft"
    guards: list[e.Started] = field(default_factory=list[e.Started])
    invitations: dict[str, e.Invited] = field(default_factory=dict[str, e.Invited])
    used: set[str] = field(default_factory=set[str])
    players: dict[str, Player] = field(default_factory=dict[str, Player])
    conversations: dict[str, Conversation] = field(default_factory=dict[str, Conversation])
    turns: dict[str, Turn] = field(default_factory=dict[str, Turn])
    submissions: dict[str, Submission] = field(default_factory=dict[str, Submission])
    ungraded: dict[str, None] = field(default_factory=dict[str, None])
    """Submissions with an answer no grader has looked at, oldest first."""


def path(state: State, conversation: str) -> list[Turn]:
    """All turns of a conversation, those it shares with the one it branches off from first."""
    talk = state.conversations[conversation]
    return [*path(state, talk.base)[: talk.kept], *talk.turns] if talk.base else talk.turns


def system_owner(state: State, conversation: str) -> str | None:
    """The conversation whose system prompt this one has; a branch has that of its base."""
    talk = state.conversations[conversation]
    if talk.has_system:
        return talk.id
    return system_owner(state, talk.base) if talk.base else None


def fold(state: State, entry: e.Entry) -> None:
    """Bring `state` up to `entry`, the next of the log."""
    assert entry.seq > state.seq, f"entry {entry.seq} after {state.seq}"  # noqa: S101 - our own invariant
    state.seq = entry.seq
    match entry.event:
        case e.Created() | e.PhaseSet() | e.LimitsSet() | e.QuestionsSet() | e.Invited() | e.Started() as event:
            _fold_setup(state, event)
        case e.Joined() | e.ConsentSet() | e.Surveyed() | e.Erased() as event:
            _fold_player(state, event, entry.at)
        case e.Opened() | e.Sent() | e.Answered() as event:
            _fold_talk(state, event, entry)
        case e.Submitted() | e.Graded() | e.Reviewed() as event:
            _fold_grading(state, event, entry)
        case _:
            assert_never(entry.event)


def _fold_setup(
    state: State, event: e.Created | e.PhaseSet | e.LimitsSet | e.QuestionsSet | e.Invited | e.Started
) -> None:
    match event:
        case e.Created():
            state.contest = event.contest
        case e.PhaseSet():
            state.phase = event.phase
        case e.LimitsSet() if state.contest is not None:
            state.contest = state.contest.model_copy(update={"limits": event.limits})
        case e.QuestionsSet() if state.contest is not None:
            state.contest = state.contest.model_copy(update={"questions": event.questions})
        case e.Invited():
            state.invitations[event.invitation] = event
        case e.Started():
            state.guards.append(event)
        case _:
            pass


def _fold_player(state: State, event: e.Joined | e.ConsentSet | e.Surveyed | e.Erased, at: float) -> None:
    match event:
        case e.Joined():
            state.players[event.player] = Player(event.player, event.role, at, event.consent)
            if event.invitation is not None:
                state.used.add(event.invitation)
        case e.ConsentSet():
            state.players[event.player].consent = event.consent
        case e.Surveyed():
            state.players[event.player].hours = event.hours
        case e.Erased():
            state.players[event.player].is_erased = True
            state.players[event.player].consent = False


def _fold_talk(state: State, event: e.Opened | e.Sent | e.Answered, entry: e.Entry) -> None:
    at = entry.at
    match event:
        case e.Opened():
            conversation = Conversation(
                event.conversation,
                event.player,
                at,
                event.attempt,
                event.question,
                event.base,
                event.kept,
                event.has_system,
            )
            state.conversations[event.conversation] = conversation
            state.players[event.player].conversations.append(event.conversation)
        case e.Sent():
            turn = Turn(event.turn, event.conversation, at, event.chars, entry.seq)
            state.turns[event.turn] = turn
            conversation = state.conversations[event.conversation]
            conversation.turns.append(turn)
            if not conversation.attempt:
                state.players[conversation.player].sent_at.append(at)
        case e.Answered():
            turn = state.turns[event.turn]
            turn.answer, turn.ended_at = event, at


def _fold_grading(state: State, event: e.Submitted | e.Graded | e.Reviewed, entry: e.Entry) -> None:
    if isinstance(event, e.Submitted):
        submission = Submission(event, entry.at, entry.seq)
        state.submissions[event.submission] = submission
        state.players[event.player].submissions.append(event.submission)
        if event.parent is not None:
            state.submissions[event.parent].child = event.submission
    else:
        submission = state.submissions[event.submission]
        match event:
            case e.Graded(is_second=True):
                submission.second[event.question] = event
            case e.Graded():
                submission.graded[event.question] = event
            case e.Reviewed():
                submission.reviews[event.question] = event
    if submission.ungraded:
        state.ungraded[submission.sent.submission] = None
    else:
        state.ungraded.pop(submission.sent.submission, None)
