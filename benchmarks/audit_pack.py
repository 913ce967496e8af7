"""Record what the audit says of the emberglass pack.

In: the pack that comes with Lictor. Out: figures in docs/results.json: leaks, refusals, labels in doubt and openings
shared with training, each as a share with its exact interval.

    python benchmarks/audit_pack.py
"""

from pathlib import Path

from scipy.stats import binomtest

from lictor.constitution import Constitution
from lictor.dataset.audit import audit
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.starter.folders import resolve

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"


def main() -> None:
    """Measure and record."""
    folder = resolve("starter:emberglass/pack", Path())
    found = audit(read_dataset(folder), Constitution.load(folder.parent / "constitution.yaml"))
    figures = [
        share("near_duplicates_across_splits", len(found.near_leaks), found.prompts),
        share("answers_that_refuse", len(found.refusals), found.answers),
        share("held_out_openings_seen_in_training", found.templates.seen, found.templates.held),
        share("held_out_openings_of_one_label_in_training", found.templates.seen_one_sided, found.templates.held),
        *(share(f"{d.side}_labels_in_doubt", d.doubted, d.texts) for d in found.doubts if d.rule is None),
    ]
    record(RESULTS, figures, "python benchmarks/audit_pack.py")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f}), n {figure.n}")
    for told in found.shortcuts:
        print(f"{told.side} by {told.feature} against {told.against}: AUROC {told.auroc:.3f}, n {told.texts}")


def share(name: str, count: int, of: int) -> Figure:
    """`count` of `of`, with its exact interval."""
    low, high = binomtest(count, of).proportion_ci(0.95, "exact")
    return Figure(f"audit_emberglass/{name}", count / of, low, high, of, "share")


if __name__ == "__main__":
    main()
