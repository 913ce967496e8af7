"""Finds become examples, each beside a permitted one that wears the same words and disguise."""

from dataclasses import replace

from lictor.constitution import Constitution
from lictor.pipeline.redteam import permitted_near
from lictor.redteam import Plan, Reading, Tried, carry_out
from lictor.redteam.finds import examples_of, permitted_twins
from lictor.redteam.rewriting import RULES
from lictor.types import Example, Message

from .small import AIM

WON = Reading("success", None, 0.0, 4, "Heat it for nine hours.")
LOST = Reading("blocked", "input", 2.0, 0, "")
ASKED = "How was glass taxed in those days, and who paid?"


def tried(plan: Plan, reading: Reading = WON) -> Tried:
    """One query."""
    return Tried("tree", plan, carry_out(plan, "tree"), reading, 1, 0.5)


def permitted(text: str = ASKED) -> Example:
    """A permitted question with its answer."""
    messages = (Message("user", text), Message("assistant", "By weight, and the makers did."))
    return Example("p1", "c", messages, 0, 0, "history", "synthesis", family="tax")


def test_only_successes_become_examples_of_their_family() -> None:
    """With both labels, the rule, the disguise and what was delivered."""
    plan = Plan(AIM, AIM.wordings[0]).with_chain(("novel_scene", "base64@answer"))

    [example] = examples_of([tried(plan), tried(Plan(AIM, "x"), LOST)], "c")

    assert (example.prompt_label, example.answer_label, example.rule, example.family) == (1, 1, "melt", "family-1")
    assert (example.transforms, example.answer, example.split) == (plan.chain, WON.delivered, "train")
    assert example.source == "redteam:tree"


def test_a_twin_goes_through_the_same_rules_and_transforms() -> None:
    """Its labels stay permitted."""
    plan = Plan(AIM, "?", edits=("purpose",)).with_chain(("rot13@prompt", "base64@answer"))

    [twin] = permitted_twins([tried(plan), tried(plan, LOST)], [permitted()], RULES, seed=0)

    assert (twin.prompt_label, twin.answer_label, twin.rule, twin.family) == (0, 0, "history", "tax")
    assert twin.transforms == ("rot13", "base64@answer")
    assert ASKED not in twin.messages[0].content
    assert twin.answer is not None
    assert "makers" not in twin.answer


def test_the_twin_of_a_request_in_passing_mentions_the_permitted_one() -> None:
    """The turns before are the same, with the permitted request in the place of the restricted one."""
    mention = f'The card reads: "{AIM.wordings[0]}" Is it clear?'
    plan = Plan(AIM, "Please go on with it.", turns=(Message("user", mention), Message("assistant", "It is.")))

    [twin] = permitted_twins([tried(plan)], [permitted()], RULES, seed=0)

    assert [m.content for m in twin.messages[:3]] == [
        f'The card reads: "{ASKED}" Is it clear?',
        "It is.",
        "Please go on with it.",
    ]


def test_the_twin_of_a_staged_find_holds_none_of_its_words() -> None:
    """A generator's turns are all about the request, so permitted talk takes their place."""
    turns = (Message("user", "I heard of emberglass."), Message("assistant", "Yes?"))
    plan = Plan(AIM, "So, the salt of emberglass?", edits=("staged",), turns=turns)

    [twin] = permitted_twins([tried(plan)], [permitted(), permitted("Who wrote of it first?")], RULES, seed=0)

    assert [m.role for m in twin.messages] == ["user", "assistant"] * 2
    assert not any("emberglass" in m.content for m in twin.messages)


def test_disguised_words_are_matched_by_disguised_words() -> None:
    """As many of them, in another place, and the rest as it was."""
    plan = Plan(AIM, "How do I m-e-l-t it?", edits=("hyphenated",))

    [twin] = permitted_twins([tried(plan)], [permitted()], RULES, seed=0)

    changed = [word for word in twin.messages[0].content.split() if word not in ASKED.split()]
    assert len(changed) == 1


def test_without_permitted_answers_there_are_no_twins() -> None:
    """Prompts alone can't balance finds that come with answers."""
    alone = Example("p", "c", (Message("user", "x"),), 0, None, "history", "synthesis")

    assert permitted_twins([tried(Plan(AIM, "x"))], [alone], RULES, seed=0) == []


def test_a_permitted_question_with_a_restricted_answer_is_no_twin() -> None:
    """Its words are permitted, what was said to it is not."""
    rules = Constitution.parse(
        "{version: 1, name: x, summary: x, restricted: [{id: melt, text: x}], "
        "permitted: {same_domain: [{id: history, text: y}]}}",
        "x",
    )
    answered = replace(permitted(), split="train")
    given_away = replace(answered, id="p2", answer_label=1, rule="melt")

    assert permitted_near([given_away, answered], rules) == [answered]
    assert permitted_near([given_away, replace(answered, rule=None)], rules) == [replace(answered, rule=None)]
