"""What holding more of an answer back keeps in: facts out before a halt, against tokens that a reader waits for.

In: a project with a guard and questions. Out: for several `policy.hold_back`, from attacks on the worst-case target in
the evaluation's own proportions: halted streams that had let a fact out, facts out before the stop, and attacks that
got half of their facts. Everything is scored once, and the guard decides on the same scores each time: what is held
back changes when text leaves, and no score or threshold.

    python benchmarks/hold_back.py demo --attacks 400
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from observer import RESULTS

from lictor.evaluation.evaluate import run_block
from lictor.evaluation.measures import Figure, attack_success, leaked_before_stop
from lictor.evaluation.records import Record, marks_of
from lictor.evaluation.results import record
from lictor.evaluation.suites import WORST_CASE
from lictor.evaluation.tables import outcomes
from lictor.guard.guard import Guard
from lictor.model.scorers import AnswerScorer, PromptScorer
from lictor.pipeline.evaluating import Wanted, gather

HELD = (0, 16, 32, 64, 128, 256)
"""Tokens held back behind those that are cleared."""


def remembering(score_many: Callable[[Sequence[Any]], list[Any]]) -> Callable[[Sequence[Any]], list[Any]]:
    """`score_many` of prompts or of answers, each scored once."""
    known: dict[Any, Any] = {}

    def look_up(asked: Sequence[Any]) -> list[Any]:
        keys = [tuple(one) for one in asked]
        new = [key for key in dict.fromkeys(keys) if key not in known]
        known.update(zip(new, score_many(new), strict=True))
        return [known[key] for key in keys]

    return look_up


def main() -> None:
    """Score, decide, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("project", type=Path)
    parser.add_argument("--attacks", type=int, default=400)
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    found = gather(options.project, Wanted(attacks=options.attacks), options.project / "answers.sqlite")
    cases = [case for case in found.cases if case.kind == "attack"]
    prompts, answers = found.guard.input_scorer, found.guard.stream_scorer
    if not isinstance(prompts, PromptScorer) or not isinstance(answers, AnswerScorer) or found.answers.domain is None:
        raise SystemExit(f"{options.project}: expected a guard of two scorers, whose answers are read alone; questions")
    prompts.score_many = remembering(prompts.score_many)  # pyright: ignore[reportAttributeAccessIssue] -- asked for by place
    answers.score_many = remembering(answers.score_many)  # pyright: ignore[reportAttributeAccessIssue] -- as above
    guards = {
        held: Guard(prompts, answers, replace(found.guard.policy, hold_back=held), views=found.guard.views)
        for held in HELD
    }
    records: dict[int, list[Record]] = {held: [] for held in HELD}
    for start in range(0, len(cases), 64):
        for held, guard in guards.items():
            records[held] += run_block(cases[start : start + 64], guard, found.answers)
        print(f"\r{min(start + 64, len(cases))}/{len(cases)}", end="", file=sys.stderr, flush=True)
    domain = found.answers.domain
    graded = marks_of({WORST_CASE: {asked.id: len(domain.rubric(asked.id)) for asked in domain.questions}})
    figures: list[Figure] = []
    for held, kept in records.items():
        by_answer, by_guard = outcomes(kept, graded, "answer"), outcomes(kept, graded)
        measured = [*leaked_before_stop(by_answer), attack_success(by_guard, "half", rng=np.random.default_rng(0))]
        figures += [replace(figure, name=f"hold_back/{held} tokens/{figure.name}") for figure in measured]
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=1))
        return
    record(RESULTS, figures, f"python benchmarks/hold_back.py PROJECT --attacks {options.attacks}")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")


if __name__ == "__main__":
    main()
