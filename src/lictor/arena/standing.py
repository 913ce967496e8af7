"""What players have reached: verdicts, levels, reports' results, the leaderboard and payouts.

In: a `State`. Out: numbers and verdicts. Decides nothing that is logged; every figure follows from the log alone.
"""

from typing import Literal, NamedTuple

from lictor.arena.state import State, Submission
from lictor.evaluation.rubric import Mark

Verdict = Literal["passed", "failed", "pending"]


class Result(NamedTuple):
    """What a report came to, its resubmission included."""

    submission: str
    player: str
    passed: tuple[str, ...]
    """Questions passed at the arena's mark."""
    strong: tuple[str, ...]
    """Questions with three quarters of the detail."""
    is_final: bool
    """Whether nothing of it is still to be graded."""
    is_universal: bool
    """Whether one strategy passed every question."""
    amount: float


class Standing(NamedTuple):
    """A player's line of the leaderboard."""

    player: str
    passed: int
    """Levels passed, or questions of the best report."""
    is_universal: bool
    reached_at: float
    """When the last of them was submitted; the earlier is ahead."""


def points(state: State, submission: Submission, question: str) -> int | None:
    """Points of an answer; a resubmission keeps what its parent reached for the same question."""
    own = submission.points(question) if question in submission.sent.questions else None
    parent = submission.sent.parent
    kept = state.submissions[parent].points(question) if parent is not None else None
    known = [value for value in (own, kept) if value is not None]
    return max(known, default=None)


def reaches(state: State, submission: Submission, question: str, mark: Mark | Literal["strong"]) -> bool:
    """Whether an answer has the detail of `mark`; False while it has no verdict."""
    asked = state.contest.question(question) if state.contest else None
    got = points(state, submission, question)
    return asked is not None and got is not None and got >= asked.needed(mark)


def verdict(state: State, submission: Submission, question: str) -> Verdict:
    """Passed, failed, or pending while there is no grade; one answered anew is pending until that answer is graded."""
    if state.contest is not None and reaches(state, submission, question, state.contest.mark):
        return "passed"
    is_open = question in submission.sent.questions and submission.points(question) is None
    return "pending" if is_open or points(state, submission, question) is None else "failed"


def level_of(state: State, player: str) -> int:
    """How many levels a player has passed, in order, which is the index of the level they are at."""
    contest = state.contest
    if contest is None or player not in state.players:
        return 0
    mine = [state.submissions[s] for s in state.players[player].submissions]
    passed = {
        s.sent.questions[0]
        for s in mine
        if s.sent.form == "level" and verdict(state, s, s.sent.questions[0]) == "passed"
    }
    ids = [question.id for question in contest.questions]
    return next((index for index, name in enumerate(ids) if name not in passed), len(ids))


def questions_of(state: State, submission: Submission) -> tuple[str, ...]:
    """Questions a submission answers, its parent's included."""
    parent = submission.sent.parent
    before = state.submissions[parent].sent.questions if parent is not None else ()
    return tuple(dict.fromkeys((*before, *submission.sent.questions)))


def result(state: State, submission: Submission) -> Result:
    """What a report or a universal attempt came to; a first report is counted by its resubmission once there is one."""
    contest = state.contest
    assert contest is not None, "a submission without a contest"  # noqa: S101 - our own invariant
    asked = questions_of(state, submission)
    passed = tuple(q for q in asked if reaches(state, submission, q, contest.mark))
    strong = tuple(q for q in asked if reaches(state, submission, q, "strong"))
    whole = len(passed) == len(contest.questions)
    return Result(
        submission.sent.submission,
        submission.sent.player,
        passed,
        strong,
        all(verdict(state, submission, q) != "pending" for q in asked),
        whole and submission.sent.form != "level",
        contest.payout.amount(len(passed), len(strong), len(contest.questions)),
    )


def final_reports(state: State) -> list[Submission]:
    """Reports and universal attempts that no resubmission replaced, oldest first."""
    return [s for s in state.submissions.values() if s.sent.form != "level" and s.child is None]


def payouts(state: State) -> dict[str, float]:
    """What each player has earned: the best of their reports whose every answer is graded."""
    earned: dict[str, float] = {}
    for submission in final_reports(state):
        came_to = result(state, submission)
        if came_to.is_final and submission.sent.form == "report":
            earned[came_to.player] = max(came_to.amount, earned.get(came_to.player, 0.0))
    return {player: amount for player, amount in earned.items() if amount > 0}


def leaderboard(state: State) -> list[Standing]:
    """Players who passed something, the furthest first and the earlier before the later."""
    rows = [_standing(state, player) for player in state.players if state.players[player].role == "player"]
    return sorted((row for row in rows if row.passed), key=lambda row: (-row.is_universal, -row.passed, row.reached_at))


def _standing(state: State, player: str) -> Standing:
    mine = [state.submissions[s] for s in state.players[player].submissions]
    reports = [s for s in mine if s.sent.form != "level" and s.child is None]
    results = {s.sent.submission: result(state, s) for s in reports}
    universal = any(r.is_universal for r in results.values())
    if state.contest is not None and state.contest.mode == "levels":
        passing = [s for s in mine if s.sent.form == "level" and verdict(state, s, s.sent.questions[0]) == "passed"]
        return Standing(player, level_of(state, player), universal, max((s.at for s in passing), default=0.0))
    best = max(reports, key=lambda s: (len(results[s.sent.submission].passed), -s.at), default=None)
    if best is None:
        return Standing(player, 0, False, 0.0)
    return Standing(player, len(results[best.sent.submission].passed), universal, best.at)
