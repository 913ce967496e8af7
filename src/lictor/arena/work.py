"""What happens by itself: universal attempts are put to every question, and submissions are graded.

In: an arena. Out: entries in its log. All of it follows from the log, so a server that was stopped goes on where it
was: an answer without a grade is graded, a question of a universal attempt without an answer is asked again. Two
workers at once do no harm: the second grade of an answer is declined.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lictor.arena import events as e
from lictor.arena.arena import Arena
from lictor.arena.grading import AnswerGrader, Assessment, Case, SeenTurn
from lictor.arena.rounds import Declined, grade
from lictor.arena.state import State, Submission, path
from lictor.arena.store import BusyError
from lictor.arena.talk import Taken, run_turn, take, wordings
from lictor.errors import GenerationError, LictorError

GRADING_TRIES = 3
"""Of an answer whose grading fails although the grader's model can be reached."""
AWAY = 2
"""Answers in one go to which the grader's model says nothing, whereupon it is taken to be away."""
LONGEST_WAIT_S = 60.0
LOG = logging.getLogger("lictor.arena")


class Todo(NamedTuple):
    """An answer to be graded."""

    submission: str
    question: str


@dataclass
class Patience:
    """How often grading failed, and when it is tried again; kept in memory, for the log has nothing to say yet."""

    clock: Callable[[], float] = time.monotonic
    tries: dict[Todo, int] = field(default_factory=dict[Todo, int])
    failed_in_a_row: int = 0
    again_at: float = 0.0
    trouble: str = ""
    """What the grader's model said last, while it can't be reached."""

    def note_unreachable(self, trouble: str) -> None:
        """The grader's model can't be reached: wait 1, 2, 4, ... seconds, a minute at most."""
        self.trouble = trouble
        self.again_at = self.clock() + min(LONGEST_WAIT_S, 2.0**self.failed_in_a_row)
        self.failed_in_a_row = min(self.failed_in_a_row + 1, 10)

    def note_reached(self) -> None:
        """It answers again."""
        self.trouble, self.failed_in_a_row, self.again_at = "", 0, 0.0


def ungraded(state: State) -> list[Todo]:
    """Answers no grader has looked at, unless they were erased; of a universal attempt, once all of it is asked."""
    return [
        Todo(name, question)
        for name in state.ungraded
        if not state.players[state.submissions[name].sent.player].is_erased
        if not _unasked(state, state.submissions[name])
        for question in state.submissions[name].ungraded
    ]


def grade_all(arena: Arena, patience: Patience) -> int:
    """Grade what is to be graded; how many grades were logged.

    While the grader's model can't be reached nothing is logged, however long that takes. An answer that its model can't
    take holds no other up: those that failed come last, and two failures in one go mean that the model is away. An
    answer that can't be graded for another reason is logged with status `error` after `GRADING_TRIES`, for an organiser
    to look at.
    """
    count, unanswered = 0, 0
    if patience.clock() < patience.again_at:
        return 0
    for todo in sorted(arena.store.read(ungraded), key=lambda todo: patience.tries.get(todo, 0)):
        try:
            assessment = arena.grader.assess(read_case(arena, todo))
            patience.note_reached()
        except BusyError:
            raise
        except LictorError as error:
            LOG.warning("grading of %s %s failed: %s", *todo, error)
            patience.tries[todo] = patience.tries.get(todo, 0) + 1
            if isinstance(error, GenerationError):
                unanswered += 1
                patience.note_unreachable(str(error))
            if unanswered == AWAY:
                return count
            if isinstance(error, GenerationError) or patience.tries[todo] < GRADING_TRIES:
                continue
            assessment = Assessment(0, status="error")
        count += log_grade(arena, todo, assessment, grader=arena.grader)
    return count


def log_grade(
    arena: Arena,
    todo: Todo,
    assessment: Assessment,
    *,
    grader: AnswerGrader,
    run: str = "",
    is_second: bool = False,
) -> bool:
    """Log a grade with its evidence; False where somebody else did before."""
    graded = e.Graded(
        submission=todo.submission,
        question=todo.question,
        run=run,
        is_second=is_second,
        grader=grader.name,
        version=grader.version,
        points=assessment.points,
        status=assessment.status,
        answers_it=assessment.answers_it,
        evidence=assessment.evidence,
        suspicious=assessment.suspicious,
    )
    try:
        arena.store.change("server", lambda s: grade(s, graded))
    except Declined:
        return False
    return True


async def run_universal(arena: Arena) -> int:
    """Ask the questions of universal attempts that were not asked yet; how many were."""
    asked = 0
    for submission, conversation, question in arena.store.read(_to_ask):
        prompt = arena.store.words(e.words(submission, "prompt"))
        contest, player = arena.store.read(lambda s, of=submission: (s.contest, s.submissions[of].sent.player))
        found = contest.question(question) if contest else None
        if found is None:
            continue
        text = prompt.replace("{question}", found.text)
        try:
            taken: Taken = take(arena.store, player=player, conversation=conversation, text=text, by_arena=True)
        except Declined as declined:
            LOG.debug("universal attempt %s waits: %s", submission, declined)
            continue
        await run_turn(arena, taken, lambda _: None)
        asked += 1
    return asked


def read_case(arena: Arena, todo: Todo) -> Case:
    """An answer with the turns it was taken from."""
    sent, asked, answers = arena.store.read(lambda s: _of(s, todo))
    said = wordings(arena.store, [answer.turn for _, answer in answers])
    seen = tuple(
        SeenTurn(one.turn, talk, said[one.turn].sent, said[one.turn].delivered, one.facts, one.fed)
        for talk, one in answers
    )
    if sent.form == "universal":
        own = f"{todo.submission}-{todo.question}"
        seen = tuple(turn for turn in seen if turn.conversation == own)
        return Case(todo.question, asked, "\n\n".join(turn.delivered for turn in seen), seen)
    return Case(todo.question, asked, arena.store.words(e.words(todo.submission, todo.question)), seen)


def _of(state: State, todo: Todo) -> tuple[e.Submitted, str, list[tuple[str, e.Answered]]]:
    """A submission, its question's text, and each named conversation's answers until then.

    What a branch shares with its base counts as said in the branch, so that feeding facts first and branching off
    afterwards earns nothing.
    """
    submission = state.submissions[todo.submission]
    question = state.contest.question(todo.question) if state.contest else None
    latest = submission.seq if submission.sent.form != "universal" else state.seq
    answers = [
        (name, turn.answer)
        for name in submission.sent.conversations
        for turn in path(state, name)
        if turn.answer and turn.seq <= latest
    ]
    return submission.sent, question.text if question else "", answers


def _unasked(state: State, submission: Submission) -> list[str]:
    """Conversations of a universal attempt that have no finished answer."""
    if submission.sent.form != "universal":
        return []

    def has_ended(name: str) -> bool:
        turns = state.conversations[name].turns
        return any(turn.answer is not None and turn.answer.outcome != "interrupted" for turn in turns)

    return [name for name in submission.sent.conversations if not has_ended(name)]


def _to_ask(state: State) -> Iterable[tuple[str, str, str]]:
    return [
        (name, talk, state.conversations[talk].question)
        for name in state.ungraded
        for talk in _unasked(state, state.submissions[name])
    ]
