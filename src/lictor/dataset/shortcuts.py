"""How well shallow features tell the labels apart, over all and for each rule, and which labels they speak against.

In: examples, and the bucket of each rule. Out: AUROCs of words, lengths and templates, the share of doubtful labels,
and the examples most in doubt. Everything is cross-validated by family. Knows no model but those of predict.py.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from lictor.artifacts import fingerprint
from lictor.dataset.predict import Floats, auroc, by_length, by_template, by_words, disagreements
from lictor.types import Bucket, Example

SUSPECTS = 20
MAX_PREDICTED = 4000
"""Texts that a shortcut is measured on; of more, a fixed sample of whole families."""
LEAST_TOLD = 0.7
"""AUROC of words from which on they have a say in whether a label is right."""
LEAST_OF_RULE = 5
"""Texts of a rule, from which on it is measured by itself."""

Side = Literal["prompt", "answer"]
Against = Literal["all", "same_domain"]
Feature = Literal["words", "length", "template"]
Predict = Callable[[Sequence[str], Sequence[int], Sequence[str]], Floats | None]
_PREDICT: Mapping[Side, Mapping[Feature, Predict]] = {
    "prompt": {"words": by_words, "length": by_length, "template": by_template},
    "answer": {"words": by_words, "length": by_length},
}


class Shortcut(NamedTuple):
    """How well one shallow feature tells restricted from permitted texts, cross-validated by family."""

    side: Side
    feature: Feature
    against: Against
    """The permitted texts it has to be told from."""
    auroc: float
    texts: int


class RuleShortcut(NamedTuple):
    """How well words, and lengths, tell the prompts of one rule from all of the other label: AUROCs."""

    rule: str
    words: float
    length: float
    texts: int
    """Prompts of the rule."""


class Doubt(NamedTuple):
    """How many labels the words of other families speak against, where words tell labels apart at all."""

    side: Side
    rule: str | None
    """None for all rules together."""
    doubted: int
    texts: int


class Suspect(NamedTuple):
    """An example whose label the words of all others speak against."""

    id: str
    side: Side
    label: int
    p_restricted: float


class Predictability(NamedTuple):
    """What shallow features give away."""

    shortcuts: tuple[Shortcut, ...]
    by_rule: tuple[RuleShortcut, ...]
    doubts: tuple[Doubt, ...]
    suspects: tuple[Suspect, ...]
    """Highest loss first, on both sides together."""


class _Text(NamedTuple):
    id: str
    text: str
    label: int
    family: str
    rule: str | None
    bucket: Bucket | None


def predictability(examples: Sequence[Example], buckets: Mapping[str | None, Bucket]) -> Predictability:
    """What words, lengths and templates of `examples` give away; nothing where there are too few families to say."""
    shortcuts: list[Shortcut] = []
    by_rule: list[RuleShortcut] = []
    doubts: list[Doubt] = []
    suspects: list[Suspect] = []
    for side, predictors in _PREDICT.items():
        items = _texts(examples, side, buckets)
        told = _told(items, predictors)
        shortcuts += _shortcuts(side, "all", items, told)
        twins = [item for item in items if item.label or item.bucket == "same_domain"]
        if len(twins) < len(items):
            shortcuts += _shortcuts(side, "same_domain", twins, _told(twins, predictors))
        p, by_length_alone = told["words"], told["length"]
        if p is not None and by_length_alone is not None and side == "prompt":
            by_rule += _by_rule(items, p, by_length_alone)
        if p is not None and auroc([i.label for i in items], p) >= LEAST_TOLD:
            doubts += _doubts(side, items, p)
            suspects += [Suspect(i.id, side, i.label, float(at)) for i, at in zip(items, p, strict=True)]
    suspects.sort(key=lambda s: s.p_restricted if s.label else 1 - s.p_restricted)
    return Predictability(tuple(shortcuts), tuple(by_rule), tuple(doubts), tuple(suspects[:SUSPECTS]))


def prompt_text(example: Example) -> str:
    """The turns of its prompt, one under the other."""
    return "\n".join(message.content for message in example.prompt)


def _texts(examples: Sequence[Example], side: Side, buckets: Mapping[str | None, Bucket]) -> list[_Text]:
    """The different texts of one side that have a label; of too many, those of a fixed sample of families."""
    found: dict[str, _Text] = {}
    for e in examples:
        text, label = (prompt_text(e), e.prompt_label) if side == "prompt" else (e.answer, e.answer_label)
        if text is not None and label is not None:
            found.setdefault(text, _Text(e.id, text, label, e.family or e.id, e.rule, buckets.get(e.rule)))
    ordered = sorted(found.values(), key=lambda item: fingerprint(["audit", item.family]))
    return ordered[:MAX_PREDICTED]


def _told(items: Sequence[_Text], predictors: Mapping[Feature, Predict]) -> dict[Feature, Floats | None]:
    texts, labels, families = [i.text for i in items], [i.label for i in items], [i.family for i in items]
    return {feature: predict(texts, labels, families) for feature, predict in predictors.items()}


def _shortcuts(
    side: Side, against: Against, items: Sequence[_Text], told: Mapping[Feature, Floats | None]
) -> list[Shortcut]:
    labels = [item.label for item in items]
    return [
        Shortcut(side, feature, against, auroc(labels, p), len(items)) for feature, p in told.items() if p is not None
    ]


def _by_rule(items: Sequence[_Text], words: Floats, length: Floats) -> list[RuleShortcut]:
    labels = np.array([item.label for item in items])
    found: list[RuleShortcut] = []
    for rule in sorted({item.rule for item in items if item.rule}):
        of_rule = np.array([item.rule == rule for item in items])
        (label, _), *_ = Counter(labels[of_rule].tolist()).most_common(1)
        at = of_rule | (labels != label)
        told = labels[at].tolist()
        if of_rule.sum() >= LEAST_OF_RULE and len(set(told)) == 2:
            found.append(RuleShortcut(rule, auroc(told, words[at]), auroc(told, length[at]), int(of_rule.sum())))
    return found


def _doubts(side: Side, items: Sequence[_Text], p: Floats) -> list[Doubt]:
    doubted = disagreements([item.label for item in items], p)
    total, wrong = Counter(item.rule for item in items), Counter[str | None]()
    wrong.update(item.rule for item, is_doubted in zip(items, doubted, strict=True) if is_doubted)
    rules = sorted(rule for rule in total if rule)
    return [Doubt(side, None, int(doubted.sum()), len(items))] + [
        Doubt(side, rule, wrong[rule], total[rule]) for rule in rules
    ]
