"""What happens by itself: universal attempts are put to every question, and submissions are graded.

In: an arena. Out: entries in its log. All of it follows from the log, so a server that was stopped goes on where it
was: an answer without a grade is graded, a question of a universal attempt without an answer is asked again. Two
workers at once do no harm: the second grade of an answer is declined.
"""

import logging
from collections.abc import Callable, Iterable
from math import inf
from typing import NamedTuple

from lictor.arena import events as e
from lictor.arena.arena import Arena
from lictor.arena.grading import AnswerGrader, Assessment, Case, SeenTurn
from lictor.arena.rounds import Declined, grade
from lictor.arena.state import State, Submission, path
from lictor.arena.talk import Taken, run_turn, take, wordings
from lictor.errors import LictorError

GRADING_TRIES = 60
"""Of one answer; half a minute at least, as the server works."""
LOG = logging.getLogger("lictor.arena")


class Todo(NamedTuple):
    """An answer to be graded."""

    submission: str
    question: str


class Regraded(NamedTuple):
    """What a regrading made of one answer."""

    submission: str
    question: str
    before: int | None
    after: int | None

    @property
    def has_changed(self) -> bool:
        """Whether the points differ."""
        return self.before != self.after


def ungraded(state: State) -> list[Todo]:
    """Answers no grader has looked at; those of a universal attempt once all its questions were answered."""
    return [
        Todo(name, question)
        for name in state.ungraded
        if not _unasked(state, state.submissions[name])
        for question in state.submissions[name].ungraded
    ]


def grade_all(arena: Arena, failures: dict[Todo, int]) -> int:
    """Grade what is to be graded; how many grades were logged.

    Args:
        arena: Its grader is used.
        failures: How often each answer's grading failed before; kept up to date. After `GRADING_TRIES` the answer is
            logged with status `error`, for an organiser to look at.
    """
    count = 0
    for todo in arena.store.read(ungraded):
        try:
            assessment = arena.grader.assess(read_case(arena, todo))
        except LictorError as error:
            LOG.warning("grading of %s %s failed: %s", *todo, error)
            failures[todo] = failures.get(todo, 0) + 1
            if failures[todo] < GRADING_TRIES:
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


def regrade(arena: Arena, run: str, *, grader: AnswerGrader | None = None, is_second: bool = False) -> list[Regraded]:
    """Grade every submission anew under the name `run`; what each answer had before and has now.

    An answer graded under that name before is passed over, so that an interrupted regrading goes on. An organiser's
    verdict stands whatever the new grade. With `is_second` the grades are a second opinion, and no verdict changes.

    Raises:
        LictorError: A grader failed; what was graded until then is kept.
    """
    by = grader or arena.grader
    regraded: list[Regraded] = []
    for todo in arena.store.read(lambda s: [Todo(n, q) for n, x in s.submissions.items() for q in x.sent.questions]):
        known = arena.store.read(_known(todo, is_second))
        if known is not None and known.run == run:
            continue
        assessment = by.assess(read_case(arena, todo))
        before = known.points if known is not None and known.status == "ok" else None
        log_grade(arena, todo, assessment, grader=by, run=run, is_second=is_second)
        after = assessment.points if assessment.status == "ok" else None
        regraded.append(Regraded(todo.submission, todo.question, before, after))
    return regraded


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
    latest = submission.at if submission.sent.form != "universal" else inf
    answers = [
        (name, turn.answer)
        for name in submission.sent.conversations
        for turn in path(state, name)
        if turn.answer and turn.at <= latest
    ]
    return submission.sent, question.text if question else "", answers


def _known(todo: Todo, is_second: bool) -> Callable[[State], e.Graded | None]:
    def look(state: State) -> e.Graded | None:
        submission = state.submissions[todo.submission]
        return (submission.second if is_second else submission.graded).get(todo.question)

    return look


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
