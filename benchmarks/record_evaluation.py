"""Put the figures of an evaluation into docs/results.json, from which docs/results.md is made.

In: the folder of a finished evaluation, and the command that made it. Out: the file's rows `evaluation/GUARD/...`,
counted anew from the folder's records; by family, rule and question the folder's report says more.

    python benchmarks/record_evaluation.py demo/evaluation --command "lictor evaluate demo --attacks 10000"
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from lictor.errors import DataError
from lictor.evaluation.evaluate import read_plan
from lictor.evaluation.measures import Outcome, less_success
from lictor.evaluation.records import covered_by, marks_of
from lictor.evaluation.report import names_in, read_evaluated
from lictor.evaluation.results import record, stamp_now
from lictor.evaluation.suites import WORST_CASE
from lictor.evaluation.tables import figures, outcomes

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"
DETAIL = ("family/", "rule/", "question/", "wrapper_matched/", "recall/rule/")


def main() -> None:
    """Record every guard of the folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--command", required=True, help="what measures the figures again")
    parser.add_argument("--only", default="", help="record no figure without this in its name")
    parser.add_argument("--code", type=Path, default=RESULTS.parent, help="checkout that measured, if not this one")
    options = parser.parse_args()
    stamp = stamp_now(options.code)
    cases, attempts = read_plan(options.folder)["cases"], dict[str, list[Outcome]]()
    for name in names_in(options.folder):
        evaluated = read_evaluated(options.folder, name)
        if len(evaluated.records) != cases:
            raise DataError(f"{options.folder}: {name}: expected all {cases} cases, got {len(evaluated.records)}")
        graded = marks_of(covered_by(evaluated.records))
        attempts[name] = outcomes((one for one in evaluated.records if one.target == WORST_CASE), graded)
        counted = figures(evaluated.records, graded, evaluated.policy)
        if name != "guard":
            less = less_success(attempts["guard"], attempts[name], rng=np.random.default_rng(0))
            counted.append(replace(less, name=f"guard_has_{less.name}"))
        kept = [f for f in counted if options.only in f.name and not f.name.startswith(DETAIL)]
        record(RESULTS, [replace(f, name=f"evaluation/{name}/{f.name}") for f in kept], options.command, stamp)
        print(f"{name}: {len(kept)} figures")


if __name__ == "__main__":
    main()
