"""`run`: data, two or three scorers, thresholds, guard; each kept under the fingerprint of what it depends on.

In: a project folder. Out: `runs/<stage>-<fingerprint>/` and `guard/`. A stage whose fingerprint stands is not run
again, so a second run does nothing and an edited rule redoes only what depends on it.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lictor.artifacts import Manifest, alone_in, read_manifest, write_artifact
from lictor.assemble import HeadKind, Scorers, load_scorers, read_policy, save_guard
from lictor.calibration.cascade import CascadeReport
from lictor.calibration.thresholds import fit
from lictor.calibration.traces import Trace
from lictor.constitution import Constitution
from lictor.dataset.audit import audit
from lictor.dataset.holdout import HoldOut
from lictor.dataset.limits import ESSENTIAL, gate
from lictor.dataset.store import read_dataset, write_dataset
from lictor.errors import DataError, UsageError
from lictor.evaluation.plots import draw_scores
from lictor.guard.guard import Guard
from lictor.guard.views import VIEWS
from lictor.llm.weights import locate
from lictor.model.losses import inference_window
from lictor.pipeline.card import guard_card
from lictor.pipeline.cascading import CASCADE, fit_on, read_cascade
from lictor.pipeline.config import Project
from lictor.pipeline.data import gather, keep_out, named_rules, split_and_join, with_finds
from lictor.pipeline.heads import HEAD
from lictor.pipeline.held_out import held_out_items
from lictor.pipeline.models import IDENTITY
from lictor.pipeline.pools import check_pools, pools_key, read_pools
from lictor.pipeline.scoring import trace_all
from lictor.pipeline.standing import (
    SYNTHESIS,
    Out,
    Progress,
    StageName,
    StageReport,
    is_made,
    key_of,
    make_stage,
    stage_key,
)
from lictor.pipeline.traces import read_traces, write_traces
from lictor.pipeline.training import augment_plan, cut_of, make_scorer, precision_of, training_settings
from lictor.starter.folders import resolve
from lictor.synthesis.material import Material, load_material
from lictor.types import Bucket, Policy, Split

TRACES = "traces.jsonl"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run starts from, read once."""

    project: Project
    constitution: Constitution
    constitution_text: str
    material: Material
    pack: Path | None

    @property
    def buckets(self) -> dict[str, Bucket]:
        """Bucket of every rule, by id."""
        return {rule.id: rule.bucket for rule in self.constitution.rules}


def read_inputs(project: Project) -> Inputs:
    """The files a project names.

    Raises:
        ConstitutionError: The constitution cannot be read.
        ConfigError: A folder or file it names is not there.
    """
    config, path = project.config, project.folder / project.config.constitution
    check_pools(project)
    return Inputs(
        project=project,
        constitution=Constitution.load(path),
        constitution_text=path.read_text(encoding="utf-8"),
        material=load_material(resolve(config.knowledge, project.folder) if config.knowledge else None),
        pack=resolve(config.pack, project.folder) if config.pack else None,
    )


def run(project: Project, progress: Progress) -> list[StageReport]:
    """Bring `project` up to date; what stands already is left alone.

    Raises:
        LictorError: A stage failed, the data did not pass the audit, or another process runs the project; what was
            finished before is kept.
    """
    inputs = read_inputs(project)
    locate(project.config.training.backbone)  # before hours of data: a name mistyped is told at once
    with alone_in(project.runs):
        return _run(inputs, progress)


def _run(inputs: Inputs, progress: Progress) -> list[StageReport]:
    project = inputs.project
    reports: list[StageReport] = []
    data = make_stage(reports, project, "data", _data_key(inputs), lambda f, k: _make_data(inputs, f, k, progress))
    heads: dict[HeadKind, Path] = {}
    for kind in head_kinds(project):
        key = stage_key(kind, key_of(data), training_settings(project))
        heads[kind] = make_stage(
            reports, project, kind, key, lambda f, k, kind=kind: make_scorer(project, data, kind, Out(f, k), progress)
        )
    key = stage_key("traces", *map(key_of, heads.values()), *trace_settings(project))
    traces = make_stage(
        reports, project, "traces", key, lambda f, k: _make_traces(inputs, data, heads, Out(f, k), progress)
    )
    key = stage_key("policy", key, policy_settings(project))
    policy = make_stage(reports, project, "policy", key, lambda f, k: make_policy(project, traces, Out(f, k)))
    started = time.monotonic()
    key = stage_key("guard", key_of(policy), inputs.constitution_text)
    is_new = not is_made(project.guard, key)
    if is_new:
        _make_guard(inputs, data, heads, policy, key)
    reports.append(StageReport("guard", project.guard, is_new, time.monotonic() - started))
    return reports


def plan(project: Project) -> list[StageReport]:
    """Which stages `run` would make; once one is made, all after it are too."""
    inputs = read_inputs(project)
    data = project.runs / f"data-{_data_key(inputs)}"
    reports: list[StageReport] = []
    if not is_made(data, _data_key(inputs)):
        stages: list[StageName] = ["data", *head_kinds(project), "traces", "policy", "guard"]
        return [StageReport(stage, project.runs, is_new=True, seconds=0.0) for stage in stages]
    reports.append(StageReport("data", data, is_new=False, seconds=0.0))
    keys: list[str] = []
    for kind in head_kinds(project):
        keys.append(stage_key(kind, key_of(data), training_settings(project)))
        folder = project.runs / f"{kind}-{keys[-1]}"
        reports.append(StageReport(kind, folder, is_new=not is_made(folder, keys[-1]), seconds=0.0))
    key = stage_key("traces", *keys, *trace_settings(project))
    for stage in ("traces", "policy"):
        folder = project.runs / f"{stage}-{key}"
        is_new = any(r.is_new for r in reports) or not is_made(folder, key)
        reports.append(StageReport(stage, folder, is_new=is_new, seconds=0.0))
        key = stage_key("policy", key, policy_settings(project)) if stage == "traces" else key
    key = stage_key("guard", key, inputs.constitution_text)
    return [*reports, StageReport("guard", project.guard, is_new=not is_made(project.guard, key), seconds=0.0)]


def stands(project: Project) -> dict[StageName, Path]:
    """The folder of every stage of a project that is up to date.

    Raises:
        UsageError: It is not.
    """
    reports = plan(project)
    if any(report.is_new for report in reports):
        raise UsageError(f"{project.folder}: expected a project that is up to date; run `lictor run` first")
    return {report.stage: report.folder for report in reports}


def _data_key(inputs: Inputs) -> str:
    config = inputs.project.config
    packed = key_of(inputs.pack) if inputs.pack else None
    held = [] if _hold_out(inputs.project).is_empty else [config.hold_out.model_dump()]
    parts = [inputs.constitution.fingerprint, dict(inputs.material.files), packed, *held]
    finds = [key_of(folder) for folder in _attack_folders(inputs.project)]
    generator = config.generator.model_dump(include=IDENTITY)
    made = [] if inputs.pack else [{"synthesis": SYNTHESIS}]
    return stage_key("data", *parts, generator, config.synthesis.identity(), *finds, *made)


def _attack_folders(project: Project) -> list[Path]:
    return [project.folder / folder for folder in project.config.attacks]


def head_kinds(project: Project) -> tuple[HeadKind, ...]:
    """The scorers that the project trains."""
    return ("input", "stream", "exchange") if project.config.training.exchange else ("input", "stream")


def trace_settings(project: Project) -> list[object]:
    """What scores depend on beside the scorers, and which conversations are scored."""
    section = project.config.policy
    unreadable = ["unreadable"] if section.unreadable == "block" else []
    cascade = [section.compute] if project.config.training.exchange else []
    return [section.debounce, pools_key(project), list(VIEWS), *unreadable, *cascade]


def policy_settings(project: Project) -> dict[str, object]:
    """What thresholds depend on beside the scores."""
    return project.config.policy.model_dump(exclude={"compute"})


def _make_data(inputs: Inputs, folder: Path, key: str, progress: Progress) -> Manifest:
    project = inputs.project
    made = gather(
        project, inputs.constitution, inputs.material, inputs.pack, lambda s, at, n: progress(s, at, n, float("nan"))
    )
    examples, synthesis, what = made.examples, project.config.synthesis, _hold_out(project)
    if not made.is_packed:
        examples = split_and_join(examples, several_turns=synthesis.several_turns, seed=synthesis.seed)
        if reasons := gate(audit(examples, inputs.constitution), ESSENTIAL):
            raise DataError("the data did not pass the audit:\n  " + "\n  ".join(reasons))
    examples = with_finds(examples, _attack_folders(project), inputs.constitution)
    if not what.is_empty:
        examples = keep_out(examples, what, several_turns=synthesis.several_turns, seed=synthesis.seed)
    parents = {"pack": key_of(inputs.pack)} if inputs.pack else {}
    return write_dataset(
        folder,
        examples,
        key=key,
        parents=parents,
        config={"rules": {rule.id: rule.fingerprint for rule in inputs.constitution.rules}},
        seed=project.config.synthesis.seed,
        notes={"synthesis": dict(made.report.counts)},
    )


def _make_traces(inputs: Inputs, data: Path, heads: Mapping[HeadKind, Path], out: Out, progress: Progress) -> Manifest:
    parents = {kind: key_of(path) for kind, path in heads.items()}
    return make_traces(inputs, data, scorers_of(inputs.project, heads), out, progress, parents=parents)


def make_traces(
    inputs: Inputs, data: Path, scorers: Scorers, out: Out, progress: Progress, *, parents: Mapping[str, str]
) -> Manifest:
    """Score what thresholds are fitted on, and write it as an artefact."""
    project = inputs.project
    debounce, unreadable = project.config.policy.debounce, project.config.policy.unreadable
    items = held_out_items(
        read_dataset(data),
        read_pools(project),
        inputs.buckets,
        augment_plan(project, per_example=1),
    )
    fitted = None
    if scorers.exchange:
        progress("calibration: cascade", 0, 1, float("nan"))
        fitted = fit_on(scorers, items["validation"], debounce=debounce, compute=project.config.policy.compute)
    cascade = fitted.cascade if fitted else None
    policy = Policy(0.0, 0.0, debounce=debounce, cascade=cascade, unreadable=unreadable)
    guard = Guard(scorers.prompt, scorers.answer, policy, exchange_scorer=scorers.exchange)
    traces: dict[Split, list[Trace]] = {}
    for at, split in enumerate(items):
        progress("calibration: scoring", at, len(items), float("nan"))
        traces[split] = trace_all(guard, items[split])

    def fill(staging: Path) -> None:
        write_traces(staging / TRACES, traces)
        if picture := draw_scores(traces["validation"]):
            (staging / "scores.svg").write_text(picture, encoding="utf-8")
        if fitted:
            (staging / CASCADE).write_text(json.dumps(asdict(fitted), indent=2) + "\n", encoding="utf-8")

    return write_artifact(
        out.folder,
        fill,
        kind="traces",
        key=out.key,
        parents=parents,
        config={"debounce": debounce, "unreadable": unreadable},
    )


def policy_template(project: Project, cascade: CascadeReport | None = None) -> Policy:
    """A policy that behaves as the settings say and escalates as was fitted; its thresholds are not yet."""
    section = project.config.policy
    return Policy(
        0.0,
        0.0,
        section.stride,
        section.warmup,
        hold_back=section.hold_back,
        debounce=section.debounce,
        on_error=section.on_error,
        unreadable=section.unreadable,
        enforcement=section.enforcement,
        cascade=cascade and cascade.cascade,
    )


def make_policy(project: Project, traces: Path, out: Out) -> Manifest:
    """Fit thresholds to traces, and write the policy as an artefact."""
    section = project.config.policy
    splits = read_traces(traces / TRACES)
    cascade = read_cascade(traces)
    fitted = fit(
        splits["validation"],
        splits["calibration"],
        splits["test"],
        budget_fpr=section.budget_fpr,
        policy_template=policy_template(project, cascade),
        confidence=section.confidence,
        promise=section.promise,
    )
    report = {**asdict(fitted.report), **({"cascade": asdict(cascade)} if cascade else {})}

    def fill(staging: Path) -> Mapping[str, object]:
        text = json.dumps(asdict(replace(fitted.policy, fitted_on=report)), indent=2, default=str)
        (staging / "policy.json").write_text(text + "\n", encoding="utf-8")
        return report

    return write_artifact(
        out.folder,
        fill,
        kind="policy",
        key=out.key,
        parents={"traces": key_of(traces)},
        config=policy_settings(project),
    )


def scorers_of(project: Project, heads: Mapping[HeadKind, Path]) -> Scorers:
    """The trained scorers of a project."""
    training = project.config.training
    files: dict[HeadKind, Path] = {kind: folder / HEAD for kind, folder in heads.items()}
    window = inference_window(training.loss)
    return load_scorers(training.backbone, cut_of(project), files, precision_of(project), window=window)


def _make_guard(inputs: Inputs, data: Path, heads: Mapping[HeadKind, Path], policy: Path, key: str) -> None:
    save_guard(
        inputs.project.guard,
        reference=inputs.project.config.training.backbone,
        cut=cut_of(inputs.project),
        precision=precision_of(inputs.project),
        window=inference_window(inputs.project.config.training.loss),
        heads={kind: folder / HEAD for kind, folder in heads.items()},
        policy=read_policy(policy / "policy.json"),
        constitution_text=inputs.constitution_text,
        card=guard_card(
            inputs.constitution, read_manifest(policy).notes, {k: read_manifest(f) for k, f in heads.items()}
        ),
        key=key,
        namer=named_rules(data, inputs.constitution),
        parents={"policy": key_of(policy), **{kind: key_of(f) for kind, f in heads.items()}},
    )


def _hold_out(project: Project) -> HoldOut:
    return HoldOut(**project.config.hold_out.model_dump())
