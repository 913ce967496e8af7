"""Train scorers on public rows of general harm, and test them on labelled sets from other sources.

In: a folder of gzipped JSON lines with `src`, `label` and `text`, or `prompt` and `response`. Out: figures in
docs/results.json for each labelled set by itself: F1, area under precision and recall, and AUROC, of the prompt
scorer's readout (for answers: over the whole exchange) and of a bag of words on the same rows; of other packages'
guards, F1 of what they flag as they ship. No source is both trained on and tested, near-duplicates of tested rows are
not trained on, and the threshold that F1 needs is the best one on a tenth of the training rows. No row is printed.

    python benchmarks/public_rows.py prompts DATA --python peers/bin/python --peer promptshields
    python benchmarks/public_rows.py answers DATA
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from peers import Peer
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from synthetic_to_real import RESULTS, Row, bag_of_words, trained, whole

from lictor.calibration.intervals import Interval, resampled
from lictor.dataset.files import read_rows
from lictor.dataset.pools import conversation_of
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.llm.local import fastest_precision
from lictor.llm.weights import EMBEDDED
from lictor.model.backbone import Backbone, Cut
from lictor.synthesis.dedupe import near_pairs
from lictor.types import Conversation

Scores = NDArray[np.float64]


class Sources(NamedTuple):
    """Where rows come from: by file, the sources trained on, and those tested."""

    trained: Mapping[str, tuple[str, ...]]
    tested: Mapping[str, tuple[str, ...]]


SOURCES = {
    "prompts": Sources(
        {
            "prompts": ("advbench", "strongreject", "simplesafetytests", "malicious_instruct", "do_not_answer"),
            "wrappers": ("inthewild", "sap200"),
            "benign": ("alpaca", "self_instruct", "ifeval", "wizardlm", "mtbench", "vicuna"),
        },
        {"prompts": ("openai_moderation", "toxicchat"), "overrefusal": ("xstest", "jbb_behaviors", "physicalsafety")},
    ),
    "answers": Sources(
        {
            "responses": ("saferlhf_mini", "gptfuzzer", "refusal_direction"),
            "benign_responses": ("alpaca_eval", "gsm8k"),
        },
        {"responses": ("xstest_responses", "jbb_artifacts", "adaptive_attacks", "diasafety")},
    ),
}
MOST = 1500
"""Rows of one source and label that are trained on, drawn at random."""
VALIDATION = 0.1


def main() -> None:
    """Train, test, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("what", choices=tuple(SOURCES))
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default=EMBEDDED)
    parser.add_argument("--layers", type=int, nargs=2, default=(12, 16), help="frozen ones, and all that are used")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--python", type=Path, help="interpreter of an environment with other packages' guards")
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    sources, rng = SOURCES[options.what], np.random.default_rng(0)
    tested = {name: rows for file, names in sources.tested.items() for name, rows in read(options.data, file, names)}
    train = apart(drawn(options.data, sources.trained, rng), [row for rows in tested.values() for row in rows])
    order = rng.permutation(len(train))
    held = round(VALIDATION * len(train))
    kept_back, taken = [train[at] for at in order[:held]], [train[at] for at in order[held:]]
    print(f"{len(taken)} rows to train on, {sum(map(len, tested.values()))} tested", file=sys.stderr, flush=True)
    base = Backbone(options.backbone, Cut(*options.layers), fastest_precision())
    readers = {"scorer": trained(taken, base, options.epochs), "bag_of_words": bag_of_words(taken, whole)}
    figures: list[Figure] = []
    for reader, score in readers.items():
        best = best_threshold(labels(kept_back), scored(score, kept_back))
        for name, rows in tested.items():
            figures += on(labels(rows), scored(score, rows), best, f"{options.what}/{name}/{reader}")
    for name in options.peer:
        peer = Peer(options.python, name)
        for tested_set, rows in tested.items():
            flagged = scored(peer.score_many, rows)
            figures += on(labels(rows), flagged, 1.0, f"{options.what}/{tested_set}/{name}")[:1]
        peer.close()
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    peers = "".join(f" --peer {name}" for name in options.peer)
    record(RESULTS, figures, f"python benchmarks/public_rows.py {options.what} DATA --epochs {options.epochs}{peers}")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")


def read(data: Path, file: str, names: Sequence[str]) -> list[tuple[str, list[Row]]]:
    """The labelled rows of some sources of a file."""
    found: dict[str, list[Row]] = {name: [] for name in names}
    for row in read_rows(data / f"{file}.jsonl.gz"):
        of = cast("Mapping[str, Any]", row.value)
        if of["src"] in found and of.get("label") is not None:
            found[of["src"]].append(Row(conversation_of(row), int(of["label"]), row.where))
    return list(found.items())


def drawn(data: Path, sources: Mapping[str, tuple[str, ...]], rng: np.random.Generator) -> list[Row]:
    """At most `MOST` rows of each source and label."""
    found: list[Row] = []
    for file, names in sources.items():
        for _, rows in read(data, file, names):
            for label in (0, 1):
                of_label = [row for row in rows if row.label == label]
                found += [of_label[at] for at in rng.permutation(len(of_label))[:MOST]]
    return found


def apart(train: Sequence[Row], tested: Sequence[Row]) -> list[Row]:
    """The rows that are near none of those tested, each text once."""
    texts = [whole(row.conversation) for row in (*tested, *train)]
    near = {later for _, later in near_pairs(texts)}
    return [row for at, row in enumerate(train, start=len(tested)) if at not in near]


def labels(rows: Sequence[Row]) -> NDArray[np.bool_]:
    """Which rows are harmful."""
    return np.array([row.label == 1 for row in rows])


def scored(read: Callable[[Sequence[Conversation]], list[float]], rows: Sequence[Row]) -> Scores:
    """A score for each row."""
    return np.array(read([row.conversation for row in rows]), dtype=np.float64)


def best_threshold(y: NDArray[np.bool_], z: Scores) -> float:
    """The score from which on F1 is highest."""
    precision, recall, at = precision_recall_curve(y, z)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(at[int(f1[:-1].argmax())])


def on(y: NDArray[np.bool_], z: Scores, threshold: float, name: str) -> list[Figure]:
    """F1 at the threshold, area under precision and recall, AUROC; intervals resample rows."""
    measures: dict[str, Callable[[NDArray[np.bool_], Scores], float]] = {
        "f1": lambda y, z: 2 * float((y & (z >= threshold)).sum()) / max(1, int(y.sum() + (z >= threshold).sum())),
        "auprc": lambda y, z: float(average_precision_score(y, z)),
        "auroc": lambda y, z: float(roc_auc_score(y, z)),
    }
    return [
        _figure(f"public_rows/{name}/{what}", partial(_resample, y, z, measure), len(y))
        for what, measure in measures.items()
    ]


def _resample(
    y: NDArray[np.bool_], z: Scores, measure: Callable[[NDArray[np.bool_], Scores], float], at: NDArray[np.intp]
) -> float | None:
    return measure(y[at], z[at]) if len(set(y[at].tolist())) == 2 else None


def _figure(name: str, statistic: Callable[[NDArray[np.intp]], float | None], n: int) -> Figure:
    value = statistic(np.arange(n)) or 0.0
    low, high = resampled(statistic, n, rng=np.random.default_rng(0)) or Interval(value, value)
    return Figure(name, value, low, high, n, "share")


if __name__ == "__main__":
    main()
