"""Record what the audit, the filters and a reader say of a dataset.

In: the emberglass pack, or a dataset folder with its constitution and a name; perhaps the verdicts that the page of a
random sample saved (`lictor audit DATA --sample 100 --page FILE`). Out: figures in docs/results.json: how many examples
there are, what each filter of synthesis kept, leaks, refusals, labels in doubt and openings shared with training, what
a reader found right; shares with exact intervals.

    python benchmarks/audit_pack.py --verdicts benchmarks/verdicts_emberglass.json
    python benchmarks/audit_pack.py --data tutor-pack-augmented --constitution tutor/constitution.yaml --name tutor
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from lictor.artifacts import read_manifest
from lictor.calibration.intervals import exact
from lictor.constitution import Constitution
from lictor.dataset.audit import Audit, audit
from lictor.dataset.review import count_skipped, count_verdicts, read_verdicts
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.starter.folders import resolve
from lictor.synthesis.keeping import keep_rates
from lictor.types import Example

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"


def main() -> None:
    """Measure and record."""
    domain = resolve("starter:emberglass", Path())
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=domain / "pack")
    parser.add_argument("--constitution", type=Path, default=domain / "constitution.yaml")
    parser.add_argument("--name", default="emberglass")
    parser.add_argument("--verdicts", type=Path)
    options = parser.parse_args()
    examples, notes = read_dataset(options.data), read_manifest(options.data).notes
    found = audit(examples, Constitution.load(options.constitution))
    prefix = f"audit_{options.name}"
    figures = [*counted(prefix, examples), *kept(prefix, notes.get("synthesis", {})), *audited(prefix, found)]
    if options.verdicts:
        verdicts = read_verdicts(options.verdicts)
        if skipped := count_skipped(examples, verdicts):
            raise SystemExit(f"{options.verdicts}: expected a sample read in its order, got {skipped} passed over")
        read = count_verdicts(examples, verdicts)
        figures += [share(f"{prefix}/read/{r.verdict}", r.examples, r.of) for r in read if r.group == "all"]
    shown = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    record(RESULTS, figures, " ".join(["python benchmarks/audit_pack.py", *shown]))
    for figure in figures:
        print(f"{figure.name}: {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f}), n {figure.n}")
    for told in found.shortcuts:
        print(f"{told.side} by {told.feature} against {told.against}: AUROC {told.auroc:.3f}, n {told.texts}")


def counted(prefix: str, examples: list[Example]) -> list[Figure]:
    """How many examples there are, how many of them disguised, in a conversation, answered."""
    counts = {
        "examples": len(examples),
        "examples_disguised": sum(bool(e.transforms) for e in examples),
        "examples_of_several_turns": sum(len(e.prompt) > 1 for e in examples),
        "examples_answered": sum(e.answer is not None for e in examples),
    }
    return [
        Figure(f"{prefix}/{name}", count, count, count, len(examples), "examples") for name, count in counts.items()
    ]


def kept(prefix: str, counts: Any) -> list[Figure]:
    """What each filter and judge let through."""
    return [share(f"{prefix}/kept/{rate.filter}", rate.kept, rate.of) for rate in keep_rates(counts)]


def audited(prefix: str, found: Audit) -> list[Figure]:
    """Leaks, refusals, openings and doubtful labels."""
    alike = {name for leak in found.near_leaks for name in leak}
    return [
        share(f"{prefix}/near_duplicates_across_splits", len(alike), found.prompts),
        share(
            f"{prefix}/answers_met_in_another_split", len({leak.second for leak in found.answer_leaks}), found.answers
        ),
        share(f"{prefix}/answers_that_refuse", len(found.refusals), found.answers),
        share(f"{prefix}/held_out_openings_seen_in_training", found.templates.seen, found.templates.held),
        share(
            f"{prefix}/held_out_openings_of_one_label_in_training", found.templates.seen_one_sided, found.templates.held
        ),
        *(share(f"{prefix}/{d.side}_labels_in_doubt", d.doubted, d.texts) for d in found.doubts if d.rule is None),
    ]


def share(name: str, count: int, of: int) -> Figure:
    """`count` of `of`, with its exact interval."""
    return Figure(name, count / max(1, of), *exact(count, of), of, "share")


if __name__ == "__main__":
    main()
