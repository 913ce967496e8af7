"""Look at a dataset before anything is trained on it: counts, leaks, refusals, shortcuts, doubtful labels.

In: examples and their constitution. Out: an `Audit`, and the reasons why it should stop a run. Pure: reads and writes
nothing. Knows no model but the shallow ones of predict.py.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Constitution
from lictor.dataset.predict import Floats, auroc, by_length, by_words
from lictor.synthesis.dedupe import near_pairs
from lictor.synthesis.filters import is_refusal
from lictor.types import Bucket, Example

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of word shingles from which two prompts count as near-duplicates."""

MAX_NEAR_SHARE = 0.01
MAX_REFUSAL_SHARE = 0.01
MIN_PER_RULE = 5
SUSPECTS = 20
MAX_PREDICTED = 4000
"""Texts that a shortcut is measured on; of more, a fixed sample of whole families."""

Side = Literal["prompt", "answer"]
Against = Literal["all", "same_domain"]


class Lengths(NamedTuple):
    """Characters of the texts of one side and label."""

    texts: int
    median: float
    mean: float


class Shortcut(NamedTuple):
    """How well one shallow feature tells restricted from permitted texts, cross-validated by family."""

    side: Side
    feature: Literal["words", "length"]
    against: Against
    """The permitted texts it has to be told from."""
    auroc: float
    texts: int


class Suspect(NamedTuple):
    """An example whose prompt label the words of all others speak against."""

    id: str
    label: int
    p_restricted: float


class Leak(NamedTuple):
    """Two examples that share a prompt, or nearly, on different sides of a split."""

    first: str
    second: str


@dataclass(frozen=True)
class Audit:
    """What there is to know of a dataset without training on it."""

    counts: Mapping[str, Mapping[str, int]]
    """Examples by rule, bucket, split, prompt_label, answer_label, source, lang, transform, turns, split and label."""
    lengths: Mapping[str, Lengths]
    """By side and label, as `prompt 1`."""
    exact_leaks: tuple[Leak, ...]
    near_leaks: tuple[Leak, ...]
    """Between untransformed prompts of one turn; exact ones are not counted again."""
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
    suspects: tuple[Suspect, ...]
    """Highest loss first."""


def audit(examples: Sequence[Example], constitution: Constitution) -> Audit:
    """Everything about `examples` under `constitution`; imported pools need no rule."""
    buckets: dict[str | None, Bucket] = {rule.id: rule.bucket for rule in constitution.rules}
    ids = Counter(example.id for example in examples)
    splits: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        splits[example.family or example.id].add(example.split)
    exact, near, compared = _leaks(examples)
    return Audit(
        counts=_counts(examples, buckets, constitution),
        lengths=_lengths(examples),
        exact_leaks=exact,
        near_leaks=near,
        prompts=compared,
        split_families=tuple(sorted(family for family, found in splits.items() if len(found) > 1)),
        repeated_ids=tuple(sorted(name for name, count in ids.items() if count > 1)),
        foreign=tuple(
            e.id
            for e in examples
            if e.constitution not in {"", constitution.fingerprint} or not (e.rule is None or e.rule in buckets)
        ),
        refusals=tuple(e.id for e in examples if e.answer is not None and is_refusal(e.answer)),
        answers=sum(e.answer is not None for e in examples),
        shortcuts=_shortcuts(examples, buckets),
        suspects=_suspects(examples),
    )


def gate(audit: Audit) -> list[str]:
    """Reasons why nothing should be trained on the dataset; none if it may be."""
    by_label, rules = audit.counts["split and label"], audit.counts["rule"]
    refused = len(audit.refusals) / max(1, audit.answers)
    sparse = [f"{rule} ({count})" for rule, count in rules.items() if count < MIN_PER_RULE]
    sides = [f"{split} {label}" for split in audit.counts["split"] or ("train",) for label in (0, 1)]
    empty = [side for side in sides if not by_label.get(side)]
    exact, near = len(audit.exact_leaks), len(audit.near_leaks)
    found = {
        f"prompts in several splits, word for word: {exact}; assign splits by family": exact > 0,
        f"families in several splits: {_some(audit.split_families)}; assign splits by family": bool(
            audit.split_families
        ),
        f"near-duplicates across splits: {near} pairs in {audit.prompts} prompts, "
        f"at most {MAX_NEAR_SHARE:.0%} allowed; lower synthesis.near_duplicate": near > MAX_NEAR_SHARE * audit.prompts,
        f"no prompts with these labels: {', '.join(empty)}; both sides are needed in every split": bool(empty),
        f"rules with fewer than {MIN_PER_RULE} examples: {', '.join(sparse)}; write asks for them": bool(sparse),
        f"answers that refuse: {len(audit.refusals)} of {audit.answers} ({refused:.1%}), "
        f"at most {MAX_REFUSAL_SHARE:.0%} allowed; use a helpful-only generator": refused > MAX_REFUSAL_SHARE,
        f"ids used more than once: {_some(audit.repeated_ids)}": bool(audit.repeated_ids),
        f"examples of another constitution: {_some(audit.foreign)}; make the dataset anew": bool(audit.foreign),
    }
    return [reason for reason, holds in found.items() if holds]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _counts(
    examples: Sequence[Example], buckets: Mapping[str | None, Bucket], constitution: Constitution
) -> dict[str, dict[str, int]]:
    keys: dict[str, Callable[[Example], object]] = {
        "bucket": lambda e: buckets.get(e.rule),
        "split": lambda e: e.split,
        "prompt_label": lambda e: e.prompt_label,
        "answer_label": lambda e: e.answer_label,
        "source": lambda e: e.source,
        "lang": lambda e: e.lang,
        "turns": lambda e: sum(message.role == "user" for message in e.messages),
        "split and label": lambda e: f"{e.split} {e.prompt_label}",
    }
    counted = {
        name: dict(sorted(Counter("none" if key(e) is None else str(key(e)) for e in examples).items()))
        for name, key in keys.items()
    }
    rules = Counter(example.rule for example in examples)
    counted["rule"] = {rule.id: rules[rule.id] for rule in constitution.rules}
    counted["transform"] = dict(sorted(Counter(name for e in examples for name in e.transforms).items()))
    return counted


def _lengths(examples: Sequence[Example]) -> dict[str, Lengths]:
    found: dict[str, list[int]] = defaultdict(list)
    for example in examples:
        found[f"prompt {example.prompt_label}"].append(len(_prompt_text(example)))
        if example.answer is not None:
            found[f"answer {example.answer_label}"].append(len(example.answer))
    return {
        name: Lengths(len(sizes), float(np.median(sizes)), float(np.mean(sizes)))
        for name, sizes in sorted(found.items())
    }


def _leaks(examples: Sequence[Example]) -> tuple[tuple[Leak, ...], tuple[Leak, ...], int]:
    """Exact leaks, near ones, and how many prompts were compared for the latter."""
    exact: list[Leak] = []
    first: dict[str, Example] = {}
    plain: dict[str, Example] = {}
    for example in examples:
        text = " ".join(_prompt_text(example).lower().split())
        seen = first.setdefault(text, example)
        if seen.split != example.split:
            exact.append(Leak(seen.id, example.id))
        if not example.transforms and len(example.prompt) == 1:
            plain.setdefault(text, example)
    compared = list(plain.values())
    near = [
        Leak(compared[a].id, compared[b].id)
        for a, b in near_pairs(list(plain), threshold=NEAR_DUPLICATE)
        if compared[a].split != compared[b].split
    ]
    return tuple(exact), tuple(near), len(compared)


class _Text(NamedTuple):
    id: str
    text: str
    label: int
    family: str
    bucket: Bucket | None


def _texts(examples: Sequence[Example], side: Side, buckets: Mapping[str | None, Bucket]) -> list[_Text]:
    """The different texts of one side that have a label; of too many, those of a fixed sample of families."""
    found: dict[str, _Text] = {}
    for e in examples:
        text, label = (_prompt_text(e), e.prompt_label) if side == "prompt" else (e.answer, e.answer_label)
        if text is not None and label is not None:
            found.setdefault(text, _Text(e.id, text, label, e.family or e.id, buckets.get(e.rule)))
    ordered = sorted(found.values(), key=lambda item: fingerprint(["audit", item.family]))
    return ordered[:MAX_PREDICTED]


def _shortcuts(examples: Sequence[Example], buckets: Mapping[str | None, Bucket]) -> tuple[Shortcut, ...]:
    shortcuts: list[Shortcut] = []
    sides: tuple[Side, ...] = ("prompt", "answer")
    for side in sides:
        everything = _texts(examples, side, buckets)
        twins = [item for item in everything if item.label or item.bucket == "same_domain"]
        shortcuts += _shortcuts_of(side, "all", everything) + _shortcuts_of(side, "same_domain", twins)
    return tuple(shortcuts)


def _shortcuts_of(side: Side, against: Against, items: Sequence[_Text]) -> list[Shortcut]:
    labels = [item.label for item in items]
    words, length = _predicted(items, by_words), _predicted(items, by_length)
    found: list[Shortcut] = []
    if words is not None:
        found.append(Shortcut(side, "words", against, auroc(labels, words), len(items)))
    if length is not None:
        found.append(Shortcut(side, "length", against, auroc(labels, length), len(items)))
    return found


def _suspects(examples: Sequence[Example]) -> tuple[Suspect, ...]:
    items = _texts(examples, "prompt", {})
    p = _predicted(items, by_words)
    if p is None:
        return ()
    doubts = [Suspect(item.id, item.label, float(at)) for item, at in zip(items, p, strict=True)]
    return tuple(sorted(doubts, key=lambda s: s.p_restricted if s.label else 1 - s.p_restricted)[:SUSPECTS])


def _predicted(
    items: Sequence[_Text], predict: Callable[[Sequence[str], Sequence[int], Sequence[str]], Floats | None]
) -> Floats | None:
    return predict([i.text for i in items], [i.label for i in items], [i.family for i in items])


def _prompt_text(example: Example) -> str:
    return "\n".join(message.content for message in example.prompt)
