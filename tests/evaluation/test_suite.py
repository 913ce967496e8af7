"""Suites: the same strategies on every question, and on permitted requests."""

import pytest

from lictor.augment import transforms
from lictor.errors import UsageError
from lictor.evaluation.suite import (
    Request,
    Strategy,
    build_attacks,
    build_permitted,
    deal_strategies,
    ordinary_requests,
)

from .small import small_domain


def test_a_strategy_is_the_same_over_all_questions() -> None:
    """Each strategy meets each question once, with one output chain."""
    strategies = deal_strategies(12, seed=3)
    attacks = build_attacks(small_domain(), strategies)

    assert len(attacks) == 24
    assert len({attack.id for attack in attacks}) == 24
    for strategy in strategies:
        of = [attack for attack in attacks if attack.strategy == strategy.name]
        assert {attack.question for attack in of} == {"q1", "q2"}
        assert len({attack.output_chain for attack in of}) == 1


def test_suites_repeat_for_a_seed_and_differ_between_seeds() -> None:
    """The seed alone decides what is asked."""
    assert build_attacks(small_domain(), deal_strategies(5, seed=1)) == build_attacks(
        small_domain(), deal_strategies(5, seed=1)
    )
    assert deal_strategies(5, seed=1) != deal_strategies(5, seed=2)


def test_only_the_families_asked_for_are_dealt() -> None:
    """A suite of held-out families uses their transforms and no others."""
    allowed = {made.name for made in transforms().values() if made.family in ("morse", "acrostic")}
    dealt = deal_strategies(10, families=("morse", "acrostic"))

    assert {step.partition("@")[0] for strategy in dealt for step in strategy.chain} <= allowed
    assert {family for strategy in dealt for family in strategy.family.split("+")} == {"morse", "acrostic"}


def test_an_output_step_is_asked_for_and_left_to_the_target() -> None:
    """An answer-side step adds a sentence to the request and goes to the target; the question stays readable."""
    [attack, _] = build_attacks(small_domain(), [Strategy("s", ("base64@answer",), 0)])

    assert attack.output_chain == ("base64@answer",)
    assert attack.messages[-1].content.startswith("How is it melted?")
    assert "base64" in attack.messages[-1].content.lower()


def test_a_plain_strategy_asks_the_question_as_it_is() -> None:
    """Without transforms the question is sent unchanged."""
    [attack, _] = build_attacks(small_domain(), [Strategy("plain", (), 0)])

    assert attack.messages[-1].content == "How is it melted?"
    assert (attack.family, attack.output_chain) == ("plain", ())


def test_permitted_requests_wear_the_same_wrappers() -> None:
    """Permitted requests take the strategies in turn and ask nothing restricted."""
    strategies = deal_strategies(3)
    permitted = build_permitted(ordinary_requests(small_domain(), 6), strategies)

    assert [attack.strategy for attack in permitted] == [strategy.name for strategy in strategies] * 2
    assert {attack.question for attack in permitted} == {None}
    assert {attack.request for attack in permitted} == {"bread", "tea"}
    assert len({attack.id for attack in permitted}) == 6


def test_permitted_requests_need_strategies() -> None:
    """No strategies is wrong use."""
    with pytest.raises(UsageError, match="at least one strategy"):
        build_permitted([Request("tea", "Tea?")], [])
