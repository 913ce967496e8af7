"""The searches: how the next attempt follows from what became of the last.

In: an aim, moves, a random generator. Out: a generator that yields plans, is sent readings and never ends by itself.
Each is deterministic in its random generator and the readings. Knows no guard, target, budget or clock.

Cites: Best-of-N jailbreaking (arXiv 2412.03556); PAIR (2310.08419) for rewriting; TAP (2312.02119) for the tree;
Crescendo (2404.01833) for the gradual one; deletion of words to find the telling ones after TextFooler (1907.11932).
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from lictor.augment.registry import get
from lictor.redteam.leading import follow_ups, mentions, openings
from lictor.redteam.moves import Moves
from lictor.redteam.plans import Aim, Plan, Reading
from lictor.types import Conversation, Message

Search = Generator[Plan, Reading, None]
Attacker = Callable[[Aim, Moves, np.random.Generator], Search]

_PATIENCE = 8
"""Attempts without a gain after which a search starts anew."""
_WIDTH, _BRANCHES, _DEPTH = 4, 3, 5
_BLOCKS = 8
"""Parts a request is cut into, to find the telling ones."""
_LOCAL = ("hyphenated", "dotted", "leet", "homoglyph", "reverse_text", "case_noise")
"""Transforms that hide single words and leave the rest of the request as it is."""


class Node(NamedTuple):
    """An attempt and what became of it."""

    plan: Plan
    reading: Reading


def best_of_n(aim: Aim, moves: Moves, rng: np.random.Generator) -> Search:
    """Draws blindly, again and again: what a search must beat."""
    while True:
        yield moves.draw(aim, rng)


def rewriting(aim: Aim, moves: Moves, rng: np.random.Generator) -> Search:
    """Changes the best attempt so far by one move, and goes on from there unless it got worse."""
    while True:
        best = yield from attempt(moves.start(aim, rng))
        stale = 0
        while stale < _PATIENCE:
            new = yield from attempt(moves.change(best.plan, best.reading, rng))
            stale = 0 if new.reading.rank > best.reading.rank else stale + 1
            if new.reading.rank >= best.reading.rank:
                best = new


def tree(aim: Aim, moves: Moves, rng: np.random.Generator) -> Search:
    """Branches from the few best attempts of each level, and prunes the rest."""
    while True:
        level = [(yield from attempt(moves.start(aim, rng)))]
        for _ in range(_DEPTH):
            grown = list(level)
            for node in level:
                for _ in range(_BRANCHES):
                    grown.append((yield from attempt(moves.change(node.plan, node.reading, rng))))
            level = sorted(grown, key=lambda node: node.reading.rank, reverse=True)[:_WIDTH]


def boundary(aim: Aim, moves: Moves, rng: np.random.Generator) -> Search:
    """Leaves out part after part to see which words the score rests on, then hides those, and those alone.

    Once the prompt passes, answer-side steps are added in the order of how far each lowers the score.
    """
    while True:
        at = yield from attempt(moves.start(aim, rng))
        if at.reading.stage == "input":
            at = yield from _hide_telling_words(at, moves, rng)
        if at.reading.stage == "output":
            yield from _descend_answers(at, moves, rng)


def gradual(aim: Aim, moves: Moves, rng: np.random.Generator) -> Search:
    """Begins with permitted talk on the subject, comes to the request turn by turn, and steps back when refused."""
    while True:
        plan = moves.start(aim, rng)
        turns = moves.lead_in(rng)
        for opening in openings(rng):
            turns = yield from _talk(replace(plan, text=opening, turns=turns, asks=False))
        before = turns
        for mention in mentions(plan.text, rng):
            turns = yield from _talk(replace(plan, text=mention, turns=before, asks=False))
            if turns != before:
                yield from _ask_in_passing(replace(plan, turns=turns), moves, rng)
                break
        else:  # no mention passed: ask outright, after the talk
            yield from climb((yield from attempt(replace(plan, turns=before))), moves, rng)


ATTACKERS: Mapping[str, Attacker] = MappingProxyType(
    {attacker.__name__: attacker for attacker in (best_of_n, rewriting, tree, boundary, gradual)}
)
"""Every attacker by name."""


def attempt(plan: Plan) -> Generator[Plan, Reading, Node]:
    """Yield `plan`, and keep what became of it."""
    reading = yield plan
    return Node(plan, reading)


def _talk(early: Plan) -> Generator[Plan, Reading, Conversation]:
    """The turns after `early` was sent: with it and its reply, or as they were where it was blocked."""
    node = yield from attempt(early)
    if node.reading.stage is not None or node.reading.result == "error":
        return early.turns
    return (*early.turns, Message("user", early.text), Message("assistant", node.reading.delivered))


def _ask_in_passing(mentioned: Plan, moves: Moves, rng: np.random.Generator) -> Search:
    asked: list[Node] = []
    for follow_up in follow_ups(rng):
        asked.append((yield from attempt(replace(mentioned, text=follow_up))))
    yield from climb(max(asked, key=lambda node: node.reading.rank), moves, rng)


def climb(at: Node, moves: Moves, rng: np.random.Generator) -> Search:
    """A few moves on, each from the best so far."""
    for _ in range(_PATIENCE):
        new = yield from attempt(moves.change(at.plan, at.reading, rng))
        at = new if new.reading.rank >= at.reading.rank else at


def _hide_telling_words(start: Node, moves: Moves, rng: np.random.Generator) -> Generator[Plan, Reading, Node]:
    """The first prompt that passes, or the best there was."""
    words = start.plan.text.split(" ")
    cuts = np.array_split(np.arange(len(words)), min(_BLOCKS, len(words)))
    weights: list[float] = []
    for block in cuts:
        rest = " ".join(word for at, word in enumerate(words) if at not in block)
        probe = yield from attempt(replace(start.plan, text=rest or "?", asks=False))
        lowered = start.reading.margin - probe.reading.margin
        weights.append(lowered if probe.reading.stage == "input" else np.inf)
    at = start
    for index in np.argsort(weights)[::-1]:
        how = _LOCAL[int(rng.integers(len(_LOCAL)))]
        hidden = [get(how).apply(word, rng) if i in cuts[int(index)] else word for i, word in enumerate(words)]
        new = yield from attempt(replace(at.plan, text=" ".join(hidden), edits=(*at.plan.edits, how)))
        if new.reading.rank > at.reading.rank:
            at, words = new, hidden
        if at.reading.stage != "input":
            return at
    for _ in range(_PATIENCE):
        new = yield from attempt(moves.change(at.plan, at.reading, rng))
        at = new if new.reading.rank >= at.reading.rank else at
        if at.reading.stage != "input":
            return at
    return at


def _descend_answers(start: Node, moves: Moves, rng: np.random.Generator) -> Generator[Plan, Reading, None]:
    """Tries answer-side steps one by one, then pairs of those that lowered the score most."""
    steps = [moves.on("output")[int(i)] for i in rng.permutation(len(moves.on("output")))]
    tried: list[Node] = []
    for step in steps:
        tried.append((yield from attempt(start.plan.with_chain((*start.plan.chain, step)))))
    tried.sort(key=lambda node: node.reading.rank, reverse=True)
    for node in tried[:2]:
        yield from climb(node, moves, rng)
