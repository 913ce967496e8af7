"""Grade submissions anew under a name, and say what that changed.

In: an arena, and perhaps another grader. Out: grades in its log; changes of points and verdicts, read from the log
alone. An interrupted regrading goes on under its name.
"""

from collections.abc import Iterable
from typing import NamedTuple

from lictor.arena import events as e
from lictor.arena.arena import Arena
from lictor.arena.contest import Asked
from lictor.arena.grading import AnswerGrader
from lictor.arena.rounds import set_questions
from lictor.arena.standing import Verdict, verdict
from lictor.arena.state import State, fold
from lictor.arena.work import Todo, log_grade, read_case
from lictor.artifacts import fingerprint


class Regraded(NamedTuple):
    """What a regrading made of one answer."""

    submission: str
    question: str
    before: int | None
    """Points; None where there was no grade."""
    after: int | None
    verdict_before: Verdict
    verdict_after: Verdict

    @property
    def has_changed(self) -> bool:
        """Whether points or verdict differ."""
        return self.before != self.after or self.verdict_before != self.verdict_after


def regrade(
    arena: Arena,
    run: str,
    *,
    grader: AnswerGrader | None = None,
    questions: tuple[Asked, ...] | None = None,
    is_second: bool = False,
    sample: float = 1.0,
) -> int:
    """Grade every submission anew under the name `run`; how many answers were graded now.

    An answer graded under that name before is passed over, so that an interrupted regrading goes on; so is one whose
    player erased their words, which keeps what it came to. An organiser's verdict stands whatever the new grade. With
    `is_second` the grades are a second opinion, and no verdict changes.

    Args:
        arena: Whose submissions are graded.
        run: Name of the regrading.
        grader: The arena's own when None.
        questions: The same questions with new marks, where what grades them has changed.
        is_second: Whether it is a second opinion.
        sample: Share of the answers to grade; which ones depends on their ids alone.

    Raises:
        LictorError: A grader failed; what was graded until then is kept.
    """
    by, count = grader or arena.grader, 0
    if questions is not None and not is_second:
        arena.store.change("cli", lambda s: set_questions(s, questions, run))
    todos = [todo for todo in arena.store.read(lambda s: _ungraded(s, run, is_second)) if _is_drawn(todo, sample)]
    for todo, found in zip(todos, by.assess_all(read_case(arena, todo) for todo in todos), strict=True):
        log_grade(arena, todo, found, grader=by, run=run, is_second=is_second)
        count += 1
    return count


def _ungraded(state: State, run: str, is_second: bool) -> list[Todo]:
    known = {todo: _known(state, todo, is_second) for todo in _gradable(state)}
    return [todo for todo, grade in known.items() if grade is None or grade.run != run]


def _gradable(state: State) -> list[Todo]:
    return [
        Todo(name, question)
        for name, submission in state.submissions.items()
        if not state.players[submission.sent.player].is_erased
        for question in submission.sent.questions
    ]


def changes(entries: Iterable[e.Entry], run: str) -> list[Regraded]:
    """What the regrading called `run` made of each answer it graded: before its first line, and after its last."""
    state = State()
    before: dict[Todo, tuple[int | None, Verdict]] = {}
    found: dict[Todo, Regraded] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, e.Graded | e.QuestionsSet) and event.run == run and not before:
            before = {todo: _standing(state, todo) for todo in _todos(state)}
        fold(state, entry)
        if isinstance(event, e.Graded) and event.run == run and not event.is_second:
            todo = Todo(event.submission, event.question)
            was, now = before.get(todo, (None, "pending")), _standing(state, todo)
            found[todo] = Regraded(*todo, was[0], now[0], was[1], now[1])
    return list(found.values())


def runs(state: State) -> list[str]:
    """Names of the regradings whose grades stand, in alphabetical order."""
    named = {grade.run for submission in state.submissions.values() for grade in submission.graded.values()}
    return sorted(named - {""})


def _todos(state: State) -> list[Todo]:
    return [Todo(name, question) for name, one in state.submissions.items() for question in one.sent.questions]


def _standing(state: State, todo: Todo) -> tuple[int | None, Verdict]:
    submission = state.submissions[todo.submission]
    return submission.points(todo.question), verdict(state, submission, todo.question)


def _known(state: State, todo: Todo, is_second: bool) -> e.Graded | None:
    submission = state.submissions[todo.submission]
    return (submission.second if is_second else submission.graded).get(todo.question)


def _is_drawn(todo: Todo, sample: float) -> bool:
    return int(fingerprint(list(todo)), 16) % 10_000 < sample * 10_000
