"""`probe`: a guard whose stream scorer reads the protected model's own activations.

In: a project whose guard is made, and the model it is to protect. Out: `PROJECT/probe/`, a guard folder like any other:
the project's prompt scorer, a probe in place of its stream scorer, thresholds fitted anew. Stages that stand are left
alone. Served in front of the same model, the probe reads the pass that writes the answer; anywhere else the model reads
along.

Cites: CC2 section 5 (linear probes on the activations of all layers of the protected model).
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

from lictor.artifacts import Manifest, alone_in, read_manifest, write_artifact
from lictor.assemble import HeadKind, ProbeAbout, load_probed, read_policy, save_guard
from lictor.augment import PlanConfig, augment
from lictor.dataset.store import read_dataset
from lictor.guard.tokens import encode
from lictor.llm.local import LocalModel, Precision, compute_dtype, shared_model
from lictor.model.backbone import Cut
from lictor.model.probing import AnswerReader
from lictor.model.text import SegmentTokenizer, input_template
from lictor.model.train_probe import READ_WINDOW, Answered, ProbeConfig, train_probe
from lictor.pipeline.card import guard_card
from lictor.pipeline.config import Project
from lictor.pipeline.data import named_rules
from lictor.pipeline.heads import HEAD
from lictor.pipeline.sequences import shared_budget
from lictor.pipeline.stages import (
    Inputs,
    head_kinds,
    make_policy,
    make_traces,
    policy_settings,
    read_inputs,
    stands,
    trace_settings,
)
from lictor.pipeline.standing import Out, Progress, StageName, StageReport, is_made, key_of, make_stage, stage_key
from lictor.pipeline.training import augment_plan, cut_of, precision_of
from lictor.types import Conversation, Example

STRANGERS = 0.3
"""Share of answers that follow another conversation's prompt: the answer's own text is to count, not what was asked."""
WEIGHTS = "probe.safetensors"


@dataclass(frozen=True)
class ProbeSettings:
    """Which model, what of it, and how much is learnt from."""

    model: str
    precision: Precision = "auto"
    layers: tuple[int, ...] = ()
    """Counted from 1; none: all."""
    budget_tokens: int = 60_000
    """Most answer tokens, half of them of disguised copies: plain answers alone would use it up."""
    memory_bytes: int = 6_000_000_000
    """Most memory that activations take while it is trained; where they would take more, fewer tokens."""
    training: ProbeConfig = field(default_factory=ProbeConfig)


class _Made(NamedTuple):
    """What the probe's stages rest on."""

    inputs: Inputs
    folders: Mapping[StageName, Path]
    reader: AnswerReader
    settings: ProbeSettings

    @property
    def about(self) -> ProbeAbout:
        """What a guard folder keeps of it."""
        asked = self.settings.precision
        here: Precision = "bf16" if compute_dtype("auto") == torch.bfloat16 else "fp32"
        precision = here if asked == "auto" else asked
        return ProbeAbout(model=self.settings.model, precision=precision, layers=self.reader.layers)


def probe_folder(project: Project) -> Path:
    """Where the guard with the probe stands."""
    return project.folder / "probe"


def make_probe(project: Project, settings: ProbeSettings, progress: Progress) -> list[StageReport]:
    """Bring the project's guard with a probe on `settings.model` up to date.

    Raises:
        UsageError: The project is not up to date itself.
        ModelNotFoundError: The model is not on this machine.
        LictorError: A stage failed, or another process runs the project.
    """
    folders = stands(project)
    model = shared_model(settings.model, settings.precision)
    layers = settings.layers or tuple(range(1, int(model.lm.config.num_hidden_layers) + 1))
    made = _Made(read_inputs(project), folders, AnswerReader(model, layers), settings)
    with alone_in(project.runs):
        return _make(project, made, progress)


def _make(project: Project, made: _Made, progress: Progress) -> list[StageReport]:
    reports: list[StageReport] = []
    data, about = made.folders["data"], made.about
    learnt_from = [key_of(data), about.model_dump(), project.config.augment.model_dump()]
    sizes = made.settings.budget_tokens, made.settings.memory_bytes
    key = stage_key("probe", *learnt_from, *sizes, asdict(made.settings.training))
    probe = make_stage(reports, project, "probe", key, lambda f, k: _train(made, Out(f, k), progress))
    heads: dict[HeadKind, Path] = {kind: made.folders[kind] for kind in head_kinds(project) if kind != "stream"}
    key = stage_key("traces", "probe", key, *map(key_of, heads.values()), *trace_settings(project))
    files: dict[HeadKind, Path] = {**{kind: folder / HEAD for kind, folder in heads.items()}, "stream": probe / WEIGHTS}
    traces = make_stage(reports, project, "traces", key, lambda f, k: _trace(made, files, Out(f, k), progress))
    key = stage_key("policy", key, policy_settings(project))
    policy = make_stage(reports, project, "policy", key, lambda f, k: make_policy(project, traces, Out(f, k)))
    started = time.monotonic()
    key = stage_key("guard", key_of(policy), made.inputs.constitution_text, input_template())
    is_new = not is_made(probe_folder(project), key)
    if is_new:
        _save(made, files, policy, {**heads, "probe": probe}, key)
    reports.append(StageReport("guard", probe_folder(project), is_new, time.monotonic() - started))
    return reports


def _train(made: _Made, out: Out, progress: Progress) -> Manifest:
    examples = read_dataset(made.folders["data"])
    project, settings, reader = made.inputs.project, made.settings, made.reader
    texts = Texts(reader.model, project.config.training.max_tokens, random.Random(settings.training.seed))
    token_bytes = 2 * len(reader.layers) * reader.hidden_size
    budget = min(settings.budget_tokens, settings.memory_bytes // token_bytes)
    training, validation = (
        texts.plain_and_disguised([e for e in examples if e.split == split], augment_plan(project), budget // share)
        for split, share in (("train", 1), ("validation", 2))
    )
    trained = train_probe(reader, training, validation, settings.training, progress)

    def fill(staging: Path) -> Mapping[str, object]:
        (staging / WEIGHTS).write_bytes(trained.probe.to_bytes())
        tokens = sum(len(answer.token_ids) for answer in training)
        name = reader.model.name
        return {"model": name, "sequences": len(training), "tokens": tokens, "validation_auroc": trained.auroc}

    parents = {"data": key_of(made.folders["data"])}
    config = {"about": made.about.model_dump(), "training": asdict(settings.training)}
    return write_artifact(out.folder, fill, kind="probe-scorer", key=out.key, parents=parents, config=config)


class Texts(NamedTuple):
    """How examples become answers in conversations."""

    model: LocalModel
    max_tokens: int
    rng: random.Random

    def plain_and_disguised(self, examples: Sequence[Example], plan: PlanConfig, budget_tokens: int) -> list[Answered]:
        """Their answers and those of disguised copies, as many tokens of both."""
        return shared_budget(
            self.answered(examples), self.answered(augment(examples, plan)), budget_tokens=budget_tokens
        )

    def answered(self, examples: Sequence[Example]) -> list[Answered]:
        """Every labelled answer after its prompt, some after another's; conversations too long are left out."""
        tokenizer = SegmentTokenizer(self.model.tokenizer)
        whole = [e for e in examples if e.answer and e.answer_label is not None]
        found: list[Answered] = []
        for example in whole:
            prompt = self.rng.choice(whole).prompt if self.rng.random() < STRANGERS else example.prompt
            ids = [token.id for token in encode(tokenizer, example.answer or "")][: self.max_tokens]
            if len(ids) > 1 and self._fits(prompt):
                found.append(Answered(prompt, ids, example.answer_label or 0))
        return found

    def _fits(self, prompt: Conversation) -> bool:
        return len(self.model.prompt_ids(prompt)) <= 4 * self.max_tokens


def _trace(made: _Made, files: Mapping[HeadKind, Path], out: Out, progress: Progress) -> Manifest:
    parents = {"probe" if kind == "stream" else kind: key_of(file.parent) for kind, file in files.items()}
    scorers = load_probed(*_backbone(made.inputs.project, files), window=READ_WINDOW, probe=made.about)
    return make_traces(made.inputs, made.folders["data"], scorers, out, progress, parents=parents)


def _backbone(project: Project, files: Mapping[HeadKind, Path]) -> tuple[str, Cut, Mapping[HeadKind, Path], Precision]:
    training = project.config.training
    return training.backbone, cut_of(project), files, precision_of(project)


def _save(made: _Made, files: Mapping[HeadKind, Path], policy: Path, learnt: Mapping[str, Path], key: str) -> None:
    project, inputs = made.inputs.project, made.inputs
    reference, cut, heads, precision = _backbone(project, files)
    save_guard(
        probe_folder(project),
        reference=reference,
        cut=cut,
        precision=precision,
        window=READ_WINDOW,
        heads=heads,
        policy=read_policy(policy / "policy.json"),
        constitution_text=inputs.constitution_text,
        card=guard_card(
            inputs.constitution, read_manifest(policy).notes, {k: read_manifest(f) for k, f in learnt.items()}
        ),
        key=key,
        namer=named_rules(made.folders["data"], inputs.constitution),
        parents={"policy": key_of(policy), **{kind: key_of(folder) for kind, folder in learnt.items()}},
        probe=made.about,
    )
