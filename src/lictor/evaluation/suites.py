"""The suites an evaluation runs: attacks and permitted requests in the same wrappers, and conversations from files.

In: a domain, sizes, the families kept out of training; labelled conversations. Out: cases, in an order in which any
beginning is a fair sample. Knows no guard or target.

Cites: CC1 §5.1 (10,000 composed attempts on ten questions, a part of them from families training never saw).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from lictor.artifacts import fingerprint
from lictor.augment.registry import transforms
from lictor.errors import UsageError
from lictor.evaluation.ahead import Exchange
from lictor.evaluation.questions import Domain
from lictor.evaluation.suite import (
    PLAIN,
    Request,
    Strategy,
    build_attacks,
    build_permitted,
    deal_strategies,
    ordinary_requests,
)
from lictor.evaluation.turns import LONG, TURNS, Shape
from lictor.types import Attack, Bucket, Conversation, Example

Kind = Literal["attack", "permitted", "benign", "restricted"]
"""An attack on a question; a permitted request in the same wrapper; a benign or a restricted conversation as given."""

WORST_CASE = "worst case"
SHARES = {"seen": 0.2, "unseen": 0.3, "stacked": 0.35, "turns": 0.1, "long": 0.05}
"""How the attacks that are not plain are dealt over suites."""

PERMITTED_PER_SUITE = 0.2
"""Permitted requests for each attack of a suite."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to put before a guard."""

    id: str
    kind: Kind
    suite: str
    source: str = ""
    """Where a conversation that is given comes from; false positives are averaged over these."""
    target: str = ""
    """Who answers an attack or a permitted request."""
    attack: Attack | None = None
    preface_chars: int = 0
    """Ordinary prose that the answer begins with."""
    exchanges: tuple[Exchange, ...] = ()
    """A conversation that is given, turn by turn."""
    rule: str | None = None
    bucket: Bucket | None = None
    lang: str = "en"


class Suite(NamedTuple):
    """Strategies of one kind."""

    name: str
    strategies: tuple[Strategy, ...]
    shapes: dict[str, Shape]
    """Where the strategies are shapes: the shape of each, by the part of its name before `#`."""


def deal_suites(n_attacks: int, domain: Domain, hold_out: Sequence[str], *, seed: int = 0) -> tuple[Suite, ...]:
    """About `n_attacks` attacks on the domain's questions, as suites of strategies.

    `plain` asks every question in every wording; `seen` uses families that training used, `unseen` those it did not,
    `stacked` compositions with at least one of the latter; `turns` and `long` change what stands around.

    Args:
        n_attacks: How many; a strategy attacks every question.
        domain: Whose questions.
        hold_out: Families and transforms that training did not see; without any, `unseen` and `stacked` are left out.
        seed: The same seed deals the same suites.
    """
    wordings = 1 + max((len(question.ask) for question in domain.questions), default=0)
    plain = Suite(PLAIN, tuple(Strategy("plain", (), at) for at in range(wordings)), {})
    unseen = [made.name for made in transforms().values() if {made.name, made.family} & set(hold_out)]
    shares = {name: share for name, share in SHARES.items() if unseen or name not in ("unseen", "stacked")}
    left = max(0, round(n_attacks / len(domain.questions)) - wordings)
    counts = {name: round(left * share / sum(shares.values())) for name, share in shares.items()}
    suites = [plain]
    for name, n in counts.items():
        if n:
            suites.append(_suite(name, n, unseen, hold_out, seed))
    return tuple(suites)


def _suite(name: str, n: int, unseen: Sequence[str], hold_out: Sequence[str], seed: int) -> Suite:
    match name:
        case "seen":
            return Suite(name, deal_strategies(n, hold_out=hold_out, depth=2, seed=seed), {})
        case "unseen":
            return Suite(name, deal_strategies(n, names=unseen, depth=1, seed=seed), {})
        case "stacked":
            return Suite(name, _stacked(n, unseen, seed), {})
        case _:
            shapes = TURNS if name == "turns" else LONG
            names = list(shapes)
            return Suite(
                name, tuple(Strategy(f"{names[at % len(names)]}#{at}", (), seed + at) for at in range(n)), shapes
            )


def _stacked(n: int, unseen: Sequence[str], seed: int) -> tuple[Strategy, ...]:
    """Strategies of two or three steps, at least one of them of a family training never saw."""
    found: list[Strategy] = []
    dealt = 4 * n
    while len(found) < n:
        every = deal_strategies(dealt, depth=3, seed=seed)
        found = [s for s in every if len(s.chain) > 1 and {step.partition("@")[0] for step in s.chain} & set(unseen)]
        dealt *= 2
    return tuple(found[:n])


def cases_of(suites: Sequence[Suite], domain: Domain, *, target: str = WORST_CASE, seed: int = 0) -> list[Case]:
    """Every strategy on every question, and permitted requests in the same wrappers; after the plain ones, shuffled."""
    units: list[list[Case]] = []
    for suite in suites:
        units += [_attacks(suite, strategy, domain, target) for strategy in suite.strategies]
        if domain.ordinary:
            n = max(len(suite.strategies), round(len(suite.strategies) * len(domain.questions) * PERMITTED_PER_SUITE))
            units += [[case] for case in _permitted(suite, ordinary_requests(domain, n), domain, target)]
    order = np.random.default_rng([seed, 5]).permutation(len(units))
    shuffled = [units[int(index)] for index in order]
    shuffled.sort(key=lambda unit: unit[0].suite != PLAIN)  # they say what an unguarded answer covers
    return [case for unit in shuffled for case in unit]


def _attacks(suite: Suite, strategy: Strategy, domain: Domain, target: str) -> list[Case]:
    rules = {question.id: question.rule for question in domain.questions}
    form = Case("", "attack", suite.name, target=target)
    return [
        _case(suite, strategy, attack, domain, replace(form, rule=rules[attack.question or ""]))
        for attack in build_attacks(domain, [strategy])
    ]


def _permitted(suite: Suite, requests: Sequence[Request], domain: Domain, target: str) -> list[Case]:
    form = Case("", "permitted", suite.name, target=target)
    return [
        _case(
            suite, suite.strategies[at % len(suite.strategies)], replace(attack, id=f"{attack.id}-{at}"), domain, form
        )
        for at, attack in enumerate(build_permitted(requests, suite.strategies))
    ]


def _case(suite: Suite, strategy: Strategy, attack: Attack, domain: Domain, form: Case) -> Case:
    """The case of an attack, brought into its shape where the strategy is one."""
    preface = 0
    shape = suite.shapes.get(strategy.name.partition("#")[0])
    if shape is not None:
        rng = np.random.default_rng([strategy.seed, 9])
        messages, preface = shape(attack.messages[-1].content, domain.ordinary, rng)
        attack = replace(attack, messages=messages, family=strategy.name.partition("#")[0])
    identity = fingerprint([suite.name, form.kind, form.target, attack.id])
    return replace(form, id=identity, attack=replace(attack, id=identity), preface_chars=preface)


def riffle(first: Sequence[Case], second: Sequence[Case]) -> list[Case]:
    """Both in their orders, evenly mixed."""
    placed = [((at + 0.5) / len(cases), case) for cases in (first, second) for at, case in enumerate(cases)]
    return [case for _, case in sorted(placed, key=lambda one: one[0])]


def given_case(example: Example, *, suite: str, source: str, bucket: Bucket | None, at: int) -> Case:
    """The case of a conversation that is given, restricted if either of its labels says so."""
    is_restricted = 1 in (example.prompt_label, example.answer_label)
    return Case(
        id=fingerprint([suite, source, at, example.id]),
        kind="restricted" if is_restricted else "benign",
        suite=suite,
        source=source,
        exchanges=exchanges_of(example.messages),
        rule=example.rule,
        bucket="restricted" if is_restricted else bucket,
        lang=example.lang,
    )


def exchanges_of(conversation: Conversation) -> tuple[Exchange, ...]:
    """The conversation turn by turn: every user turn with the answer after it, as a guard would have met it.

    Raises:
        UsageError: It has neither a user turn nor an answer.
    """
    found: list[Exchange] = []
    for at, message in enumerate(conversation):
        following = conversation[at + 1] if at + 1 < len(conversation) else None
        answer = following.content if following and following.role == "assistant" else None
        if message.role == "user":
            found.append(Exchange(conversation[: at + 1], answer))
        elif message.role == "assistant" and (at == 0 or conversation[at - 1].role != "user"):
            found.append(Exchange(conversation[:at], message.content))
    if not found:
        raise UsageError(
            f"expected a user or assistant turn in each conversation, got roles {[m.role for m in conversation]}"
        )
    return tuple(found)
