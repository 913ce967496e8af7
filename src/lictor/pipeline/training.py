"""Train a scorer of a project: what it learns from, how it is cut, who trains it.

In: a project, its data. Out: a head as an artefact, by this process or by several that this one starts. Knows no other
stage.
"""

from collections.abc import Sequence
from pathlib import Path

from lictor.assemble import HeadKind, new_head
from lictor.augment import PlanConfig, augment
from lictor.calibration.curves import log_auroc, roc
from lictor.dataset.store import read_dataset
from lictor.errors import DataError
from lictor.llm.local import Precision, fastest_precision
from lictor.model.backbone import Backbone, Cut
from lictor.model.objective import Labelled, TrainingConfig
from lictor.model.text import input_template
from lictor.model.train import Validation, train_head
from lictor.pipeline.config import Project, TrainingSection
from lictor.pipeline.heads import Learnt, write_head
from lictor.pipeline.launching import launch
from lictor.pipeline.sequences import labelled, shared_budget, within_budget
from lictor.pipeline.standing import Out, Progress, key_of
from lictor.types import Split


def make_scorer(project: Project, data: Path, kind: HeadKind, out: Out, progress: Progress) -> None:
    """Train a scorer and write it as an artefact, in as many processes as the settings say."""
    training = project.config.training
    if training.processes == 1 and training.accelerate is None:
        train_scorer(project, data, kind, out, progress)
    else:
        launch(training, [project.folder, data, kind, out.folder, out.key], project.folder, progress)


def train_scorer(
    project: Project, data: Path, kind: HeadKind, out: Out, progress: Progress, *, writes: bool = True
) -> None:
    """This process's part of it; one of several processes `writes`.

    Raises:
        DataError: There is nothing to learn from, or nothing to measure by where `patience` asks for it.
    """
    config = project.config
    training = config.training
    backbone = Backbone(training.backbone, cut_of(project), precision_of(project))
    sequences = _sequences(project, data, "train", kind, backbone)
    if not sequences:
        raise DataError(f"{data}: no training example for the {kind} scorer; make more answers")
    held = _sequences(project, data, "validation", kind, backbone) if training.patience else []
    head = new_head(kind, backbone)
    checkpoint = out.folder.with_name(out.folder.name + ".checkpoint")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    course = train_head(
        head,
        backbone,
        sequences,
        kind=kind,
        config=schedule_of(training),
        checkpoint=checkpoint,
        progress=progress,
        validation=Validation(held, _log_auroc, training.patience) if training.patience else None,
    )
    if not writes:
        return
    settings = {"training": training.identity, "augment": config.augment.model_dump()}
    learnt, parents = Learnt(sequences, course), {"data": key_of(data)}
    write_head(out.folder, head, kind=kind, key=out.key, learnt=learnt, parents=parents, config=settings)
    checkpoint.unlink(missing_ok=True)


def schedule_of(training: TrainingSection) -> TrainingConfig:
    """How the settings have a head trained."""
    return TrainingConfig(
        epochs=training.epochs,
        batch_tokens=training.batch_tokens,
        accumulate=training.accumulate,
        learning_rate=training.learning_rate,
        lora_rank=training.lora_rank if training.tune == "lora" else 0,
        loss=training.loss,
        seed=training.seed,
    )


def training_settings(project: Project) -> object:
    """What a scorer depends on beside its data."""
    config = project.config
    return [config.augment.model_dump(), config.training.identity, precision_of(project), input_template()]


def precision_of(project: Project) -> Precision:
    """The precision its scorers compute in on this machine."""
    chosen = project.config.training.precision
    return fastest_precision() if chosen == "auto" else chosen


def cut_of(project: Project) -> Cut:
    """Which layers of the backbone stay as they are, and which learn."""
    training = project.config.training
    return Cut(training.frozen, training.top)


def augment_plan(project: Project, *, per_example: int | None = None) -> PlanConfig:
    """How the settings have examples disguised."""
    section = project.config.augment
    return PlanConfig(
        per_example=section.per_example if per_example is None else per_example,
        depth=section.compose,
        hold_out=section.hold_out,
        seed=section.seed,
    )


def _sequences(project: Project, data: Path, split: Split, kind: HeadKind, backbone: Backbone) -> list[Labelled]:
    """The examples of a split, plain and disguised, as a scorer reads them.

    The exchange scorer reads prompts and answers, several beginnings of each: plain ones alone would use its budget up,
    and it would never meet a disguise. So it has the budget of both, half of it for disguised copies.
    """
    training = project.config.training
    examples = [e for e in read_dataset(data) if e.split == split]
    disguised = augment(examples, augment_plan(project))
    pools = (examples, disguised)
    read = [labelled(pool, kind, backbone, training.max_tokens, seed=training.seed) for pool in pools]
    if kind == "exchange":
        return shared_budget(*read, budget_tokens=2 * training.budget_tokens)
    return within_budget(*read, budget_tokens=training.budget_tokens)


def _log_auroc(scores: Sequence[float], labels: Sequence[int]) -> float:
    return log_auroc(roc(scores, labels)).value
