"""What may happen next in an arena. Decides without I/O: every rule of both modes is here.

In: a `State`, what somebody wants, and the time. Out: the events to log, or `Declined`. The caller runs these inside
the log's write transaction, so two that race are decided one after the other. Knows no words, page, file or clock.

*Bounty*: reports that answer any of the questions with one strategy; each may be resubmitted once, after it was
graded. *Levels*: one question after the other, the next unlocked by a pass; and universal attempts, one prompt that the
arena itself puts to every question.
"""

from collections.abc import Sequence
from typing import Literal

from lictor.arena import events as e
from lictor.arena.contest import Asked, Contest, Limits
from lictor.arena.standing import level_of, verdict
from lictor.arena.state import Conversation, Player, State, Submission, path
from lictor.errors import UsageError

LOOK_BACK = 5_000
"""Times of a player that rate limits look at, the latest."""
Reason = Literal["closed", "unknown", "not_yours", "limit", "busy", "order", "already", "invalid", "invitation"]


class Declined(UsageError):  # noqa: N818 - not a fault: the rules said no
    """The rules do not allow it now; the message says why in words for a player."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def contest_of(state: State) -> Contest:
    """The arena's set-up.

    Raises:
        Declined: It has not been set up.
    """
    if state.contest is None:
        raise Declined("closed", "This arena has not been set up yet.")
    return state.contest


def create(state: State, contest: Contest) -> list[e.Event]:
    """Set the arena up, once."""
    if state.contest is not None:
        raise Declined("already", "This arena is set up already; start another one in a new database.")
    return [e.Created(contest=contest)]


def set_phase(state: State, phase: e.Phase, reason: str = "") -> list[e.Event]:
    """Open, pause or close; a closed arena stays closed."""
    contest_of(state)
    if state.phase == "closed":
        raise Declined("closed", "This arena is closed for good.")
    if phase == state.phase:
        raise Declined("already", f"This arena is {phase} already.")
    return [e.PhaseSet(phase=phase, reason=reason)]


def set_questions(state: State, questions: tuple[Asked, ...], run: str) -> list[e.Event]:
    """Change the questions' marks for a regrading; ids, order and texts stay. Nothing where none differs."""
    contest = contest_of(state)
    if [(q.id, q.text) for q in questions] != [(q.id, q.text) for q in contest.questions]:
        raise Declined("invalid", "A regrading asks the same questions in the same order; start another arena instead.")
    return [] if questions == contest.questions else [e.QuestionsSet(questions=questions, run=run)]


def join(
    state: State, *, player: str, role: e.Role, terms: str, consent: bool, invitation: str | None
) -> list[e.Event]:
    """Sign up. An invitation is used once and decides the role; without one only players may join, if all may.

    Before the arena is set up, only organisers may.
    """
    if state.phase == "closed":
        raise Declined("closed", "This arena is closed.")
    if invitation is not None:
        invited = state.invitations.get(invitation)
        if invited is None or invitation in state.used:
            raise Declined("invitation", "This invitation is unknown or was used; ask the organiser for another one.")
        role = invited.role
    elif role != "player" or (state.contest is not None and state.contest.invited_only):
        raise Declined("invitation", "Signing up needs an invitation here.")
    if role != "organiser":
        contest_of(state)
    return [e.Joined(player=player, role=role, terms=terms, consent=consent, invitation=invitation)]


def open_conversation(
    state: State, *, player: str, conversation: str, base: str = "", kept: int = 0, system_chars: int = 0
) -> list[e.Event]:
    """Begin a conversation.

    Args:
        state: Where the arena stands.
        player: Whose it is.
        conversation: Its id.
        base: A conversation of the player's to branch off from; empty for none.
        kept: How many turns of it to keep.
        system_chars: Length of the player's system prompt; 0 for none.
    """
    contest = _open(state)
    if base:
        _check_branch(state, player, base, kept)
    if system_chars and not contest.system_prompt:
        raise Declined("invalid", "System prompts are not allowed in this arena.")
    if system_chars > contest.limits.message_chars:
        raise Declined("invalid", f"A system prompt has at most {contest.limits.message_chars} characters.")
    mine = _player(state, player).conversations
    if conversation in state.conversations:
        raise Declined("already", "This conversation is open already.")
    if len(mine) >= contest.limits.conversations:
        raise Declined("limit", f"You have {len(mine)} conversations, which is the most allowed; go on in one of them.")
    opened = e.Opened(
        conversation=conversation, player=player, base=base, kept=kept if base else 0, has_system=system_chars > 0
    )
    return [opened]


def send(
    state: State, *, player: str, conversation: str, turn: str, chars: int, now: float, by_arena: bool = False
) -> list[e.Event]:
    """Take a message; a conversation answers one at a time, whatever tab it comes from.

    In the conversations of a universal attempt only the arena speaks (`by_arena`), with the player's one prompt.
    """
    limits = _open(state).limits
    talk = _mine(state, player, conversation)
    if bool(talk.attempt) != by_arena:
        raise Declined("not_yours", "In a universal attempt the arena asks, with your prompt; open a conversation.")
    if turn in state.turns:
        raise Declined("already", "This message was taken already.")
    if chars == 0 or chars > limits.message_chars:
        raise Declined("invalid", f"A message has 1 to {limits.message_chars} characters; this one has {chars}.")
    if len(path(state, conversation)) >= limits.turns:
        raise Declined("limit", f"A conversation has at most {limits.turns} messages; open another one.")
    if talk.turns and talk.turns[-1].answer is None:
        raise Declined("busy", "The last message of this conversation is still being answered.")
    if not talk.attempt:
        _check_budget(state, limits, _player(state, player).sent_at, now)
    return [e.Sent(turn=turn, conversation=conversation, chars=chars)]


def answer(state: State, event: e.Answered) -> list[e.Event]:
    """End a turn, once."""
    turn = state.turns.get(event.turn)
    if turn is None or turn.answer is not None:
        raise Declined("already", f"turn {event.turn} is not running")
    return [event]


def submit(state: State, sent: e.Submitted, *, longest: int, now: float) -> list[e.Event]:
    """Take a report or a level's answer; the same submission id is taken once.

    Args:
        state: Where the arena stands.
        sent: The submission, without its words.
        longest: Characters of the longest answer.
        now: Seconds since 1970.
    """
    contest = _open(state)
    if sent.submission in state.submissions:
        raise Declined("already", "This was submitted already.")
    _check_submission(state, contest, sent, longest, now)
    if contest.mode == "levels":
        _check_level(state, contest, sent)
    else:
        _check_report(state, contest, sent)
    return [sent]


def try_universal(
    state: State, *, player: str, submission: str, prompt: str, strategies: tuple[str, ...], now: float
) -> list[e.Event]:
    """Take one prompt, with `{question}` in it, to be put to every question in a conversation of its own."""
    contest = _open(state)
    if contest.mode != "levels":
        raise Declined("invalid", "Universal attempts belong to the levels mode; here, submit a report.")
    if submission in state.submissions:
        raise Declined("already", "This was submitted already.")
    longest = max(len(question.text) for question in contest.questions)
    if "{question}" not in prompt or len(prompt) + longest > contest.limits.message_chars:
        raise Declined(
            "invalid",
            f"A universal prompt has {{question}} in it and at most {contest.limits.message_chars} characters.",
        )
    _check_rate(state, contest, player, now)
    talks = {question.id: f"{submission}-{question.id}" for question in contest.questions}
    sent = e.Submitted(
        submission=submission,
        player=player,
        form="universal",
        questions=tuple(talks),
        conversations=tuple(talks.values()),
        strategies=strategies,
    )
    opened = [
        e.Opened(conversation=talk, player=player, attempt=submission, question=question)
        for question, talk in talks.items()
    ]
    return [*opened, sent]


def grade(state: State, event: e.Graded) -> list[e.Event]:
    """Log a grade, once per answer, run and opinion."""
    submission = state.submissions.get(event.submission)
    if submission is None or event.question not in submission.sent.questions:
        raise Declined("unknown", f"no answer to {event.question!r} in submission {event.submission!r}")
    if event.is_second:
        known = submission.second.get(event.question)
        if known is not None and known.run == event.run:
            raise Declined("already", "This answer has its second grade.")
    else:
        known = submission.graded.get(event.question)
        if known is not None and known.run == event.run:
            raise Declined("already", "This answer was graded.")
    return [event]


def review(state: State, event: e.Reviewed) -> list[e.Event]:
    """An organiser's verdict on one answer, which counts instead of the grader's."""
    contest = contest_of(state)
    submission = state.submissions.get(event.submission)
    question = contest.question(event.question)
    if submission is None or question is None or event.question not in submission.sent.questions:
        raise Declined("unknown", "There is no such answer.")
    return [event]


def survey(state: State, player: str, hours: float) -> list[e.Event]:
    """A player's own estimate of their effort, in hours."""
    _player(state, player)
    if not 0 <= hours <= 2000:
        raise Declined("invalid", f"Hours are between 0 and 2000; got {hours}.")
    return [e.Surveyed(player=player, hours=hours)]


def set_consent(state: State, player: str, consent: bool) -> list[e.Event]:
    """Give or withdraw consent to training."""
    _player(state, player)
    return [e.ConsentSet(player=player, consent=consent)]


def erase(state: State, player: str) -> list[e.Event]:
    """Forget a player; what their attempts came to stays in the log, without words."""
    talks = (state.conversations[name] for name in _player(state, player).conversations)
    if any(talk.turns and talk.turns[-1].answer is None for talk in talks):
        raise Declined("busy", "A message is still being answered, and its words would stay; try again in a moment.")
    return [e.Erased(player=player)]


def _open(state: State) -> Contest:
    contest = contest_of(state)
    if state.phase != "open":
        raise Declined("closed", f"This arena is {'not open yet' if state.phase == 'draft' else state.phase}.")
    return contest


def _player(state: State, player: str) -> Player:
    found = state.players.get(player)
    if found is None or found.is_erased:
        raise Declined("unknown", "There is no such player.")
    return found


def _mine(state: State, player: str, conversation: str) -> Conversation:
    found = state.conversations.get(conversation)
    if found is None or found.player != _player(state, player).id:
        raise Declined("not_yours", "You have no such conversation.")
    return found


def _check_budget(state: State, limits: Limits, sent_at: Sequence[float], now: float) -> None:
    if len(state.turns) >= limits.messages_of_all:
        raise Declined("limit", "This arena's budget of messages is used up.")
    if len(sent_at) >= limits.messages:
        raise Declined("limit", f"You have sent {len(sent_at)} messages, which is the most allowed.")
    if _since(sent_at, now - 60, now) >= limits.messages_per_minute:
        raise Declined("limit", f"At most {limits.messages_per_minute} messages a minute; wait a little.")


def _check_branch(state: State, player: str, base: str, kept: int) -> None:
    if _mine(state, player, base).attempt:
        raise Declined("not_yours", "A conversation of a universal attempt has no branches.")
    turns = path(state, base)
    if not 0 <= kept <= len(turns):
        raise Declined("invalid", f"That conversation has {len(turns)} messages; a branch keeps none of them to all.")
    if any(turn.answer is None for turn in turns[:kept]):
        raise Declined("busy", "A message to be kept is still being answered.")


def _since(times: Sequence[float], start: float, now: float) -> int:
    """How many of `times` lie between two times; later ones, of a clock that was since set back, don't count."""
    return sum(start <= at <= now for at in times[-LOOK_BACK:])


def _check_rate(state: State, contest: Contest, player: str, now: float) -> None:
    mine = _player(state, player).submissions
    if _since([state.submissions[s].at for s in mine], now - 3600, now) >= contest.limits.submissions_per_hour:
        raise Declined("limit", f"At most {contest.limits.submissions_per_hour} submissions an hour; wait a little.")


def _check_submission(state: State, contest: Contest, sent: e.Submitted, longest: int, now: float) -> None:
    for conversation in sent.conversations:
        talk = _mine(state, sent.player, conversation)
        if talk.attempt:
            raise Declined("not_yours", "A conversation of a universal attempt can't be submitted again.")
        turns = path(state, conversation)
        if not turns:
            raise Declined("invalid", "A conversation you submit holds at least one message.")
        if turns[-1].answer is None:
            raise Declined("busy", "One of these conversations is still being answered.")
    if not sent.conversations:
        raise Declined("invalid", "Name at least one conversation in which you were given the answer.")
    if not sent.questions or any(contest.question(q) is None for q in sent.questions):
        raise Declined("invalid", "A submission answers at least one of this arena's questions.")
    if longest > contest.limits.answer_chars:
        raise Declined("invalid", f"An answer has at most {contest.limits.answer_chars} characters; got {longest}.")
    _check_rate(state, contest, sent.player, now)


def _check_level(state: State, contest: Contest, sent: e.Submitted) -> None:
    level = level_of(state, sent.player)
    if level == len(contest.questions):
        raise Declined("order", "You have passed every level.")
    if sent.form != "level" or sent.questions != (contest.questions[level].id,):
        raise Declined("order", f"You are at level {level + 1}; answer its question and no other.")
    mine = (state.submissions[s] for s in _player(state, sent.player).submissions)
    if any(verdict(state, s, sent.questions[0]) == "pending" for s in mine if sent.questions[0] in s.sent.questions):
        raise Declined("busy", "Your last answer to this level is still being graded.")


def _check_report(state: State, contest: Contest, sent: e.Submitted) -> None:
    if sent.form != "report":
        raise Declined("invalid", "Submit a report here.")
    if sent.parent is not None:
        _check_resubmission(state, sent, state.submissions.get(sent.parent))
        return
    firsts = [s for s in _player(state, sent.player).submissions if state.submissions[s].sent.parent is None]
    if len(firsts) >= contest.limits.reports:
        raise Declined("limit", f"You have submitted {len(firsts)} reports, which is the most allowed.")


def _check_resubmission(state: State, sent: e.Submitted, parent: Submission | None) -> None:
    if parent is None or parent.sent.player != sent.player:
        raise Declined("not_yours", "You have no such report.")
    if parent.child is not None or parent.sent.parent is not None:
        raise Declined("already", "A report is resubmitted once.")
    if any(verdict(state, parent, q) == "pending" for q in parent.sent.questions):
        raise Declined("busy", "A report is resubmitted after all its answers were graded.")
