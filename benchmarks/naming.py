"""Measure how often a restricted text is told by its right rule, on families that fitting never saw.

In: a dataset folder, the worked domain's where none is given. Out: figures in docs/results.json.

    python benchmarks/naming.py
"""

import argparse
from pathlib import Path

from lictor.calibration.intervals import exact
from lictor.constitution import Constitution
from lictor.dataset.naming import RuleNamer, fit_namer, restricted_texts
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.starter.folders import resolve
from lictor.types import Example

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and record."""
    domain = resolve("starter:emberglass", ROOT)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=domain / "pack")
    options = parser.parse_args()
    examples = [example for example in read_dataset(options.data) if not example.transforms]
    namer = fit_namer((e for e in examples if e.split == "train"), Constitution.load(domain / "constitution.yaml"))
    if namer is None:
        raise SystemExit("expected more than one restricted rule")
    tests = [example for example in examples if example.split == "test" and example.rule in namer.rules]
    figures = [
        _figure("questions", namer, [e for e in tests if e.prompt_label == 1 and e.answer_label != 1]),
        _figure("questions with their answers", namer, [e for e in tests if e.answer_label == 1]),
    ]
    record(ROOT / "docs" / "results.json", figures, "python benchmarks/naming.py")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")


def _figure(name: str, namer: RuleNamer, examples: list[Example]) -> Figure:
    right = sum(namer.name("\n".join(restricted_texts(example))) == example.rule for example in examples)
    low, high = exact(right, len(examples))
    return Figure(f"rule_naming/{name} told by their rule", right / len(examples), low, high, len(examples), "share")


if __name__ == "__main__":
    main()
