"""The data of a project: taken from a pack where the rules match, generated where they do not.

In: a project, its constitution and material. Out: examples with splits. A rule's data depends on that rule's
fingerprint alone: an edited rule is generated anew, and nothing else is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lictor.artifacts import open_artifact
from lictor.constitution import Constitution
from lictor.dataset.holdout import HoldOut, hold_out
from lictor.dataset.mix import join_turns
from lictor.dataset.naming import RuleNamer, fit_namer
from lictor.dataset.splits import assign_splits
from lictor.dataset.store import read_dataset
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.weights import cache_dir
from lictor.pipeline.config import Project
from lictor.pipeline.models import chat_model
from lictor.synthesis.asking import Progress, Report
from lictor.synthesis.engine import SynthesisConfig, synthesise
from lictor.synthesis.material import Material
from lictor.types import Example, Split

SHARES: dict[Split, float] = {"train": 0.47, "validation": 0.11, "calibration": 0.24, "test": 0.18}
"""Families in each split. Calibration is large: an exact bound on a small false-positive rate needs benign data."""


def synthesis_config(project: Project) -> SynthesisConfig:
    """The part of the settings synthesis needs."""
    section = project.config.synthesis.model_dump(exclude={"several_turns"})
    return SynthesisConfig(**section)


def rules_of_pack(pack: Path) -> dict[str, str]:
    """Fingerprint of every rule a pack was made for, by id."""
    rules = open_artifact(pack, kind="dataset").config.get("rules", {})
    return {str(k): str(v) for k, v in rules.items()} if isinstance(rules, dict) else {}


@dataclass(frozen=True, slots=True)
class Gathered:
    """Examples, what the filters kept, and whether they come from a pack whole, splits and all."""

    examples: list[Example]
    report: Report
    is_packed: bool


def gather(
    project: Project, constitution: Constitution, material: Material, pack: Path | None, progress: Progress
) -> Gathered:
    """All examples of the project: a pack's where its rules are unchanged, generated ones elsewhere.

    Raises:
        GenerationError: The generator left a rule without a usable query.
    """
    packed = rules_of_pack(pack) if pack else {}
    kept_rules = {rule.id for rule in constitution.rules if packed.get(rule.id) == rule.fingerprint}
    rows = read_dataset(pack) if pack and kept_rules else []
    examples = [replace(e, constitution=constitution.fingerprint) for e in rows if e.rule in kept_rules]
    missing = tuple(rule for rule in constitution.rules if rule.id not in kept_rules)
    if not missing:
        return Gathered(examples, Report(), is_packed=True)
    model = chat_model(project.config.generator)
    store = CompletionStore(cache_dir() / "completions.sqlite")
    wanted = replace(constitution, rules=missing)
    made, report = synthesise(wanted, material, CachedModel(model, store), synthesis_config(project), progress)
    single = [e for e in examples if not e.source.startswith("joined")]
    return Gathered(single + [replace(e, constitution=constitution.fingerprint) for e in made], report, is_packed=False)


def with_finds(examples: Sequence[Example], folders: Sequence[Path], constitution: Constitution) -> list[Example]:
    """The examples, and what was found by attacking: each in the split where its family already stands.

    Finds under a rule that the constitution no longer has are left out.
    """
    known, split_of = {rule.id for rule in constitution.rules}, {e.family: e.split for e in examples if e.family}
    found = [example for folder in folders for example in read_dataset(folder) if example.rule in known]
    placed = [replace(e, split=split_of.get(e.family, "train"), constitution=constitution.fingerprint) for e in found]
    return [*examples, *placed]


def split_and_join(examples: Sequence[Example], *, several_turns: float, seed: int) -> list[Example]:
    """The examples with their splits, and conversations of several turns joined within each."""
    placed = assign_splits(list(examples), seed=seed, shares=SHARES)
    return placed + join_turns(placed, share=several_turns, seed=seed)


def keep_out(examples: Sequence[Example], what: HoldOut, *, several_turns: float, seed: int) -> list[Example]:
    """`examples` with what is held out in the test split, and conversations of several turns joined anew.

    Raises:
        UsageError: No example is what is to be held out.
    """
    single = hold_out([e for e in examples if not e.source.startswith("joined")], what)
    return single + join_turns(single, share=several_turns, seed=seed)


def named_rules(data: Path, constitution: Constitution) -> RuleNamer | None:
    """What tells the rules apart, from the data that training saw; None where there is but one rule."""
    return fit_namer((e for e in read_dataset(data) if e.split == "train" and not e.transforms), constitution)
