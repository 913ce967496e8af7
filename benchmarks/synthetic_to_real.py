"""Train a scorer on synthetic data alone, and test it on conversations that people wrote and labelled.

In: a pack that `lictor generate` made, its constitution, a file of labelled rows (`tutor`: tutoring turns, whose label
is the last turn's; else the name of a policy in a file of policy texts). Out: figures in docs/results.json: AUROC, and
the share caught at 1% and 5% false positives, of the scorer, of a bag of words trained on the same data and of a chat
model that is shown the rules; intervals resample whole problems or rules. No row is printed or kept, and none is left
out: a row that cannot be read or scored ends the run, and equal ones count once. Nothing is chosen on the rows.

    python benchmarks/synthetic_to_real.py tutor policy_tutor.jsonl.gz tutor-pack tutor/constitution.yaml
    python benchmarks/synthetic_to_real.py Amazon policy_rules.jsonl.gz amazon-pack amazon/constitution.yaml
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from lictor.assemble import new_head
from lictor.calibration.curves import auroc, roc, tpr_at
from lictor.calibration.intervals import Interval, exact, resampled_clusters
from lictor.constitution import Constitution
from lictor.dataset.files import Row as FileRow
from lictor.dataset.files import read_rows
from lictor.dataset.imports import import_set
from lictor.dataset.pools import conversation_of
from lictor.dataset.store import read_dataset
from lictor.errors import DataError, ScoringError
from lictor.evaluation.baseline import BaselineInput, train_bag_of_words
from lictor.evaluation.measures import Figure
from lictor.evaluation.prompted import PromptedJudge
from lictor.evaluation.results import record
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.load import load_chat_model
from lictor.llm.local import fastest_precision
from lictor.llm.weights import EMBEDDED, cache_dir
from lictor.model.backbone import Backbone, Cut
from lictor.model.scorers import PromptScorer
from lictor.model.text import input_ids
from lictor.model.train import Labelled, TrainingConfig, train_head
from lictor.types import Conversation, Example, Message

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"
TUTOR = "tutor"
MAX_TOKENS = 512
"""Longest training sequence."""


class Row(NamedTuple):
    """A labelled conversation, and what it shares with others that are not independent of it."""

    conversation: Conversation
    label: int
    cluster: str


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("what", help="`tutor`, or the name of a policy")
    parser.add_argument("rows", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("constitution", type=Path)
    parser.add_argument("--backbone", default=EMBEDDED)
    parser.add_argument("--layers", type=int, nargs=2, default=(12, 16), help="frozen ones, and all that are used")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--judge", help="a chat model that is shown the rules and asked; it may take hours")
    parser.add_argument("--precision", default="auto", help="of the judge's weights")
    parser.add_argument("--judged", type=int, default=400, help="rows it is asked about, drawn at random")
    parser.add_argument("--step", default="", help="name of a way of synthesis, to keep its figures beside others'")
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    made, rows = synthetic(options.pack, options.what), real(options.rows, options.what)
    kept_back = [row for row, split in made if split == "test"]
    train = [row for row, split in made if split != "test"]
    for name, of in (("real rows", rows), ("synthetic rows", train), ("synthetic rows kept back", kept_back)):
        require_both_labels(of, name)
    print(
        f"{len(train)} synthetic rows to train on, {len(kept_back)} kept back; {len(rows)} real ones", file=sys.stderr
    )
    readers = {
        "scorer": trained(train, Backbone(options.backbone, Cut(*options.layers), fastest_precision()), options.epochs),
        "bag_of_words": bag_of_words(train, whole),
    }
    if options.what == TUTOR:
        readers["bag_of_words_of_the_answer"] = bag_of_words(train, last)
    figures: list[Figure] = []
    for reader, read in readers.items():
        name = "/".join(part for part in (options.what, options.step, reader) if part)
        figures += on(rows, read([row.conversation for row in rows]), name)
        figures += on(kept_back, read([r.conversation for r in kept_back]), f"{name}/synthetic")[:1]
    if options.judge:
        figures += judged(rows, options)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    shown = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    record(RESULTS, figures, " ".join(["python benchmarks/synthetic_to_real.py", *shown]))
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")


def synthetic(pack: Path, what: str) -> list[tuple[Row, str]]:
    """What the pack has to learn from, and its split: whole exchanges for a tutor, else messages."""
    examples = read_dataset(pack)
    return [
        (Row(e.messages if what == TUTOR else e.prompt, label, e.family or e.id), e.split)
        for e in examples
        if (label := _label(e, what)) is not None
    ]


def _label(example: Example, what: str) -> int | None:
    if what == TUTOR:
        return example.answer_label
    return example.prompt_label if example.answer is None else None


def real(path: Path, what: str) -> list[Row]:
    """Every row of the file that belongs to the policy, all of them for the tutor."""
    if what == TUTOR:
        examples = import_set("labelled", str(path))
        return [Row(e.messages, _label_of_row(e), e.messages[0].content) for e in examples]
    rows = [(row, _fields(row)) for row in read_rows(path)]
    found = [Row(conversation_of(r), int(of["label"]), str(of["rule"])) for r, of in rows if of["policy"] == what]
    return list(dict.fromkeys(found))


def _label_of_row(example: Example) -> int:
    """Of the last turn; where that is empty, the row's label counts as that of what comes before."""
    label = example.prompt_label if example.answer_label is None else example.answer_label
    if label is None:
        raise DataError(f"{example.id}: expected a label, got none")
    return label


def require_both_labels(rows: Sequence[Row], name: str) -> None:
    """Say so before hours of training, and not after."""
    restricted = sum(row.label == 1 for row in rows)
    if not 0 < restricted < len(rows):
        raise SystemExit(f"{name}: expected some of both labels, got {restricted} of {len(rows)} restricted")


def _fields(row: FileRow) -> Mapping[str, Any]:
    fields = cast("Mapping[str, Any]", row.value) if isinstance(row.value, Mapping) else {}
    if missing := {"policy", "label", "rule"} - set(fields):
        raise DataError(f"{row.where}: expected policy, label and rule, got no {', '.join(sorted(missing))}")
    return fields


Read = Callable[[Sequence[Conversation]], list[float]]


def trained(train: Sequence[Row], base: Backbone, epochs: float) -> Read:
    """The readout of the prompt scorer, its template around the whole conversation."""
    found: dict[tuple[int, ...], int] = {}
    for row in train:
        with suppress(ScoringError):  # too long
            found.setdefault(tuple(input_ids(row.conversation, base.tokenizer, MAX_TOKENS)), row.label)
    head = new_head("input", base)
    sequences = [Labelled(ids, label) for ids, label in found.items()]
    print(f"{len(sequences)} sequences, {len(train) - len(sequences)} repeated or too long", file=sys.stderr)
    train_head(head, base, sequences, kind="input", config=TrainingConfig(epochs), checkpoint=None, progress=_say)
    return PromptScorer(base, head).score_many


def bag_of_words(train: Sequence[Row], text: Callable[[Conversation], str]) -> Read:
    """Words, pairs and runs of characters of the same texts under a logistic regression."""
    model = BaselineInput(train_bag_of_words([text(r.conversation) for r in train], [r.label == 1 for r in train]).open)
    return lambda given: [model.score((Message("user", text(one)),)) for one in given]


def whole(conversation: Conversation) -> str:
    """All turns."""
    return "\n".join(message.content for message in conversation)


def last(conversation: Conversation) -> str:
    """The last turn."""
    return conversation[-1].content


def judged(rows: Sequence[Row], options: argparse.Namespace) -> list[Figure]:
    """A chat model's word on a random part of the rows; a reply without a number counts as one half-way."""
    drawn = np.random.default_rng(0).permutation(len(rows))[: options.judged]
    model = CachedModel(
        load_chat_model(options.judge, precision=options.precision), CompletionStore(cache_dir() / "completions.sqlite")
    )
    judge = PromptedJudge(model, Constitution.load(options.constitution))
    scores = judge.score_many([rows[int(at)].conversation for at in drawn])
    mute = int(np.isnan(scores).sum())
    name = f"{options.what}/judge_{model.name.partition('#')[0].rpartition('/')[2]}"
    silent = Figure(
        f"synthetic_to_real/{name}/gave_no_number", mute / len(drawn), *exact(mute, len(drawn)), len(drawn), "share"
    )
    return [*on([rows[int(at)] for at in drawn], np.nan_to_num(scores).tolist(), name), silent]


def on(rows: Sequence[Row], scores: Sequence[float], name: str) -> list[Figure]:
    """AUROC and what is caught at 1% and 5% false positives; intervals over whole clusters."""
    y, z = np.array([row.label == 1 for row in rows]), np.array(scores)
    clusters = [row.cluster for row in rows]
    measures = {"auroc": auroc, "tpr_at_0.01": partial(tpr_at, fpr=0.01), "tpr_at_0.05": partial(tpr_at, fpr=0.05)}
    figures: list[Figure] = []
    for what, measure in measures.items():

        def statistic(at: np.ndarray, measure: Callable[..., tuple[float, int, int]] = measure) -> float | None:
            return float(measure(roc(z[at], y[at]))[0]) if len(set(y[at])) == 2 else None

        value = statistic(np.arange(len(rows)))
        assert value is not None, f"{name}: expected rows of both labels"  # noqa: S101
        found = resampled_clusters(statistic, clusters, rng=np.random.default_rng(0)) or Interval(value, value)
        if what != "auroc" and value in (0.0, 1.0):  # every resample has all of them, or none
            found = exact(round(value * int(y.sum())), int(y.sum()))
        figures.append(Figure(f"synthetic_to_real/{name}/{what}", value, *found, len(rows), "share"))
    return figures


def _say(stage: str, at: int, total: int, loss: float) -> None:
    if at % 20 == 0:
        print(f"  {stage}: {at}/{total}, loss {loss:.3f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
