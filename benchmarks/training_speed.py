"""Measure how fast a head is trained, against the stock Trainer of transformers with the same layers.

In: nothing but the starter's data and a backbone. Out: figures in docs/results.json: examples per second of both ways,
paired in turn, and their ratio. Both train the same layers of the same model in the same precision on the same
sequences for the same epochs, with the same optimizer; reading the frozen layers once is part of Lictor's time. The
stock way is what a user writes: frozen parameters, a classification head, `Trainer`; with its batches drawn at random,
as they are by default, and grouped by length.

    python benchmarks/training_speed.py --examples 400 --rounds 3
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from transformers.trainer import Trainer
from transformers.training_args import TrainingArguments

from lictor.assemble import HeadKind, new_head
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.model.backbone import Backbone, Cut, batches_by_length, pad_right
from lictor.model.heads import Head
from lictor.model.losses import readout_loss, stream_loss
from lictor.model.objective import Labelled, TrainingConfig
from lictor.model.train import train_head
from lictor.pipeline.config import TrainingSection
from lictor.pipeline.sequences import labelled, within_budget
from lictor.starter.folders import resolve

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"
Sampling = Literal["random", "group_by_length"]
SAMPLINGS: tuple[Sampling, ...] = ("random", "group_by_length")
DEFAULTS = TrainingSection()


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--backbone", default=DEFAULTS.backbone)
    parser.add_argument("--trunk", type=int, default=DEFAULTS.trunk)
    parser.add_argument("--top", type=int, default=DEFAULTS.top)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--kind", choices=["input", "stream"], default="input")
    parser.add_argument("--examples", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="times every way is run")
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    backbone = Backbone(options.backbone, Cut(options.trunk, options.top), options.precision)
    sequences = starter_sequences(options.kind, backbone, options.examples)
    config = TrainingConfig(epochs=options.epochs, next_token_weight=0.0)
    ways: Mapping[str, Callable[[], object]] = {
        "lictor": lambda: train_lictor(options.kind, backbone, sequences, config),
        **{way: lambda way=way: train_stock(options.kind, backbone, sequences, config, way) for way in SAMPLINGS},
    }
    found = figures(timed(ways, options.rounds), len(sequences) * options.epochs, options.kind)
    if options.json:
        print(json.dumps([asdict(figure) for figure in found]))
        return
    record(RESULTS, found, command=f"python benchmarks/training_speed.py {' '.join(sys.argv[1:])}".rstrip())
    for figure in found:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}) {figure.unit}, n {figure.n}")


def starter_sequences(kind: HeadKind, backbone: Backbone, count: int) -> list[Labelled]:
    """So many sequences of the worked example's training data."""
    examples = [e for e in read_dataset(resolve("starter:emberglass/pack", Path())) if e.split == "train"]
    read = labelled(examples, kind, backbone, DEFAULTS.max_tokens, seed=DEFAULTS.seed)
    return within_budget(read, budget_tokens=DEFAULTS.budget_tokens)[:count]


def train_lictor(kind: HeadKind, backbone: Backbone, sequences: Sequence[Labelled], config: TrainingConfig) -> None:
    """As `lictor run` does."""
    head = new_head(kind, backbone)
    train_head(head, backbone, sequences, kind=kind, config=config, checkpoint=None, progress=_say_nothing)


def _say_nothing(stage: str, at: int, total: int, loss: float) -> None:
    pass


class Stock(nn.Module):
    """The same layers and the same loss as one classifier, its lower layers frozen."""

    def __init__(self, kind: HeadKind, backbone: Backbone, config: TrainingConfig) -> None:
        super().__init__()
        self.embed, self.trunk = backbone.embed, backbone.trunk
        self.head: Head = new_head(kind, backbone)
        self._kind: HeadKind = kind
        self._config = config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The loss of a batch."""
        hidden = self.trunk(self.embed(input_ids), attention_mask)
        final = self.head.layers(hidden.float(), attention_mask)
        if self._kind == "input":
            last = final[torch.arange(len(final)), attention_mask.sum(-1) - 1]
            return {"loss": readout_loss(self.head.read(last), labels, self._config.label_smoothing)}
        logits = self.head.read(final)
        return {"loss": stream_loss(self._config.loss, logits, labels, attention_mask, progress=0.5)}


def train_stock(
    kind: HeadKind, backbone: Backbone, sequences: Sequence[Labelled], config: TrainingConfig, sampling: Sampling
) -> None:
    """As a user of transformers does: rows, a collator, `Trainer`."""
    batches = batches_by_length([len(s.token_ids) for s in sequences], config.batch_tokens)
    rows = [{"input_ids": list(s.token_ids), "labels": s.label} for s in sequences]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=round(len(sequences) / len(batches)),
            num_train_epochs=config.epochs,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            train_sampling_strategy=sampling,
            bf16=backbone.unembed.weight.dtype == torch.bfloat16,
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        model = Stock(kind, backbone, config)
        with redirect_stdout(sys.stderr):  # it prints how it went
            Trainer(model=model, args=arguments, train_dataset=cast("Any", rows), data_collator=_collate).train()


def _collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    ids, mask = pad_right([row["input_ids"] for row in rows])
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([row["labels"] for row in rows])}


def timed(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every way in every round; which goes first changes from round to round."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for at in range(rounds):
        for name in names[at % len(names) :] + names[: at % len(names)]:
            started = time.perf_counter()
            ways[name]()
            spent[name].append(time.perf_counter() - started)
            print(f"  round {at + 1}, {name}: {spent[name][-1]:.1f} s", file=sys.stderr)
    return spent


def figures(spent: Mapping[str, Sequence[float]], examples: int, kind: str) -> list[Figure]:
    """Examples per second, and the ratios over rounds."""
    own = np.asarray(spent["lictor"])
    found = [_mean(f"training/{kind}/{way}/speed", examples / np.asarray(s), "examples/s") for way, s in spent.items()]
    for way in SAMPLINGS:
        found.append(_mean(f"training/{kind}/lictor_over_{way}", np.asarray(spent[way]) / own, "ratio"))
    return found


def _mean(name: str, values: np.ndarray, unit: str) -> Figure:
    """The mean of some values with Student's interval, which few rounds need; none to speak of where there is one."""
    mean = float(values.mean())
    half = float(stats.t.ppf(0.975, values.size - 1) * stats.sem(values)) if values.size > 1 else 0.0
    return Figure(name, mean, mean - half, mean + half, values.size, unit)


if __name__ == "__main__":
    main()
