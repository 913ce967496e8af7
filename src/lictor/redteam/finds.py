"""What a hunt found, as examples that training takes, and the permitted ones that balance them.

In: successful attempts, permitted examples. Out: labelled examples in the families they were made from. Each find is
matched by a permitted request in the very same words around it and the same disguise, so that a way of asking is
never a sign. Knows no guard.

Cites: CC1 section 3.3 and appendix 6 (finds balanced by about as many benign requests on the subject).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lictor.artifacts import fingerprint
from lictor.augment.compose import apply_chain
from lictor.augment.registry import get, transforms
from lictor.redteam.hunt import Tried
from lictor.redteam.rewriting import Rewrite
from lictor.redteam.staged import STAGED
from lictor.types import Conversation, Example, Message


def examples_of(tried: Sequence[Tried], constitution: str) -> list[Example]:
    """A restricted example of each success: what was asked, and what was delivered."""
    return [_example(one, constitution) for one in tried if one.reading.result == "success"]


def permitted_twins(
    tried: Sequence[Tried], permitted: Sequence[Example], rules: Mapping[str, Rewrite], *, seed: int
) -> list[Example]:
    """For each success, a permitted answered example through the same turns, rules and transforms.

    `permitted` is gone through in a random order, again from its start when it is used up; nothing is made of none.
    """
    rng = np.random.default_rng([seed, 11])
    answered = [example for example in permitted if example.answer is not None and len(example.messages) == 2]
    order = [answered[int(i)] for i in rng.permutation(len(answered))]
    wins = [one for one in tried if one.reading.result == "success"] if order else []
    turned = [[*order[at % len(order) :], *order[: at % len(order)]] for at in range(len(wins))]
    return [_twin(one, first, others, rules, seed) for one, (first, *others) in zip(wins, turned, strict=True)]


def _example(one: Tried, constitution: str) -> Example:
    messages = (*one.attack.messages, Message("assistant", one.reading.delivered))
    return Example(
        id=fingerprint([one.attack.id, one.reading.delivered])[:12],
        constitution=constitution,
        messages=messages,
        prompt_label=1,
        answer_label=1,
        rule=one.plan.aim.rule,
        source=f"redteam:{one.attacker}",
        generator="redteam",
        transforms=one.plan.chain,
        parent=one.plan.aim.question,
        family=one.plan.aim.family or one.plan.aim.question,
    )


def _twin(one: Tried, example: Example, others: Sequence[Example], rules: Mapping[str, Rewrite], seed: int) -> Example:
    """`example` asked as the find was: nothing of what the find asks for is left in it."""
    rng = np.random.default_rng([seed, int(one.attack.id[:8], 16)])
    asked, answer = example.messages
    wordings, plan = one.plan.aim.wordings, one.plan
    if STAGED in plan.edits:  # its turns are free text about the request: permitted talk stands in for them
        turns: Conversation = tuple(turn for other in others[: len(plan.turns) // 2] for turn in other.messages)
    else:
        turns = tuple(replace(turn, content=_exchanged(turn.content, wordings, asked.content)) for turn in plan.turns)
    is_in_passing = turns != plan.turns and not plan.edits
    text = plan.text if is_in_passing else _edited(asked.content, plan.edits, rules, rng)
    twin = replace(
        example,
        id=fingerprint([example.id, one.attack.id])[:12],
        messages=(*turns, Message("user", text), answer),
        source=f"redteam:twin:{one.attacker}",
        generator="redteam",
        parent=example.id,
    )
    return apply_chain(twin, plan.chain, plan.seed) if plan.chain else twin


def _edited(text: str, edits: Sequence[str], rules: Mapping[str, Rewrite], rng: np.random.Generator) -> str:
    """`text` after the same rules; where a find had single words disguised, so has about an eighth of it."""
    for name in edits:
        if name in rules:
            text = rules[name](text, rng)
        elif name in transforms():
            words = text.split(" ")
            start, size = int(rng.integers(len(words))), max(1, len(words) // 8)
            hidden = [get(name).apply(word, rng) for word in words[start : start + size]]
            text = " ".join([*words[:start], *hidden, *words[start + size :]])
    return text


def _exchanged(text: str, wordings: Sequence[str], other: str) -> str:
    for wording in wordings:
        text = text.replace(wording, other)
    return text
