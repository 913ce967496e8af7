"""Train a head on cached trunk activations, with progress, checkpoints, exact resume and an early end.

In: a head, token sequences with labels, a configuration. Out: the head trained in place, and how its loss and score
went. The trunk reads every sequence once; epochs then cost only the layers above it. `accelerate` spreads the work over
as many processes as were started. Knows no text and no file layout beyond the checkpoint it is given.

Cites: CC1 section 3.4 (losses), CC2 section 5 (activations read once serve many trainings).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

import torch
from accelerate import Accelerator, DistributedType
from torch import Tensor

from lictor.artifacts import fingerprint
from lictor.errors import DataError
from lictor.model import checkpoint as files
from lictor.model.adapters import add_adapters, merge_adapters
from lictor.model.backbone import Backbone, batches_by_length
from lictor.model.heads import Head, HeadKind
from lictor.model.objective import Labelled, Objective, TrainingConfig

Progress = Callable[[str, int, int, float], None]
"""Called with a stage's name, steps done, steps in all, and the loss of late."""

CHECKPOINT_EVERY = 60
"""Steps between checkpoints."""


@dataclass(frozen=True)
class Validation:
    """What decides when training ends early."""

    examples: Sequence[Labelled]
    measure: Callable[[Sequence[float], Sequence[int]], float]
    """Of scores and labels; higher is better."""
    patience: int
    """Epochs without a better measure after which training ends; the best epoch's weights are kept."""


@dataclass(frozen=True)
class Course:
    """How a training went."""

    losses: list[float] = field(default_factory=list[float])
    """Of every step."""
    measured: list[float] = field(default_factory=list[float])
    """What validation said after every epoch."""


def train_head(
    head: Head,
    backbone: Backbone,
    examples: Sequence[Labelled],
    *,
    kind: HeadKind,
    config: TrainingConfig,
    checkpoint: Path | None,
    progress: Progress,
    validation: Validation | None = None,
) -> Course:
    """Train `head` in place; returns how it went.

    A checkpoint that belongs to the same examples and configuration is taken up where it ended, bit for bit. Where
    several processes were started, each must call this alike; only the first then holds the trained weights in `head`.

    Raises:
        DataError: One side has no example, or the batches of a step cannot be shared out among the processes.
    """
    _check(examples, f"{kind} scorer")
    if validation:
        _check(validation.examples, f"{kind} scorer's validation")
    objective = Objective(_adapted(head, config), kind, config, backbone.unembed.weight)
    training = _Training(objective, examples, config, validation, checkpoint)

    def tell(what: str, at: int, total: int, loss: float) -> None:
        progress(f"{kind} scorer{what}", at, total, loss)

    if not training.is_over:
        training.run(backbone, tell)
    training.settle(head, backbone)
    return training.course


class _Training:
    """One training on its way: a model, what it learns from, and where it stands."""

    def __init__(
        self,
        objective: Objective,
        examples: Sequence[Labelled],
        config: TrainingConfig,
        validation: Validation | None,
        checkpoint: Path | None,
    ) -> None:
        self.course = Course()
        self._examples, self._config, self._validation = examples, config, validation
        self._checkpoint, self._key = checkpoint, fingerprint(_identity(objective.kind, examples, config, validation))
        self._accelerator = Accelerator(cpu=objective.device.type == "cpu", mixed_precision="no")
        self._plan = _plan(examples, config, self._accelerator.num_processes)
        optimizer = _optimizer(objective.head, config)
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._model, self._optimizer = self._accelerator.prepare(objective, optimizer)
        self._best: dict[str, Tensor] = {}
        if kept := files.load(checkpoint, self._key):
            self.course = Course(list(kept["losses"]), list(kept["measured"]))
            self._best = dict(kept["best"])
            files.restore(self._model, self._optimizer.optimizer, kept)

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or validation has long been at its best."""
        done, measured = len(self.course.losses), self.course.measured
        is_best_past = self._validation and measured and len(measured) > self._validation.patience + _place(measured)
        return done == len(self._plan.steps) or bool(is_best_past)

    def run(self, backbone: Backbone, progress: Progress) -> None:
        """Train to the end."""
        losses, total = self.course.losses, len(self._plan.steps)
        rank = self._accelerator.process_index
        hidden = _read(backbone, self._examples, self._plan.read_by(rank, self._accelerator.num_processes), progress)
        held = _read(backbone, self._validation.examples, None, progress) if self._validation else {}
        self._model.train()
        with torch.random.fork_rng([backbone.device] if backbone.device.type == "cuda" else []):
            while not self.is_over:
                self._step(hidden)
                at = len(losses)
                progress("", at, total, sum(losses[-20:]) / len(losses[-20:]))
                if self._validation and (at % self._plan.epoch == 0 or at == total):
                    self._measure(self._validation, held)
                if self._checkpoint and at % CHECKPOINT_EVERY == 0:
                    self._save(self._checkpoint)

    def settle(self, head: Head, backbone: Backbone) -> None:
        """Put the weights to keep into `head`, in the first process, its adapters merged."""
        kept = self._best if self._validation else files.weights(self._model)
        if self._accelerator.is_main_process:
            whole = head
            if self._accelerator.distributed_type == DistributedType.FSDP:  # the first process has but a part of it
                whole = _adapted(Head(backbone.fresh_top(), torch.zeros(backbone.hidden_size)), self._config)
            whole.load_state_dict({name.removeprefix("head."): t for name, t in kept.items()})
            merge_adapters(whole)
            head.top, head.value = whole.top, whole.value
        head.eval()

    def _step(self, hidden: Mapping[int, Tensor]) -> None:
        at, steps, config = len(self.course.losses), self._plan.steps, self._config
        numbered = list(enumerate(steps[at], at * config.accumulate))
        own = numbered[self._accelerator.process_index :: self._accelerator.num_processes]
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * _rate(at, len(steps), config.warmup)
        self._optimizer.zero_grad()
        told: list[Tensor] = []
        for number, batch in own:
            is_last = number == own[-1][0]
            with nullcontext() if is_last else self._accelerator.no_sync(self._model):
                torch.manual_seed(config.seed * 1_000_003 + number)  # dropout is the batch's, whoever takes it
                read = [hidden[i] for i in batch]
                loss = self._model(read, [self._examples[i] for i in batch], at / len(steps), number) / len(own)
                self._accelerator.backward(loss)
            told.append(loss.detach())
        self._accelerator.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self.course.losses.append(float(cast("Tensor", self._accelerator.reduce(sum(told), "mean"))))

    @torch.no_grad()
    def _measure(self, validation: Validation, held: Mapping[int, Tensor]) -> None:
        """Every process scores all: the weights are sharded, or equal to the bit."""
        self._model.eval()
        scores = [0.0] * len(held)
        for batch in batches_by_length([len(held[i]) for i in range(len(held))], self._config.batch_tokens):
            found = self._model([held[i] for i in batch], [validation.examples[i] for i in batch], 1.0, 0).tolist()
            for i, score in zip(batch, found, strict=True):
                scores[i] = score
        self._model.train()
        self.course.measured.append(validation.measure(scores, [e.label for e in validation.examples]))
        if _place(self.course.measured) == len(self.course.measured) - 1:
            self._best = files.weights(self._model)

    def _save(self, path: Path) -> None:
        state = files.state(self._model, self._optimizer.optimizer)
        if self._accelerator.is_main_process:
            files.save(path, {"key": self._key, **asdict(self.course), "best": self._best, **state})


class _Plan(NamedTuple):
    """Which batches make each step, one from every lane; lanes are dealt to processes."""

    lanes: list[list[list[int]]]
    steps: list[list[list[int]]]
    epoch: int
    """Steps that read everything once."""

    def read_by(self, rank: int, processes: int) -> list[int]:
        """Which examples a process needs."""
        return sorted(i for lane in self.lanes[rank::processes] for batch in lane for i in batch)


def _plan(examples: Sequence[Labelled], config: TrainingConfig, processes: int) -> _Plan:
    """The batches of every step: of like length, in random order, for `epochs` epochs; the same for any processes."""
    rng = torch.Generator().manual_seed(config.seed)
    whole, width = batches_by_length([len(e.token_ids) for e in examples], config.batch_tokens), config.accumulate
    if width % processes or width > len(whole):
        raise DataError(
            f"accumulate: expected a multiple of the {processes} processes and at most the {len(whole)} batches there "
            f"are, got {width}; set training.accumulate"
        )
    lanes = [whole[at::width] for at in range(width)]
    count = max(1, round(config.epochs * len(whole) / width))
    drawn = [_draw(lane, count, rng) for lane in lanes]
    return _Plan(lanes, [list(step) for step in zip(*drawn, strict=True)], -(-len(whole) // width))


def _draw(lane: list[list[int]], count: int, rng: torch.Generator) -> list[list[int]]:
    """`count` batches of a lane, all in random order before any comes again."""
    drawn: list[list[int]] = []
    while len(drawn) < count:
        drawn += [lane[i] for i in torch.randperm(len(lane), generator=rng).tolist()]
    return drawn[:count]


def _adapted(head: Head, config: TrainingConfig) -> Head:
    if config.lora_rank:
        add_adapters(head, config.lora_rank, config.seed)
    return head


def _optimizer(head: Head, config: TrainingConfig) -> torch.optim.Optimizer:
    learning = [p for p in head.top.parameters() if p.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": learning, "lr": config.learning_rate},
            {"params": list(head.value.parameters()), "lr": config.head_learning_rate},
        ],
        weight_decay=config.weight_decay,
    )


def _rate(at: int, steps: int, warmup: float) -> float:
    """Linear rise, then linear fall to a tenth."""
    rise = max(1, round(steps * warmup))
    return (at + 1) / rise if at < rise else 1 - 0.9 * (at - rise) / max(1, steps - rise)


def _read(
    backbone: Backbone, examples: Sequence[Labelled], which: Sequence[int] | None, progress: Progress
) -> dict[int, Tensor]:
    """Trunk activations of some examples (all if None), by place."""
    places = range(len(examples)) if which is None else which

    def tell(done: int) -> None:
        progress(": reading", done, len(places), float("nan"))

    return dict(zip(places, backbone.activations([examples[i].token_ids for i in places], on_read=tell), strict=True))


def _place(measured: Sequence[float]) -> int:
    """Of the best, the first where several are."""
    return measured.index(max(measured))


def _check(examples: Sequence[Labelled], what: str) -> None:
    if {e.label for e in examples} != {0, 1}:
        raise DataError(f"training the {what}: expected examples of both labels, got {len(examples)} of one")


def _identity(
    kind: HeadKind, examples: Sequence[Labelled], config: TrainingConfig, validation: Validation | None
) -> list[object]:
    """All that decides which weights come out."""
    held = [[(list(e.token_ids), e.label) for e in validation.examples], validation.patience] if validation else []
    return [kind, asdict(config), [(list(e.token_ids), e.label) for e in examples], held]
