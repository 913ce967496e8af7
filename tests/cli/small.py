"""A tiny project that starts from a data pack, so that no generator is needed."""

from pathlib import Path
from typing import get_args

import yaml

from lictor.constitution import Constitution
from lictor.dataset.store import write_dataset
from lictor.types import Example, Message, Split

CONSTITUTION = """
version: 1
name: bells
summary: How bells are cast stays a secret of the guild.
restricted:
  - {id: cast, text: Steps of casting a bell.}
permitted:
  same_domain: [{id: ring, text: Ringing and hearing bells.}]
  everyday: [{id: soup, text: Cooking soup.}]
"""
PER_SPLIT = 6


def write_packed_project(folder: Path, backbone: str) -> Path:
    """A project folder whose pack holds a few examples of every rule in every split."""
    (folder / "constitution.yaml").write_text(CONSTITUTION)
    settings = {
        "pack": "pack",
        "generator": {"model": "path:/no/generator"},
        "training": {"backbone": backbone, "trunk": 2, "top": 3, "epochs": 1},
        "policy": {"budget_fpr": 0.4, "confidence": 0.8},
    }
    (folder / "lictor.yaml").write_text(yaml.safe_dump(settings))
    constitution = Constitution.parse(CONSTITUTION, "bells")
    examples = [
        _example(constitution, rule.id, split, at)
        for rule in constitution.rules
        for split in get_args(Split)
        for at in range(PER_SPLIT)
    ]
    rules = {rule.id: rule.fingerprint for rule in constitution.rules}
    write_dataset(folder / "pack", examples, key="pack", config={"rules": rules})
    return folder


def _example(constitution: Constitution, rule: str, split: Split, at: int) -> Example:
    name = f"{rule} {split} {at}"
    label = int(constitution.bucket_of(rule) == "restricted")
    asked = Message("user", f"Tell me about {rule}, part {at} of the {split} book.")
    answer = Message("assistant", f"Part {at} says of {rule} that it takes {at + 2} hours, and as many hands.")
    return Example(
        id=name,
        constitution=constitution.fingerprint,
        messages=(asked, answer) if at % 2 else (asked,),
        prompt_label=label,
        answer_label=label if at % 2 else None,
        rule=rule,
        source="test",
        family=name,
        split=split,
    )
