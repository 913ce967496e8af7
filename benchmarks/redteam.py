"""Attack a project's guard with every attacker on the ten target questions: success against budget, as a curve.

In: a project folder that `lictor run` made (its material and settings are read), perhaps another guard. Out: figures in
docs/results.json, and docs/img/redteam.svg. The questions are those of the evaluation; nothing found is kept as data.
Each attacker gets the same questions and the same budget, so that curves compare in pairs.

    python benchmarks/redteam.py demo --queries 30
"""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from lictor.assemble import Guard
from lictor.evaluation.budgets import draw_curve
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import load
from lictor.evaluation.results import record
from lictor.pipeline.config import load_project
from lictor.pipeline.redteam import HuntConfig, guarded, hunt_all, moves_for
from lictor.pipeline.stages import read_inputs
from lictor.redteam import ATTACKERS, Aim, Budget
from lictor.starter.folders import resolve

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("project", type=Path)
    parser.add_argument("--guard", type=Path, help="its guard's folder if not in it")
    parser.add_argument("--queries", type=int, default=30, help="per attacker and question")
    parser.add_argument("--seconds", type=float, default=600.0, help="per attacker and question")
    parser.add_argument("--attacker", action="append", choices=list(ATTACKERS))
    parser.add_argument("--questions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    project = load_project(options.project)
    guard = Guard.load(options.guard or project.guard)
    domain = load(resolve("starter:emberglass", Path()))
    aims = [Aim(q.id, q.rule, (q.text, *q.ask)) for q in domain.questions[: options.questions]]
    config = HuntConfig(
        tuple(options.attacker or ATTACKERS),
        len(aims),
        Budget(options.queries, options.seconds),
        seed=options.seed,
    )
    moves = moves_for(read_inputs(project).material, config, None)
    started = time.monotonic()
    hunted = hunt_all(aims, moves, guarded(guard, domain), attackers=ATTACKERS, config=config, progress=_say)
    spent = time.monotonic() - started
    cost = Figure("queries_per_second", len(hunted.tried) / spent, 0, 0, 1, f"/s at {os.cpu_count()} cores")
    figures = [replace(figure, name=f"redteam/{figure.name}") for figure in (*hunted.curve, cost)]
    record(DOCS / "results.json", figures, command=f"python benchmarks/redteam.py {' '.join(_shown(sys.argv[1:]))}")
    draw_curve(hunted.curve, DOCS / "img" / "redteam.svg")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")
    for one in hunted.efforts:
        print(f"{one.attacker} {one.question}: {one.first} of {one.queries} queries, {one.seconds:.1f} s")


def _say(stage: str, at: int, total: int) -> None:
    print(f"  {stage} ({at}/{total})", file=sys.stderr, flush=True)


def _shown(arguments: list[str]) -> list[str]:
    """The arguments with folders by their last part alone: where they stand is this machine's matter."""
    return [Path(argument).name if "/" in argument else argument for argument in arguments]


if __name__ == "__main__":
    main()
