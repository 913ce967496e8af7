"""Which conversations thresholds are fitted on.

In: examples training never saw, and pools of the user's own. Out: items by split. Knows no scorer.

A false positive is counted over a whole exchange, and so is an attack. Prompts without an answer are therefore left
out of the splits that promise and report, if enough conversations have one. On validation, which promises nothing, such
a prompt borrows the answer of another of its rule: the balance between the stages is then chosen on exchanges too.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from lictor.augment import PlanConfig, augment
from lictor.pipeline.scoring import Item
from lictor.types import Bucket, Example, Message, Split

WRAPPED_EVERY: Mapping[Split, int] = {"validation": 4, "calibration": 2, "test": 4}
"""One disguised copy for every so many conversations of a split: thresholds are fitted on wrapped text too. The split
that sets their level draws as many from each source, and this is its smallest."""
ENOUGH = 150
"""Benign exchanges, as many from each source, from which thresholds are fitted without lone prompts: with no hit they
certify a false-positive rate of 2%."""


def held_out_items(
    examples: Sequence[Example],
    pools: Sequence[Example],
    buckets: Mapping[str, Bucket],
    plan: PlanConfig,
) -> dict[Split, list[Item]]:
    """The conversations of each split but training's, disguised copies among them; calibration's are benign alone."""
    held = [e for e in examples if e.split != "train"]
    whole = [e for e in held if e.answer is not None or e.split == "validation"]
    found = _items(whole, pools, buckets, plan)
    sizes = Counter(item.source for item in found["calibration"])
    return found if min(sizes.values(), default=0) * len(sizes) >= ENOUGH else _items(held, pools, buckets, plan)


def item_of(example: Example, buckets: Mapping[str, Bucket]) -> Item:
    """An example as a conversation to calibrate on. Its source is what a false-positive rate is promised over."""
    bucket = buckets.get(example.rule or "", "everyday")
    source = example.source if example.source.startswith("pool") else bucket.replace("harmful_elsewhere", "everyday")
    if example.transforms:
        source = "wrapped"
    return Item(
        example.id,
        example.messages,
        source,
        bucket,
        is_restricted=1 in (example.prompt_label, example.answer_label),
        answer_label=example.answer_label,
        family=example.family or example.id,
    )


def lend_answers(examples: Sequence[Example]) -> list[Example]:
    """`examples`, each prompt without an answer with one from another example of its rule and label, by turns."""
    lenders: dict[tuple[str | None, int | None], list[Example]] = defaultdict(list)
    for example in examples:
        if example.answer is not None and example.answer_label == example.prompt_label:
            lenders[example.rule, example.prompt_label].append(example)
    lent: list[Example] = []
    for at, example in enumerate(examples):
        from_others = lenders[example.rule, example.prompt_label]
        if example.answer is None and from_others:
            answer = from_others[at % len(from_others)].answer or ""
            messages = (*example.messages, Message("assistant", answer))
            example = replace(example, messages=messages, answer_label=example.prompt_label)  # noqa: PLW2901 -- the same example, whole
        lent.append(example)
    return lent


def _items(
    held: Sequence[Example], pools: Sequence[Example], buckets: Mapping[str, Bucket], plan: PlanConfig
) -> dict[Split, list[Item]]:
    lent = lend_answers([e for e in held if e.split == "validation"])
    rows = [*lent, *(e for e in held if e.split != "validation"), *pools]
    wrapped = augment([e for at, e in enumerate(rows) if at % WRAPPED_EVERY[e.split] == 0], plan)
    return {
        split: [
            item
            for item in (item_of(e, buckets) for e in [*rows, *wrapped] if e.split == split)
            if split != "calibration" or not item.is_restricted  # the level is chosen on benign conversations alone
        ]
        for split in get_args(Split)
        if split != "train"
    }
