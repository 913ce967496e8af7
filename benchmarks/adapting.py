"""Measure an adaptation: from three missed exchanges in one disguise to a guard that knows it.

In: a project with a guard, a disguise that training left out. Out: figures in docs/results.json: minutes in all, how
many other exchanges in the same disguise are stopped before and after, and what changed on the test split. Three
permitted exchanges in the same disguise go with the missed ones, lest the disguise itself become the sign.

    python benchmarks/adapting.py demo --disguise ub_talk@answer
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lictor.assemble import Guard
from lictor.augment.compose import apply_chain
from lictor.calibration.intervals import exact
from lictor.cli.progress import StageProgress
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.pipeline.adapting import Case, adapt
from lictor.pipeline.config import load_project
from lictor.pipeline.stages import stands
from lictor.types import Example

CASES = 3
OTHERS = 60
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("project", type=Path)
    parser.add_argument("--disguise", default="ub_talk@answer")
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    figures = measure(options.project, options.disguise)
    if options.json:
        print(json.dumps([asdict(f) for f in figures]))
        return
    record(RESULTS, figures, f"python benchmarks/adapting.py {options.project.name} --disguise {options.disguise}")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}) {figure.unit}, n {figure.n}")


def measure(folder: Path, disguise: str) -> list[Figure]:
    """All figures of one adaptation; its guard stands in `folder`/guard-adapted, if the gate opened."""
    project, guard = load_project(folder), Guard.load(folder / "guard")
    held = [e for e in read_dataset(stands(project)["data"]) if e.split == "test" and not e.transforms]
    restricted, benign = (
        [apply_chain(e, [disguise], seed=0) for e in held if e.answer_label == label == e.prompt_label]
        for label in (1, 0)
    )
    cases = [e for e in restricted if guard.check(e.messages).action == "allow"][:CASES]
    if len(cases) < CASES:
        sys.exit(f"expected {CASES} exchanges in {disguise} that the guard lets pass, found {len(cases)}")
    twins = benign[:CASES]
    families = {e.family for e in [*cases, *twins]}
    others, permitted = ([e for e in found if e.family not in families][:OTHERS] for found in (restricted, benign))
    started = time.perf_counter()
    out = folder / "guard-adapted"
    taught = [Case(e.messages, e.rule or "", is_restricted=e.prompt_label == 1) for e in [*cases, *twins]]
    done = adapt(project, taught, out, StageProgress())
    minutes = (time.perf_counter() - started) / 60
    if done.guard is None:
        sys.exit("the gate is shut:\n  " + "\n  ".join(done.reasons))
    name = f"adapt/{disguise}"
    new = Guard.load(done.guard)
    shares = [
        _share(f"{name}/others_stopped_before", guard, others),
        _share(f"{name}/others_stopped_after", new, others),
        _share(f"{name}/permitted_stopped_before", guard, permitted),
        _share(f"{name}/permitted_stopped_after", new, permitted),
    ]
    elsewhere = [
        Figure(f"{name}/test_split/{c.of}_{what}", hits / c.n, *exact(hits, c.n), c.n, "share")
        for c in done.held_out
        for what, hits in (("newly_stopped", c.newly_stopped), ("newly_passed", c.newly_passed))
    ]
    return [Figure(f"{name}/minutes", minutes, minutes, minutes, 1, "minutes"), *shares, *elsewhere]


def _share(name: str, guard: Guard, examples: Sequence[Example]) -> Figure:
    hits = sum(guard.check(e.messages).action == "block" for e in examples)
    return Figure(name, hits / len(examples), *exact(hits, len(examples)), len(examples), "share")


if __name__ == "__main__":
    main()
