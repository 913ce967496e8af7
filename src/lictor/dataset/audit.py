"""Look at a dataset before anything is trained on it: counts, balance, leaks, refusals, shortcuts, doubtful labels.

In: examples and their constitution, if they have one. Out: an `Audit`; limits.py says what should stop a run. Pure:
reads and writes nothing. Knows no model but the shallow ones of predict.py.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lictor.constitution import Constitution
from lictor.dataset.shortcuts import Doubt, RuleShortcut, Shortcut, Suspect, predictability, prompt_text
from lictor.dataset.templates import template_of
from lictor.synthesis.dedupe import near_pairs
from lictor.synthesis.filters import is_refusal
from lictor.types import Bucket, Example

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of word shingles from which two prompts count as near-duplicates."""
LENGTHS = (100, 300, 1000, 3000)
"""Characters at which prompts are told apart by length in the balance."""


class Lengths(NamedTuple):
    """Characters of the texts of one side and label."""

    texts: int
    median: float
    mean: float


class Balance(NamedTuple):
    """Prompts of each label."""

    restricted: int
    permitted: int

    @property
    def prompts(self) -> int:
        """How many have a label."""
        return self.restricted + self.permitted

    @property
    def share(self) -> float:
        """Share of the restricted ones."""
        return self.restricted / max(1, self.prompts)


class Leak(NamedTuple):
    """Two examples that share a prompt, or nearly, on different sides of a split."""

    first: str
    second: str


class Templates(NamedTuple):
    """Templates of the plain one-turn prompts outside of training."""

    held: int
    """Prompts that have a template."""
    seen: int
    """Those whose template training prompts have too."""
    seen_one_sided: int
    """Those of them whose template has one label only in training: the template gives it away."""


@dataclass(frozen=True)
class Audit:
    """What there is to know of a dataset without training on it."""

    counts: Mapping[str, Mapping[str, int]]
    """Examples by rule, bucket, split, prompt_label, answer_label, source, lang, transform, turns, split and label."""
    balance: Mapping[str, Mapping[str, Balance]]
    """Prompts of each label by split, bucket, rule, source, lang, transform, length and turns."""
    lengths: Mapping[str, Lengths]
    """By side and label, as `prompt 1`."""
    exact_leaks: tuple[Leak, ...]
    near_leaks: tuple[Leak, ...]
    """Between untransformed prompts of one turn; exact ones are not counted again."""
    answer_leaks: tuple[Leak, ...]
    """Answers that stand in several splits word for word; to different prompts, or the prompts would be leaks too."""
    templates: Templates
    prompts: int
    """Untransformed prompts of one turn that were compared for near-duplicates."""
    split_families: tuple[str, ...]
    """Families that stand in several splits."""
    repeated_ids: tuple[str, ...]
    foreign: tuple[str, ...]
    """Ids of examples labelled under another constitution, or for a rule that this one does not have."""
    refusals: tuple[str, ...]
    """Ids of examples whose answer refuses."""
    answers: int
    shortcuts: tuple[Shortcut, ...]
    rule_shortcuts: tuple[RuleShortcut, ...]
    doubts: tuple[Doubt, ...]
    suspects: tuple[Suspect, ...]
    """Highest loss first."""


def audit(examples: Sequence[Example], constitution: Constitution | None) -> Audit:
    """Everything about `examples` under `constitution`; imported pools need no rule, and without one no rule counts."""
    rules = constitution.rules if constitution else ()
    buckets: dict[str | None, Bucket] = {rule.id: rule.bucket for rule in rules}
    ids = Counter(example.id for example in examples)
    splits: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        splits[example.family or example.id].add(example.split)
    plain = _plain(examples)
    told = predictability(examples, buckets)
    return Audit(
        counts=_counts(examples, buckets, [rule.id for rule in rules]),
        balance=_balance(examples, buckets),
        lengths=_lengths(examples),
        exact_leaks=_leaks((_folded(e), e) for e in examples),
        near_leaks=_near_leaks(plain),
        answer_leaks=_leaks((_words(e.answer), e) for e in examples if e.answer is not None),
        templates=_templates(plain.values()),
        prompts=len(plain),
        split_families=tuple(sorted(family for family, found in splits.items() if len(found) > 1)),
        repeated_ids=tuple(sorted(name for name, count in ids.items() if count > 1)),
        foreign=_foreign(examples, buckets, constitution.fingerprint) if constitution else (),
        refusals=tuple(e.id for e in examples if e.answer is not None and is_refusal(e.answer)),
        answers=sum(e.answer is not None for e in examples),
        shortcuts=told.shortcuts,
        rule_shortcuts=told.by_rule,
        doubts=told.doubts,
        suspects=told.suspects,
    )


def _foreign(examples: Sequence[Example], buckets: Mapping[str | None, Bucket], constitution: str) -> tuple[str, ...]:
    return tuple(
        e.id for e in examples if e.constitution not in {"", constitution} or not (e.rule is None or e.rule in buckets)
    )


def _counts(
    examples: Sequence[Example], buckets: Mapping[str | None, Bucket], rules: Sequence[str]
) -> dict[str, dict[str, int]]:
    keys: dict[str, Callable[[Example], object]] = {
        "bucket": lambda e: buckets.get(e.rule),
        "split": lambda e: e.split,
        "prompt_label": lambda e: e.prompt_label,
        "answer_label": lambda e: e.answer_label,
        "source": lambda e: e.source,
        "lang": lambda e: e.lang,
        "turns": _turns,
        "split and label": lambda e: f"{e.split} {e.prompt_label}",
    }
    counted = {
        name: dict(sorted(Counter("none" if key(e) is None else str(key(e)) for e in examples).items()))
        for name, key in keys.items()
    }
    of_rule = Counter(example.rule for example in examples)
    counted["rule"] = {rule: of_rule[rule] for rule in rules}
    counted["transform"] = dict(sorted(Counter(name for e in examples for name in e.transforms).items()))
    return counted


def _balance(examples: Sequence[Example], buckets: Mapping[str | None, Bucket]) -> dict[str, dict[str, Balance]]:
    keys: dict[str, Callable[[Example], Iterable[object]]] = {
        "split": lambda e: [e.split],
        "bucket": lambda e: [buckets.get(e.rule, "none")],
        "rule": lambda e: [e.rule or "none"],
        "source": lambda e: [e.source],
        "lang": lambda e: [e.lang],
        "transform": lambda e: e.transforms or ["none"],
        "length": lambda e: [_length(len(prompt_text(e)))],
        "turns": lambda e: [_turns(e)],
    }
    shown: dict[str, dict[str, Balance]] = {}
    for what, key in keys.items():
        found = {1: Counter[str](), 0: Counter[str]()}
        for example in examples:
            if example.prompt_label is not None:
                found[example.prompt_label].update({str(value) for value in key(example)})
        shown[what] = {name: Balance(found[1][name], found[0][name]) for name in sorted(found[1] | found[0])}
    return shown


def _length(characters: int) -> str:
    at = sum(characters >= edge for edge in LENGTHS)
    edges = (0, *LENGTHS)
    return f"{edges[at]:>4} to {edges[at + 1] - 1}" if at < len(LENGTHS) else f"{edges[at]} and more"


def _turns(example: Example) -> int:
    return sum(message.role == "user" for message in example.messages)


def _lengths(examples: Sequence[Example]) -> dict[str, Lengths]:
    found: dict[str, list[int]] = defaultdict(list)
    for example in examples:
        found[f"prompt {example.prompt_label}"].append(len(prompt_text(example)))
        if example.answer is not None:
            found[f"answer {example.answer_label}"].append(len(example.answer))
    return {
        name: Lengths(len(sizes), float(np.median(sizes)), float(np.mean(sizes)))
        for name, sizes in sorted(found.items())
    }


def _plain(examples: Sequence[Example]) -> dict[str, Example]:
    """The first example of every untransformed prompt of one turn, by its words."""
    plain: dict[str, Example] = {}
    for example in examples:
        if not example.transforms and len(example.prompt) == 1:
            plain.setdefault(_folded(example), example)
    return plain


def _leaks(texts: Iterable[tuple[str, Example]]) -> tuple[Leak, ...]:
    """Each example whose text was first met in another split, with the one that had it there."""
    first: dict[str, Example] = {}
    pairs = [(first.setdefault(text, example), example) for text, example in texts]
    return tuple(Leak(seen.id, example.id) for seen, example in pairs if seen.split != example.split)


def _near_leaks(plain: Mapping[str, Example]) -> tuple[Leak, ...]:
    compared = list(plain.values())
    return tuple(
        Leak(compared[a].id, compared[b].id)
        for a, b in near_pairs(list(plain), threshold=NEAR_DUPLICATE)
        if compared[a].split != compared[b].split
    )


def _templates(plain: Iterable[Example]) -> Templates:
    trained: dict[str, set[int | None]] = defaultdict(set)
    held: list[str] = []
    for example in plain:
        template = template_of(prompt_text(example))
        if template is None:
            continue
        if example.split == "train":
            trained[template].add(example.prompt_label)
        else:
            held.append(template)
    seen = [template for template in held if template in trained]
    return Templates(len(held), len(seen), sum(len(trained[template]) == 1 for template in seen))


def _folded(example: Example) -> str:
    return _words(prompt_text(example))


def _words(text: str) -> str:
    return " ".join(text.lower().split())
