"""Train a scorer on half of a policy's real rows, and test it on the others: what it could learn from perfect data.

In: a file of labelled policy texts, the name of a policy. Out: figures in docs/results.json, beside those of
`synthetic_to_real.py`, with the same readers; every second rule is tested, and none of its rows is trained on.

    python benchmarks/real_to_real.py AAMC policy_rules.jsonl.gz
"""

import argparse
import sys
from pathlib import Path

from synthetic_to_real import RESULTS, bag_of_words, on, real, trained, whole

from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.llm.local import fastest_precision
from lictor.llm.weights import EMBEDDED
from lictor.model.backbone import Backbone, Cut


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("policy")
    parser.add_argument("rows", type=Path)
    parser.add_argument("--layers", type=int, nargs=2, default=(12, 16), help="frozen ones, and all that are used")
    parser.add_argument("--epochs", type=float, default=3.0)
    options = parser.parse_args()
    rows = real(options.rows, options.policy)
    tested = set(sorted({row.cluster for row in rows})[1::2])
    train = [row for row in rows if row.cluster not in tested]
    held_out = [row for row in rows if row.cluster in tested]
    readers = {
        "scorer": trained(train, Backbone(EMBEDDED, Cut(*options.layers), fastest_precision()), options.epochs),
        "bag_of_words": bag_of_words(train, whole),
    }
    figures: list[Figure] = []
    for reader, read in readers.items():
        figures += on(held_out, read([row.conversation for row in held_out]), f"{options.policy}/real_rows/{reader}")
    shown = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    record(RESULTS, figures, " ".join(["python benchmarks/real_to_real.py", *shown]))
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")


if __name__ == "__main__":
    main()
