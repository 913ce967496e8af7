"""Make a data pack: what a domain's rules and material give with a generator, split, joined and audited.

In: a constitution, its material, a chat model. Out: a dataset folder that `lictor run` can start from.
Knows no training.
"""

from dataclasses import asdict
from pathlib import Path

from lictor.artifacts import Manifest, fingerprint, read_manifest
from lictor.augment import PlanConfig, augment
from lictor.constitution import Constitution
from lictor.dataset.audit import audit
from lictor.dataset.limits import ESSENTIAL, gate
from lictor.dataset.store import content_of, read_dataset, write_dataset
from lictor.errors import DataError
from lictor.pipeline.data import split_and_join
from lictor.synthesis.asking import Progress
from lictor.synthesis.engine import SynthesisConfig, synthesise
from lictor.synthesis.material import Material
from lictor.types import ChatModel


def make_pack(
    folder: Path,
    constitution: Constitution,
    material: Material,
    model: ChatModel,
    config: SynthesisConfig,
    *,
    several_turns: float,
    progress: Progress,
) -> Manifest:
    """Synthesise, split, join, audit and write. The pack's fingerprint counts what was made, not only what with.

    Raises:
        DataError: The audit found a reason not to train on it.
        GenerationError: The generator left a rule without a usable query.
    """
    examples, report = synthesise(constitution, material, model, config, progress)
    examples = split_and_join(examples, several_turns=several_turns, seed=config.seed)
    found = audit(examples, constitution)
    if reasons := gate(found, ESSENTIAL):
        raise DataError("the data did not pass the audit:\n  " + "\n  ".join(reasons))
    rules = {rule.id: rule.fingerprint for rule in constitution.rules}
    settings = {"rules": rules, "generator": model.name, "synthesis": vars(config), "several_turns": several_turns}
    key = fingerprint(["pack", settings, dict(material.files), content_of(examples)])
    notes = {
        "synthesis": dict(report.counts),
        "coverage": report.coverage,
        "shortcuts": [s._asdict() for s in found.shortcuts],
    }
    return write_dataset(folder, examples, key=key, config=settings, seed=config.seed, notes=notes)


def disguise_pack(folder: Path, pack: Path, plan: PlanConfig) -> Manifest:
    """Write the examples of `pack`, and disguised copies of those that training sees, as a dataset of its own.

    Raises:
        ArtifactError: There is no pack, or it was altered.
    """
    parent, examples = read_manifest(pack), read_dataset(pack)
    copies = augment([example for example in examples if example.split == "train"], plan)
    whole, settings = [*examples, *copies], {**parent.config, "augment": asdict(plan)}
    key = fingerprint(["disguised", parent.fingerprint, asdict(plan), content_of(whole)])
    return write_dataset(
        folder,
        whole,
        key=key,
        parents={"pack": parent.fingerprint},
        config=settings,
        seed=plan.seed,
        notes={"synthesis": parent.notes.get("synthesis", {}), "disguised": len(copies)},
    )
