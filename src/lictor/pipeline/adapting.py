"""`adapt`: teach a guard a missed attack or a wrong refusal in minutes, and keep what it knew.

In: a project whose guard is made, cases. Out: a new guard folder beside the one in use, and what changed; none where
the gate is shut. A case is proliferated by transforms into variants; some families of those are kept from training, to
measure with. Heads train on from their last weights, on variants and a replay of the project's own data. The line
that thresholds move on stays; its level is fitted anew on the calibration split. The test split decides nothing but
whether the gate opens.

Cites: CC1 section 3.2 (data and classifiers are made anew as attacks are found).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter

from lictor.artifacts import fingerprint, read_manifest
from lictor.assemble import HeadKind, load_head, read_policy, save_guard
from lictor.augment import augment, families
from lictor.calibration.regression import Change, compare, reasons_against
from lictor.calibration.thresholds import Fit, refit
from lictor.calibration.thresholds import Path as Line
from lictor.calibration.traces import Trace, peaks
from lictor.dataset.files import read_rows
from lictor.dataset.pools import conversation_of
from lictor.dataset.store import read_dataset
from lictor.errors import DataError
from lictor.guard.guard import Guard
from lictor.model.backbone import Backbone
from lictor.model.losses import inference_window
from lictor.model.objective import TrainingConfig
from lictor.model.train import train_head
from lictor.pipeline.card import guard_card
from lictor.pipeline.config import Project
from lictor.pipeline.data import named_rules
from lictor.pipeline.heads import HEAD, Learnt, write_head
from lictor.pipeline.held_out import held_out_items, item_of
from lictor.pipeline.pools import read_pools
from lictor.pipeline.scoring import trace_all
from lictor.pipeline.sequences import labelled, within_budget
from lictor.pipeline.stages import (
    TRACES,
    Inputs,
    head_kinds,
    policy_template,
    read_inputs,
    scorers_of,
    stands,
)
from lictor.pipeline.standing import Progress, is_made
from lictor.pipeline.traces import read_traces
from lictor.pipeline.training import augment_plan, cut_of, precision_of, schedule_of
from lictor.types import Conversation, Example, Policy

VARIANTS = 24
"""Disguised copies of a case to train on, and a quarter as many to measure with."""
MEASURED_EVERY = 4
"""One family of transforms of so many is kept from training."""
REPLAY_TOKENS = 24_000
"""Of the project's own data, half of it disguised, read again so that nothing else is unlearnt."""
SCHEDULE = TrainingConfig(epochs=2, learning_rate=2e-4, head_learning_rate=3e-4)


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation the guard was wrong about, its answer last if it was the answer; and the rule it falls under."""

    conversation: Conversation
    rule: str
    is_restricted: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether cases are stopped: themselves, and variants that training did not see."""

    is_restricted: bool
    n: int
    stopped_before: int
    stopped_after: int


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What became of the cases, and of everything else."""

    cases: list[Outcome]
    variants: list[Outcome]
    held_out: list[Change]
    before: tuple[float, float]
    """Input and output threshold."""
    after: tuple[float, float]
    fitted_upper: float
    """Exact upper bound of the false-positive rate that the new thresholds promise."""
    reasons: list[str]
    """Why the gate is shut; none if it is open."""
    guard: Path | None
    """The new guard, if the gate is open."""


@dataclass(frozen=True, slots=True)
class _Old:
    """What an adaptation starts from, and its name."""

    data: Path
    traces: Path
    heads: Mapping[HeadKind, Path]
    guard: str
    """Fingerprint of the guard in use."""
    runs: Path
    key: str


def adapt(project: Project, cases: Sequence[Case], out: Path, progress: Progress) -> Adaptation:
    """A guard that has learnt `cases`, in `out`.

    Raises:
        UsageError: The project has not been run.
        DataError: There is no case, its rule is not of the constitution or of its label, or it is too long.
        CalibrationError: The conversations no longer promise the budget.
    """
    inputs = read_inputs(project)
    examples = _examples(cases, inputs)
    taught, measured = _proliferate(examples, project)
    old = _old(project, examples)
    scorers = scorers_of(project, old.heads)
    policy = read_policy(project.guard / "policy.json")
    in_use = Guard(scorers.prompt, scorers.answer, policy, exchange_scorer=scorers.exchange)
    heads = _train(scorers.backbone, inputs, [*examples, *taught], old, progress)
    scorers = scorers_of(project, heads)
    template = replace(policy_template(project), cascade=policy.cascade)
    now = Guard(scorers.prompt, scorers.answer, template, exchange_scorer=scorers.exchange)
    fitted = _refit(inputs, old.data, now, in_use.policy, progress)
    now.policy = fitted.fit.policy
    direct, variants = (_outcomes(found, inputs, (in_use, now)) for found in (examples, measured))
    changes = _changes(read_traces(old.traces)["test"], fitted.test, in_use.policy, now.policy)
    reasons = why_shut(direct, changes)
    if not reasons:
        _write_guard(inputs, old, heads, fitted.fit, out)
    return Adaptation(
        direct,
        variants,
        changes,
        _thresholds(in_use.policy),
        _thresholds(now.policy),
        fitted.fit.report.fitted_upper,
        reasons,
        None if reasons else out,
    )


def _old(project: Project, examples: Sequence[Example]) -> _Old:
    folders, version = stands(project), read_manifest(project.guard).fingerprint
    return _Old(
        folders["data"],
        folders["traces"] / TRACES,
        {kind: folders[kind] for kind in head_kinds(project)},
        version,
        project.runs,
        fingerprint(["adapt", version, sorted(example.id for example in examples)]),
    )


def _outcomes(found: Sequence[Example], inputs: Inputs, guards: tuple[Guard, Guard]) -> list[Outcome]:
    """What each of both guards makes of the examples, by label."""
    items = [item_of(example, inputs.buckets) for example in found]
    before, after = (_stopped(trace_all(guard, items), guard.policy) for guard in guards)
    sides = [(label, [i.id for i in items if i.is_restricted == label]) for label in (True, False)]
    return [
        Outcome(label, len(ids), sum(before[i] for i in ids), sum(after[i] for i in ids)) for label, ids in sides if ids
    ]


def read_cases(path: Path, *, is_restricted: bool) -> list[Case]:
    """The cases in a file: rows of `messages`, or `prompt` and perhaps `response`, each with its `rule`.

    Raises:
        DataError: The file cannot be read, or a row holds no conversation or names no rule.
    """
    cases: list[Case] = []
    for row in read_rows(path):
        conversation = conversation_of(row)
        rule = cast("Mapping[str, object]", row.value).get("rule")
        if not isinstance(rule, str):
            raise DataError(f"{row.where}: rule: expected the id of the rule this falls under, got {rule!r}")
        cases.append(Case(conversation, rule, is_restricted))
    return cases


def _changes(before: Sequence[Trace], after: Sequence[Trace], in_use: Policy, policy: Policy) -> list[Change]:
    return compare(
        _stopped(before, in_use), _stopped(after, policy), [t.conversation_id for t in before if t.is_restricted]
    )


def _thresholds(policy: Policy) -> tuple[float, float]:
    return policy.input_threshold, policy.output_threshold


def why_shut(cases: Sequence[Outcome], changes: Sequence[Change]) -> list[str]:
    """Why a guard that learnt `cases` should not be put in use; none if it may be."""
    return [f"cases still wrong: {_still(case)}" for case in cases if _wrong(case)] + reasons_against(changes)


def _wrong(outcome: Outcome) -> bool:
    return outcome.stopped_after != (outcome.n if outcome.is_restricted else 0)


def _still(outcome: Outcome) -> str:
    passed = outcome.n - outcome.stopped_after
    return (
        f"{passed} of {outcome.n} restricted pass"
        if outcome.is_restricted
        else f"{outcome.stopped_after} of {outcome.n} permitted are stopped"
    )


def _examples(cases: Sequence[Case], inputs: Inputs) -> list[Example]:
    buckets, found = inputs.buckets, list[Example]()
    for case in cases:
        if (bucket := buckets.get(case.rule)) is None or (bucket == "restricted") != case.is_restricted:
            side = "restricted" if case.is_restricted else "permitted"
            known = ", ".join(rule for rule, b in buckets.items() if (b == "restricted") == case.is_restricted)
            raise DataError(f"expected a case under a {side} rule ({known}), got rule {case.rule!r}")
        key = fingerprint(["case", case.rule, [[m.role, m.content] for m in case.conversation]])[:12]
        label = int(case.is_restricted)
        answered = case.conversation[-1].role == "assistant"
        found.append(
            Example(
                id=key,
                constitution=inputs.constitution.fingerprint,
                messages=case.conversation,
                prompt_label=label,
                answer_label=label if answered else None,
                rule=case.rule,
                source="adapt",
                family=key,
            )
        )
    if not found:
        raise DataError("expected at least one case to learn, got none")
    return found


def _proliferate(examples: Sequence[Example], project: Project) -> tuple[list[Example], list[Example]]:
    """Variants to train on, and variants by other families to measure with."""
    plan = augment_plan(project)
    drawn = sorted(set(families()).difference(plan.hold_out))
    measured = tuple(drawn[::MEASURED_EVERY])
    taught = tuple(family for family in drawn if family not in measured)
    return (
        augment(examples, replace(plan, families=taught, per_example=VARIANTS)),
        augment(examples, replace(plan, families=measured, per_example=VARIANTS // MEASURED_EVERY)),
    )


def _train(
    backbone: Backbone, inputs: Inputs, new: Sequence[Example], old: _Old, progress: Progress
) -> dict[HeadKind, Path]:
    """Folders of the heads after they learnt `new`; one that has nothing to learn stays as it is."""
    training = inputs.project.config.training
    own = [example for example in read_dataset(old.data) if example.split == "train"]
    pools = (own, augment(own, augment_plan(inputs.project)))
    heads = dict(old.heads)
    for kind, folder in old.heads.items():
        learnt = labelled(new, kind, backbone, training.max_tokens, seed=training.seed)
        if not learnt:
            continue
        heads[kind], key = old.runs / f"adapted-{kind}-{old.key}", fingerprint([old.key, kind])
        if is_made(heads[kind], key):
            continue
        told = {tuple(sequence.token_ids) for sequence in learnt}
        read = [labelled(pool, kind, backbone, training.max_tokens, seed=training.seed) for pool in pools]
        fresh = [[s for s in pool if tuple(s.token_ids) not in told] for pool in read]
        replay = [s for pool in fresh for s in within_budget(pool, budget_tokens=REPLAY_TOKENS // len(fresh))]
        head = load_head(kind, backbone, folder / HEAD)
        head.top.float()
        usual = schedule_of(training)
        schedule = replace(
            SCHEDULE, **{name: getattr(usual, name) for name in ("loss", "batch_tokens", "lora_rank", "seed")}
        )
        sequences = [*learnt, *replay]
        course = train_head(head, backbone, sequences, kind=kind, config=schedule, checkpoint=None, progress=progress)
        parents = {kind: read_manifest(folder).fingerprint}
        write_head(heads[kind], head, kind=kind, key=key, learnt=Learnt(sequences, course), parents=parents)
    if heads == old.heads:
        raise DataError(f"the cases are longer than training.max_tokens ({training.max_tokens}): nothing to learn from")
    return heads


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Thresholds of the new scorers, and what these say of the test split."""

    fit: Fit
    test: list[Trace]


def _refit(inputs: Inputs, data: Path, now: Guard, in_use: Policy, progress: Progress) -> _Fitted:
    project, section = inputs.project, inputs.project.config.policy
    items = held_out_items(
        read_dataset(data), read_pools(project), inputs.buckets, augment_plan(project, per_example=1)
    )
    traces: list[list[Trace]] = []
    for at, split in enumerate(("calibration", "test")):
        progress("calibration: scoring", at, 2, float("nan"))
        traces.append(trace_all(now, items[split]))
    line = TypeAdapter(Line).validate_python(in_use.fitted_on["path"])
    fitted = refit(
        line,
        *traces,
        budget_fpr=section.budget_fpr,
        policy_template=now.policy,
        confidence=section.confidence,
        promise=section.promise,
    )
    cascade = {name: value for name, value in in_use.fitted_on.items() if name == "cascade"}
    return _Fitted(replace(fitted, policy=replace(fitted.policy, fitted_on=asdict(fitted.report) | cascade)), traces[1])


def _stopped(traces: Sequence[Trace], policy: Policy) -> dict[str, bool]:
    scored = peaks(traces)
    said = scored.answer(policy.prompt_weight, policy.prompt_floor)
    hits = (scored.prompt >= policy.input_threshold) | (said >= policy.output_threshold)
    return {trace.conversation_id: bool(hit) for trace, hit in zip(traces, hits, strict=True)}


def _write_guard(inputs: Inputs, old: _Old, heads: Mapping[HeadKind, Path], fitted: Fit, out: Path) -> None:
    training = inputs.project.config.training
    manifests = {kind: read_manifest(folder) for kind, folder in heads.items()}
    save_guard(
        out,
        reference=training.backbone,
        cut=cut_of(inputs.project),
        precision=precision_of(inputs.project),
        window=inference_window(training.loss),
        heads={kind: folder / HEAD for kind, folder in heads.items()},
        policy=fitted.policy,
        constitution_text=inputs.constitution_text,
        card=guard_card(inputs.constitution, fitted.policy.fitted_on, manifests),
        key=old.key,
        namer=named_rules(old.data, inputs.constitution),
        parents={"guard": old.guard, **{kind: manifest.fingerprint for kind, manifest in manifests.items()}},
    )
