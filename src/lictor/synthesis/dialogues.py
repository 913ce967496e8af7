"""Conversations of several turns, written by the generator up to the message that a rule is about.

In: rules, material, a seed. Out: prompts for the generator, and what it wrote as queries with turns before them.
Knows no model.
"""

import re
from collections.abc import Sequence

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Rule
from lictor.synthesis.filters import is_loop, is_meta, is_refusal
from lictor.synthesis.material import Material, read_prompt
from lictor.synthesis.queries import Call, Query, clean
from lictor.synthesis.variety import deal_facets
from lictor.types import Message

TURNS = (2, 3, 4)
"""Times the person speaks."""
TURN_TOKENS = 60
_LINE = re.compile(r"^\W*(Person|User|Student|Assistant|Tutor|Teacher)\W*:\s*(.+)", re.IGNORECASE)
_ASSISTANT = {"assistant", "tutor", "teacher"}


def dialogue_calls(rules: Sequence[Rule], material: Material, *, count: int, seed: int) -> list[tuple[Rule, Call]]:
    """`count` calls, the rules taking turns."""
    share = -(-count // max(1, len(rules)))
    calls = [[(rule, call) for call in _calls(rule, material, share, seed)] for rule in rules]
    return [own[at] for at in range(share) for own in calls][:count]


def read_dialogue(rule: Rule, answer: str, call: Call, material: Material) -> Query | None:
    """The conversation the generator wrote, as a family of its own; None where it is none, or refuses or loops."""
    turns: list[Message] = []
    for line in answer.splitlines():
        if match := _LINE.match(line):
            role = "assistant" if match[1].lower() in _ASSISTANT else "user"
            turns.append(Message(role, material.revealed(clean(match[2]))))
        elif line.strip() and turns:
            turns[-1] = Message(turns[-1].role, f"{turns[-1].content}\n{line.strip()}")
    while turns and turns[-1].role == "assistant":
        turns.pop()
    said = "\n".join(turn.content for turn in turns)
    alternates = all(turn.role == ("user", "assistant")[at % 2] for at, turn in enumerate(turns))
    if len(turns) < 3 or not alternates or is_meta(said) or is_loop(said) or any(is_refusal(t.content) for t in turns):
        return None
    if not all(2 <= len(turn.content) <= 1000 for turn in turns):
        return None
    key = fingerprint(["dialogue", rule.id, said])
    before, last = tuple(turns[:-1]), turns[-1].content
    return Query(key[:12], rule.id, last, key, "generated", facets=call.facets, turns=before)


def _calls(rule: Rule, material: Material, count: int, seed: int) -> list[Call]:
    rng = np.random.default_rng([seed, 13, int(rule.fingerprint, 16) % 2**32])
    made: list[Call] = []
    for facets in deal_facets(rule, material, calls=count, rng=rng):
        picked = rng.permutation(len(rule.examples))[:2]
        text = read_prompt("dialogue").format(
            scene=material.scene,
            subject=rule.text,
            examples="" if material.scene else "\n".join(f"- {rule.examples[i]}" for i in picked),
            voice=facets.persona,
            keyword=facets.keyword or "something else",
            register=facets.register,
            length=facets.length.removeprefix("of "),
            count=TURNS[rng.integers(len(TURNS))],
        )
        made.append(Call(material.disguised(text).strip(), facets))
    return made
