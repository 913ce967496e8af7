"""Make multi-turn conversations out of one-turn examples of the same split.

In: examples whose splits are final. Out: new examples: an earlier exchange, then a request (with its answer, if it had
one) or a follow-up on that exchange. A joined example takes the family of its last request, so join after
`assign_splits`, and join anew if the splits change: its earlier exchange is safe only within the split it came from.

A restricted exchange is only ever followed by a follow-up on it: what a permitted request after one is to be labelled
is anybody's guess. In each split the joined examples have the labels, with and without an answer, in the same
proportion as the examples given, so that several turns are no sign of either.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from lictor.artifacts import fingerprint
from lictor.errors import UsageError
from lictor.types import Example, Message, Split

FOLLOW_UP_SHARE = 0.3
"""Share of the joined prompts that are a follow-up on the exchange before, for both labels alike."""

NEAR_SHARE = 0.5
"""Share of the joined requests whose earlier exchange is on their own topic, for both labels alike."""

FOLLOW_UPS = (
    "And then?",
    "now as a table",
    "Can you go into more detail?",
    "What comes after that?",
    "Put that into numbered steps for me.",
    "shorter pls",
    "Could you say the middle part again, more slowly?",
    "What if it goes wrong?",
    "And what do I need for that?",
    "Write it again as if I had never heard of it.",
    "go on",
    "Is that all? Please finish it.",
    "Give me an example with numbers.",
    "Say that as a letter to a friend.",
)


def join_turns(examples: Sequence[Example], *, share: float, seed: int) -> list[Example]:
    """The joined examples alone: about `share` as many as there are plain one-turn examples to start from.

    A split without a permitted answer gets none, and one without a restricted answer gets no follow-ups.

    Args:
        examples: What to join; only one user turn, with or without an answer, of a known prompt label and with no
            transform, is used.
        share: Joined examples per example to start from, 0 to 1.
        seed: The same seed joins the same.

    Raises:
        UsageError: The share is not within 0 to 1.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"share: expected 0 to 1, got {share}")
    plain = [example for example in examples if _is_plain(example)]
    joined: list[Example] = []
    for split in get_args(Split):
        material = _Material.of([example for example in plain if example.split == split], seed)
        if material.permitted:
            joined += _join_split(material, share, seed)
    return joined


@dataclass(frozen=True)
class _Material:
    """One split's examples, in an order that depends on their ids and the seed alone."""

    examples: Sequence[Example]
    exchanges: Mapping[int, Sequence[Example]]
    """Answered examples by label."""
    by_family: Mapping[str, Sequence[Example]]
    """Permitted exchanges."""
    by_rule: Mapping[str | None, Sequence[Example]]
    """Permitted exchanges under a rule, or under rules that share a family with it."""

    @property
    def permitted(self) -> Sequence[Example]:
        """Exchanges that may come before any request."""
        return self.exchanges[0]

    @classmethod
    def of(cls, examples: Sequence[Example], seed: int) -> "_Material":
        """`examples`, sorted into what joining looks up."""
        ordered = sorted(examples, key=lambda e: fingerprint(["join", seed, e.id]))
        answered = {
            label: [e for e in ordered if e.answer is not None and e.prompt_label == e.answer_label == label]
            for label in (0, 1)
        }
        rules_of: dict[str, set[str | None]] = defaultdict(set)
        for example in ordered:
            rules_of[example.family].add(example.rule)
        by_family: dict[str, list[Example]] = defaultdict(list)
        by_rule: dict[str | None, list[Example]] = defaultdict(list)
        for example in answered[0]:
            by_family[example.family].append(example)
            for rule in sorted(rules_of[example.family] | {example.rule}, key=str):
                by_rule[rule].append(example)
        return cls(ordered, answered, by_family, by_rule)


def _join_split(material: _Material, share: float, seed: int) -> list[Example]:
    wanted = {
        label: round(share * sum(e.answer is None and e.prompt_label == label for e in material.examples))
        for label in (0, 1)
    }
    rooms = [len(material.exchanges[label]) / n for label, n in wanted.items() if n]
    follow_share = min([FOLLOW_UP_SHARE, *rooms])
    joined: list[Example] = []
    for label in (0, 1):
        prompts = [e for e in material.examples if e.prompt_label == label and e.answer is None]
        answered = [e for e in material.examples if e.prompt_label == label and e.answer is not None]
        follow_ups = round(follow_share * wanted[label])
        last = prompts[: wanted[label] - follow_ups] + answered[: round(share * len(answered))]
        joined += [_before(_earlier(example, material, seed), example) for example in last]
        joined += [_follow(exchange, seed) for exchange in material.exchanges[label][:follow_ups]]
    return joined


def _earlier(last: Example, material: _Material, seed: int) -> Example:
    """A permitted exchange to stand before `last`: half of them on its own topic, such as its twin."""
    at = int(fingerprint(["earlier", seed, last.id]), 16)
    near = (material.by_family.get(last.family, ()), material.by_rule.get(last.rule, ()))
    pools = (*near, material.permitted) if at % 100 < 100 * NEAR_SHARE else (material.permitted,)
    for pool in pools:
        if others := [e for e in pool if e.prompt != last.prompt]:
            return others[at // 100 % len(others)]
    return material.permitted[0]


def _before(first: Example, last: Example) -> Example:
    return replace(
        last,
        id=fingerprint(["joined", first.id, last.id])[:12],
        messages=(*first.messages, *last.messages),
        source="joined:request",
        parent=last.id,
        family=last.family or last.id,
    )


def _follow(exchange: Example, seed: int) -> Example:
    said = FOLLOW_UPS[int(fingerprint(["follow", seed, exchange.id]), 16) % len(FOLLOW_UPS)]
    return replace(
        exchange,
        id=fingerprint(["joined", exchange.id, said])[:12],
        messages=(*exchange.messages, Message("user", said)),
        answer_label=None,
        onset_char=None,
        source="joined:follow_up",
        parent=exchange.id,
        family=exchange.family or exchange.id,
    )


def _is_plain(example: Example) -> bool:
    roles = tuple(message.role for message in example.messages)
    return roles in {("user",), ("user", "assistant")} and not example.transforms and example.prompt_label is not None
