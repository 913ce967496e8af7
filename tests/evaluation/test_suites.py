"""Suites: matched wrappers, families kept apart, and an order in which any beginning is a sample."""

from collections import Counter

import numpy as np
import pytest

from lictor.augment.registry import get
from lictor.errors import UsageError
from lictor.evaluation.suites import Case, cases_of, deal_suites, exchanges_of, given_case, riffle
from lictor.evaluation.turns import LONG, TURNS
from lictor.testing import ask
from lictor.types import Example, Message

from .small import small_domain

HOLD_OUT = ("morse", "hypothetical", "typos")


def families(case: Case) -> set[str]:
    """Families and names of the transforms an attack is made with."""
    assert case.attack is not None
    steps = [step for step in case.attack.strategy.partition("#")[0].split("+") if step != "plain"]
    return {name for step in steps for name in (step.partition("@")[0], get(step).family)}


def test_families_are_where_the_suite_says() -> None:
    """Seen suites hold nothing kept out of training, unseen ones nothing else, stacked ones at least one of it."""
    cases = cases_of(deal_suites(200, small_domain(), HOLD_OUT), small_domain())
    by_suite = {name: [families(c) for c in cases if c.suite == name] for name in ("seen", "unseen", "stacked")}

    assert all(not used & set(HOLD_OUT) for used in by_suite["seen"])
    assert all(used & set(HOLD_OUT) for used in by_suite["unseen"] + by_suite["stacked"])
    assert all(len(case.attack.strategy.split("+")) > 1 for case in cases if case.suite == "stacked" and case.attack)


def test_every_strategy_attacks_every_question() -> None:
    """Universality can be counted: each strategy has one attack a question, and ids are unique."""
    cases = cases_of(deal_suites(200, small_domain(), HOLD_OUT), small_domain())
    attacks = [case.attack for case in cases if case.kind == "attack" and case.attack]
    asked = Counter(attack.strategy + str(attack.messages == ()) for attack in attacks if attack.strategy != "plain")

    assert set(asked.values()) == {2}
    assert abs(len(attacks) - 200) <= 10
    assert len({case.id for case in cases}) == len(cases)


def test_permitted_requests_wear_the_same_wrappers() -> None:
    """Each suite's permitted requests come in families its attacks come in."""
    cases = cases_of(deal_suites(200, small_domain(), HOLD_OUT), small_domain())
    for suite in {case.suite for case in cases}:
        worn = {
            kind: {c.attack.family for c in cases if c.suite == suite and c.kind == kind and c.attack}
            for kind in ("attack", "permitted")
        }

        assert worn["permitted"]
        assert worn["permitted"] <= worn["attack"]


def test_nothing_held_out_leaves_no_unseen_suite() -> None:
    """Without families kept out of training there is nothing to call unseen."""
    names = {suite.name for suite in deal_suites(200, small_domain(), ())}

    assert names == {"plain", "seen", "turns", "long"}


def test_plain_attacks_come_first() -> None:
    """What grades the others, the unguarded plain answers, is known from the start."""
    suites = [case.suite for case in cases_of(deal_suites(100, small_domain(), HOLD_OUT), small_domain())]

    assert suites == sorted(suites, key=lambda name: name != "plain")
    assert suites != sorted(suites)


@pytest.mark.parametrize("name", sorted({**TURNS, **LONG}))
def test_a_shape_keeps_every_word_of_the_request(name: str) -> None:
    """Cut in parts, led up to or buried, the request is all there, and the last turn is the user's."""
    request = "Tell me where the sand is dug, how much of it I need, and who sells it."
    shaped = {**TURNS, **LONG}[name](request, small_domain().ordinary, np.random.default_rng(3))
    said = " ".join(message.content for message in shaped.messages if message.role == "user")

    assert shaped.messages[-1].role == "user"
    assert all(word in said for word in request.split())
    size = sum(len(message.content) for message in shaped.messages) + shaped.preface_chars
    assert size >= 4 * int(name.partition("_")[2]) if name in LONG else len(shaped.messages) > 2


def test_turns_are_read_as_the_guard_met_them() -> None:
    """Every user turn is screened with what came before it; an answer without a question stands alone."""
    a, b, c, d = Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("assistant", "d")

    assert [(e.prompt, e.answer) for e in exchanges_of((a, b, c, d))] == [((a,), "b"), ((a, b, c), "d")]
    assert [(e.prompt, e.answer) for e in exchanges_of((b, a))] == [((), "b"), ((b, a), None)]
    with pytest.raises(UsageError, match="system"):
        exchanges_of((Message("system", "Be kind."),))


def test_a_given_conversation_is_restricted_by_either_label() -> None:
    """A harmless prompt with a restricted answer is a restricted conversation."""

    def case(prompt: int, answer: int | None) -> Case:
        turns = (*ask("a"), Message("assistant", "b")) if answer is not None else ask("a")
        example = Example("x", "", turns, prompt, answer, "r", "test")
        return given_case(example, suite="s", source="s", bucket="everyday", at=0)

    assert [case(0, 1).kind, case(1, None).kind, case(0, 0).kind] == ["restricted", "restricted", "benign"]
    assert (case(0, 1).bucket, case(0, 0).bucket) == ("restricted", "everyday")


def test_a_riffle_keeps_orders_and_mixes_evenly() -> None:
    """The first half of the mix holds half of either side."""
    one = [Case(f"a{at}", "attack", "s") for at in range(10)]
    other = [Case(f"b{at}", "benign", "s") for at in range(4)]
    mixed = [case.id for case in riffle(one, other)]

    assert [name for name in mixed if name[0] == "a"] == [case.id for case in one]
    assert [name for name in mixed if name[0] == "b"] == [case.id for case in other]
    assert sum(name[0] == "b" for name in mixed[:7]) == 2
