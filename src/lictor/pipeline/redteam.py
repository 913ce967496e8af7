"""Attack a project's guard, measure what each attacker needs, and keep what was found as data.

In: a project, a guard, attackers, a budget. Out: a folder with `data/` (a dataset that `attacks:` in lictor.yaml
takes), `tries.jsonl` and `curve.json`. Requests come from the training split, and answers from what training may
know: nothing an evaluation counts is attacked or learned here. A killed hunt goes on where it ended.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lictor.artifacts import fingerprint, write_atomic
from lictor.assemble import Guard
from lictor.constitution import Constitution
from lictor.dataset.store import content_of, read_dataset, write_dataset
from lictor.errors import ArtifactError, GenerationError
from lictor.evaluation.budgets import Effort, effort, steps_to, success_curve
from lictor.evaluation.judged import JudgedTarget
from lictor.evaluation.measures import Figure
from lictor.evaluation.probing import GuardedTarget
from lictor.evaluation.questions import Domain
from lictor.evaluation.targets import Target, WorstCaseTarget
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.weights import cache_dir
from lictor.pipeline.aims import aims_of, references_of, training_domain
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.models import chat_model
from lictor.pipeline.stages import plan, read_inputs
from lictor.redteam.attackers import ATTACKERS, Attacker
from lictor.redteam.finds import examples_of, permitted_twins
from lictor.redteam.hunt import Budget, Probe, Tried, hunt
from lictor.redteam.moves import Moves, all_steps
from lictor.redteam.plans import Aim, Reading
from lictor.redteam.rewriting import RULES, Rewrite, asking_model, renaming
from lictor.redteam.staged import Pool, staged
from lictor.synthesis.material import Material
from lictor.types import Attack, ChatModel, Example, StreamingGuard

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class HuntConfig:
    """Whom to send, how often, after how many requests."""

    attackers: tuple[str, ...]
    aims: int = 10
    budget: Budget = field(default_factory=Budget)
    hold_out: tuple[str, ...] = ()
    """Families and transforms kept for evaluation."""
    seed: int = 0


@dataclass(frozen=True)
class Helpers:
    """Which chat models join in."""

    rewording: bool = False
    """The generator rewords requests, beside the rules."""
    planning: bool = False
    """The generator plans and writes conversations: the attacker `staged`."""
    judged: bool = False
    """The protected model answers, and the generator judges, instead of the worst-case target and its facts."""

    @property
    def needs_generator(self) -> bool:
        """Whether any of them does."""
        return self.rewording or self.planning or self.judged


@dataclass(frozen=True)
class Hunted:
    """What came of a hunt."""

    tried: tuple[Tried, ...]
    efforts: tuple[Effort, ...]
    curve: tuple[Figure, ...]


def attack_project(
    folder: Path, guard: Path | None, out: Path, config: HuntConfig, *, help_from: Helpers, progress: Progress
) -> tuple[Hunted, Mapping[str, object]]:
    """Attack the guard of the project in `folder`, and write what came of it to `out`.

    Raises:
        ArtifactError: The guard or the data is missing or altered; `lictor run` makes them.
        DataError: The data holds no request to attack with, or nothing to answer one with.
    """
    project = load_project(folder)
    inputs = read_inputs(project)
    loaded = Guard.load(guard or project.guard)
    examples = read_dataset(_data_folder(project))
    config = replace(config, hold_out=project.config.augment.hold_out)
    store = CompletionStore(cache_dir() / "completions.sqlite")
    permitted = permitted_near(examples, inputs.constitution)
    aims = aims_of(examples, inputs.constitution, n=config.aims, seed=config.seed)
    model = CachedModel(chat_model(project.config.generator), store) if help_from.needs_generator else None
    moves = moves_for(inputs.material, config, model if help_from.rewording else None, permitted)
    attackers = {**ATTACKERS, "staged": staged(model, Pool())} if model else ATTACKERS
    if help_from.judged and model:
        target = CachedModel(chat_model(project.config.protected), store)
        judged = JudgedTarget(loaded, target, model, references_of(aims, examples, inputs.constitution))
        probe, behind = judged, [target.name, model.name]
    else:
        domain = training_domain(aims, inputs.material, examples)
        probe, behind = guarded(loaded, domain), [fact.model_dump() for fact in domain.facts]
    key = fingerprint([loaded.version, [asdict(aim) for aim in aims], behind])
    hunted = hunt_all(
        aims, moves, remembering(probe, store, key), attackers=attackers, config=config, progress=progress
    )
    return hunted, write_finds(out, hunted, permitted, moves, inputs.constitution, config=config)


def _data_folder(project: Project) -> Path:
    """The project's data; where its settings have changed since, the newest there is."""
    [data, *_] = plan(project)
    if not data.is_new:
        return data.folder
    made = sorted(project.runs.glob("data-*"), key=lambda folder: folder.stat().st_mtime)
    if not made:
        raise ArtifactError(f"{project.runs}: expected the project's data, found none; run `lictor run` first")
    return made[-1]


def permitted_near(examples: Sequence[Example], constitution: Constitution) -> list[Example]:
    """Permitted training examples on the subject itself; on anything where there is none."""
    train = [e for e in examples if e.split == "train" and not e.transforms]
    permitted = [e for e in train if e.prompt_label == 0 and e.answer_label != 1]
    near = [e for e in permitted if e.rule and constitution.bucket_of(e.rule) == "same_domain"]
    return near or permitted


def hunt_all(
    aims: Sequence[Aim],
    moves: Moves,
    probe: Probe,
    *,
    attackers: Mapping[str, Attacker],
    config: HuntConfig,
    progress: Progress,
) -> Hunted:
    """Every attacker on every aim."""
    tried: list[Tried] = []
    efforts: list[Effort] = []
    for number, aim in enumerate(aims):
        for attacker in config.attackers:
            progress(f"{attacker} on request {number + 1}/{len(aims)}", number, len(aims))
            search = hunt(
                aim,
                attacker,
                moves,
                probe,
                config.budget,
                seed=config.seed,
                clock=time.monotonic,
                attackers=attackers,
            )
            made = list(search)
            tried += made
            efforts += [effort(made)] if made else []
    curve = success_curve(efforts, steps_to(config.budget.queries))
    return Hunted(tuple(tried), tuple(efforts), tuple(curve))


def moves_for(
    material: Material, config: HuntConfig, model: ChatModel | None, permitted: Sequence[Example] = ()
) -> Moves:
    """Every move training may know of: rules, other names of the subject, a model's rewritings, allowed transforms."""
    rules: dict[str, Rewrite] = dict(RULES)
    if material.name and material.aliases:
        rules["renaming"] = renaming(material.name, material.aliases)
    if model is not None:
        rules["model"] = asking_model(model)
    talks = [e.messages for e in permitted if e.answer is not None and e.prompt_label == 0 and not e.transforms]
    return Moves(all_steps(config.hold_out), rules, talks)


def remembering(probe: Probe, store: CompletionStore, key: str) -> Probe:
    """`probe`, whose readings are kept: what was sent before under the same `key` is not sent again."""

    def ask(attack: Attack) -> Reading:
        name = fingerprint(["reading", key, attack.id])
        if (known := store.get(name)) is not None:
            return Reading(**json.loads(known))
        reading = probe(attack)
        if reading.result != "error":
            store.put([(name, json.dumps(reading._asdict()))])
        return reading

    return ask


def guarded(guard: StreamingGuard, domain: Domain, target: Target | None = None) -> GuardedTarget:
    """A probe of `guard` before `target`; before the worst case where none is given."""
    covered = {question.id: float(len(domain.rubric(question.id))) for question in domain.questions}
    return GuardedTarget(guard, target or WorstCaseTarget(domain), covered)


def write_finds(
    folder: Path,
    hunted: Hunted,
    permitted: Sequence[Example],
    moves: Moves,
    constitution: Constitution,
    *,
    config: HuntConfig,
) -> Mapping[str, object]:
    """Write curve, tries and, where something was found, the dataset; what was counted.

    Raises:
        GenerationError: Nothing was tried.
    """
    if not hunted.tried:
        raise GenerationError("no query was made; raise --queries or --seconds")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "curve.json", json.dumps([asdict(f) for f in hunted.curve], indent=1) + "\n")
    lines = [json.dumps(_row(one), ensure_ascii=True) + "\n" for one in hunted.tried]
    write_atomic(folder / "tries.jsonl", "".join(lines))
    found = examples_of(hunted.tried, constitution.fingerprint)
    twins = permitted_twins(hunted.tried, permitted, moves.rules, seed=config.seed)
    if found:
        examples = [*found, *twins]
        key = fingerprint(["redteam", asdict(config), content_of(examples)])
        write_dataset(folder / "data", examples, key=key, config=asdict(config), seed=config.seed)
    return {"queries": len(hunted.tried), "found": len(found), "permitted": len(twins)}


def _row(one: Tried) -> dict[str, object]:
    row: dict[str, object] = {
        "attacker": one.attacker,
        "question": one.plan.aim.question,
        "query": one.query,
        "edits": list(one.plan.edits),
        "chain": list(one.plan.chain),
        "turns": len(one.plan.turns),
        "asks": one.plan.asks,
        **one.reading._asdict(),
        "messages": [asdict(message) for message in one.attack.messages],
    }
    return row
