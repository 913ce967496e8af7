"""Searches: deterministic, within their budget, and each by its own logic."""

import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from lictor.evaluation.questions import load
from lictor.llm.scripted import ScriptedModel
from lictor.redteam import ATTACKERS, Budget, Plan, Reading, Tried, carry_out, hunt
from lictor.redteam.moves import Moves, all_steps
from lictor.redteam.rewriting import RULES, asking_model, keeps_request, renaming
from lictor.starter.folders import resolve

from .small import AIM, CountingProbe, counting, said

NEVER = Budget(queries=60, seconds=1e9, successes=10**6)
PLAIN = Moves(steps=all_steps())


@pytest.fixture(scope="module")
def wordings() -> list[str]:
    """All ways of asking the worked domain's questions."""
    return [text for q in load(resolve("starter:emberglass", Path())).questions for text in (q.text, *q.ask)]


def attack(attacker: str, probe: CountingProbe, budget: Budget = NEVER, seed: int = 0) -> list[Tried]:
    """All that one attacker tries for the small aim."""
    return list(hunt(AIM, attacker, PLAIN, probe, budget, seed=seed, clock=time.monotonic))


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_the_same_seed_makes_the_same_attacks_and_none_twice(attacker: str) -> None:
    """Two hunts with one seed ask the same; within a hunt every query is a new one, up to the budget."""
    one, two = (attack(attacker, counting({"emberglass", "salt"})) for _ in range(2))

    assert [t.attack for t in one] == [t.attack for t in two]
    assert len({t.attack.id for t in one}) == len(one) == NEVER.queries


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_another_seed_makes_other_attacks(attacker: str) -> None:
    """Seeds matter."""
    one, two = (attack(attacker, counting({"emberglass", "salt"}), seed=seed) for seed in (0, 1))

    assert {t.attack.id for t in one} != {t.attack.id for t in two}


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_a_hunt_ends_with_the_success_it_was_asked_for(attacker: str) -> None:
    """Where nothing is blocked, the first attempt that asks is the last query."""
    tried = attack(attacker, counting({"word that never occurs"}), Budget())

    assert [t.reading.result for t in tried if t.attack.question] == ["success"]
    assert tried[-1].reading.result == "success"


@pytest.mark.parametrize("attacker", sorted(set(ATTACKERS) - {"best_of_n"}))
def test_searches_get_past_a_list_of_words(attacker: str) -> None:
    """A guard that refuses three words is passed by every search within its budget."""
    tried = attack(attacker, counting({"emberglass", "salt", "heat"}), Budget(queries=120, seconds=1e9))

    assert tried[-1].reading.result == "success"


def test_a_hunt_ends_when_its_time_is_spent() -> None:
    """The clock is the caller's."""
    ticks = count()
    tried = list(
        hunt(AIM, "tree", PLAIN, counting({"melt", "emberglass"}), Budget(100, 10.0), seed=0, clock=lambda: next(ticks))
    )

    assert 1 <= len(tried) <= 10


def test_boundary_finds_the_telling_word_and_leaves_the_rest() -> None:
    """Only the part the score rests on is disguised; probes that leave words out never count as attempts."""
    tried = attack("boundary", counting({"emberglass"}), Budget())
    probes = [t for t in tried if t.attack.question is None]
    won = tried[-1]

    assert probes
    assert all(t.reading.result != "success" for t in probes)
    assert "emberglass" not in won.plan.text
    assert {"heat,", "time"} <= set(won.plan.text.split())


def test_gradual_asks_in_passing_only_what_it_mentioned() -> None:
    """Whatever is asked for stands word for word in the conversation, however it was led up to."""
    tried = attack("gradual", CountingProbe({"How do I melt"}))
    tried += attack("gradual", CountingProbe({"word that never occurs"}))
    asking = [t for t in tried if t.attack.question and not t.plan.edits]

    assert any(len(t.plan.turns) >= 2 for t in asking)
    assert all(AIM.wordings[0] in said(t.plan) for t in asking)


def test_gradual_steps_back_when_a_turn_is_refused() -> None:
    """A refused turn is not part of the conversation that follows."""
    tried = attack("gradual", CountingProbe({"question box", "on my list", "my notebook", "for the programme"}))
    kept = {turn.content for t in tried for turn in t.attack.messages[:-1]}

    assert not any("question box" in text or "my notebook" in text for text in kept)


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"first_sentence"}))
def test_rules_leave_what_is_asked_for(rule: str, wordings: list[str]) -> None:
    """Every rule keeps the request of every wording of the worked domain's questions, and a seed fixes how."""
    for seed, text in enumerate(wordings):
        made = RULES[rule](text, np.random.default_rng(seed))
        assert keeps_request(text, made), (text, made)
        assert made == RULES[rule](text, np.random.default_rng(seed))


def test_a_model_that_strays_leaves_the_request_as_it_was() -> None:
    """A refusal, chatter and an answer on another subject are dropped; a rewriting is taken."""

    def reword(answer: str) -> str:
        return asking_model(ScriptedModel(lambda _c, _s: answer))(AIM.wordings[0], np.random.default_rng(0))

    good = "Somebody told me one can melt emberglass. What heat and how much salt?"

    assert reword("I'm sorry, I can't help with that.") == AIM.wordings[0]
    assert reword("Bread is best when it has rested overnight.") == AIM.wordings[0]
    assert reword(f"{good}\n\nI hope this helps!") == good


def test_renaming_says_another_name() -> None:
    """Whatever the letters' case."""
    assert renaming("emberglass", ["hob glass"])("Emberglass, how?", np.random.default_rng(0)) == "hob glass, how?"


def test_a_plan_carries_its_answer_chain_and_asks_for_it() -> None:
    """A prompt-side step changes what is sent; an answer-side one is asked for and handed to the target."""
    plan = Plan(AIM, AIM.wordings[0]).with_chain(("base64@answer", "novel_scene"))
    made = carry_out(plan, "x")
    early = carry_out(replace(plan, asks=False), "x")

    assert made.output_chain == ("base64@answer",)
    assert AIM.wordings[0] in made.messages[-1].content
    assert "base64" in made.messages[-1].content.lower().replace(" ", "").replace("-", "")
    assert (made.question, early.question) == (AIM.question, None)
    assert set(made.family.split("+")) == {"fiction", "encoding"}


def test_an_error_is_neither_success_nor_progress() -> None:
    """An attempt that broke the guard ranks below one that was refused."""
    broken = Reading("error", "input", 0.0, 0, "")
    refused = Reading("blocked", "input", 5.0, 0, "")
    halted = Reading("blocked", "output", 5.0, 0, "")

    assert broken.rank < refused.rank < halted.rank
