"""Organisers' pages about grades: submissions and their evidence, verdicts by hand, graders' disagreements, regradings.

In: visits of organisers. Out: pages; and reviews that name who made them. Decides nothing: rounds.py does.
"""

import numpy as np
from starlette.responses import Response

from lictor.arena import events as e
from lictor.arena.agreement import disagreements
from lictor.arena.people import names
from lictor.arena.regrading import changes, runs
from lictor.arena.rounds import Declined, review
from lictor.arena.state import State, Submission
from lictor.arena.statistics import measure
from lictor.arena.web.play import Row, earned_by, marks_of, row_of
from lictor.arena.web.visit import Visit

CHANGING = ("created", "limits", "questions", "joined", "opened", "submitted", "graded", "reviewed")
"""Kinds of events that verdicts follow from."""


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
        hidden=(),
        earned=earned_by(visit, submission),
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


def grading(visit: Visit) -> Response:
    """How far the graders agree, where they differ, what waits for an organiser, and what regradings changed."""
    run = visit.request.query_params.get("run", "")
    made = visit.store.read(lambda s: measure(s, rng=np.random.default_rng(0)))
    return visit.render(
        "grading.html",
        figures=[figure for figure in made.figures if figure.name.startswith("grading/")],
        disagreements=visit.store.read(disagreements),
        open_ended=visit.store.read(_without_verdict),
        runs=visit.store.read(runs),
        run=run,
        changed=[one for one in changes(visit.store.entries(kinds=CHANGING), run) if one.has_changed] if run else (),
        trouble=visit.site.patience.trouble,
    )


def _without_verdict(state: State) -> list[tuple[str, str, str]]:
    """Answers that a grader refused or could not grade: submission, question and status."""
    return [
        (name, question, grade.status)
        for name, one in state.submissions.items()
        for question, grade in one.graded.items()
        if grade.status != "ok" and question not in one.reviews
    ]


def _submission(visit: Visit) -> Submission:
    found = visit.store.read(lambda s: s.submissions.get(visit.path("id")))
    if found is None:
        raise Declined("unknown", "There is no such submission.")
    return found
