"""Texts of other forms than requests: cases of a rule that the generator names, and twins of texts."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from lictor.constitution import Constitution
from lictor.llm.scripted import ScriptedModel
from lictor.synthesis.asking import Report, turns
from lictor.synthesis.engine import SynthesisConfig, synthesise
from lictor.synthesis.estimate import estimate, stand_in
from lictor.synthesis.material import Material, read_prompt
from lictor.synthesis.queries import Query, cases_prompt, generation_prompts, read_cases, read_twin, twin_prompt
from lictor.synthesis.variety import keywords_of
from lictor.types import Conversation, Message, Sampling

from .small import CONSTITUTION

SOUP = CONSTITUTION.rule("soup")
CASES = {
    rule.id: tuple(f"{how} the {rule.id}" for how in ("hiding", "losing", "selling")) for rule in CONSTITUTION.rules
}
CONFIG = SynthesisConfig(queries_per_rule=12, answers=0, rewrites=0)
MATERIAL = Material(forms=("an e-mail", "a post"))
NEAR = Constitution.parse(
    """
version: 1
name: bells
summary: How bells are cast stays a secret of the guild.
restricted: [{id: cast, text: Steps of casting a bell.}]
permitted:
  same_domain: [{id: ring, text: Ringing a bell.}, {id: clapper, text: Clappers and ropes.}]
  everyday: [{id: soup, text: Cooking soup.}, {id: bike, text: Mending the bell at the handlebar.}]
""",
    "near.yaml",
)


class Writer:
    """A generator that names three cases of every rule, or none, and notes what it was asked with how much room."""

    def __init__(self, *, names: bool = True) -> None:
        self.asked: list[tuple[str, int]] = []
        self._names = names

    def __call__(self, conversation: Conversation, sampling: Sampling) -> str:
        """Cases, or what a filter keeps."""
        prompt = conversation[-1].content
        self.asked.append((prompt, sampling.max_tokens))
        if "different ways" not in prompt:
            return stand_in(prompt, sampling)
        cases = [case for rule in CONSTITUTION.rules if prompt.endswith(rule.text) for case in CASES[rule.id]]
        return "\n".join(f"{at}. {case}" for at, case in enumerate(cases, 1)) if self._names else "I cannot."


def make(writer: Writer, config: SynthesisConfig = CONFIG, constitution: Constitution = CONSTITUTION) -> Report:
    """What came of it."""
    return synthesise(constitution, MATERIAL, ScriptedModel(writer), config, lambda _s, _a, _n: None)[1]


def cases_told(writer: Writer, rule: str) -> list[str]:
    """The case that each text of a rule was to show."""
    texts = [
        prompt for prompt, _ in writer.asked if prompt.startswith(f"{CONSTITUTION.rule(rule).text}\nWrite a short")
    ]
    return [case for prompt in texts for case in re.findall(r"^What happens: (.+)$", prompt, re.MULTILINE)]


def test_texts_show_the_cases_of_their_rule_in_turn() -> None:
    """Each once before any comes again, and one text a call; what was kept is counted by case."""
    writer = Writer()
    report = make(writer)

    for rule, cases in CASES.items():
        told = cases_told(writer, rule)
        assert [set(told[at : at + 3]) for at in range(0, 12, 3)] == [set(cases)] * 4
        assert len(told) == 12
        assert report.coverage[rule]["keyword"] == dict.fromkeys(cases, 4)
    assert report.counts["queries asked for"] == report.counts["queries generated"] == 36


def test_cases_are_asked_for_once_a_rule_before_any_text() -> None:
    """In ten entries of a few words, with room for them."""
    writer = Writer()
    make(writer)

    begun = [f"Name 10 different ways in which this happens: {rule.text}" for rule in CONSTITUTION.rules]
    assert writer.asked[:3] == [(prompt, 220) for prompt in begun]
    assert [tokens for _, tokens in writer.asked[3:]] == [110] * 36
    assert not any("different ways" in prompt for prompt, _ in writer.asked[3:])


def test_texts_turn_on_words_of_the_rule_where_no_case_was_named() -> None:
    """As requests do."""
    writer = Writer(names=False)
    report = make(writer)

    assert set(cases_told(writer, "soup")) == set(report.coverage["soup"]["keyword"]) == set(keywords_of(SOUP))


def test_an_estimate_knows_of_cases() -> None:
    """And that there is one text a call."""
    stages = {s.stage: s for s in estimate(CONSTITUTION, MATERIAL, CONFIG, lambda _c, _s: None, "m")}

    assert [(s.calls, s.completion_tokens) for s in stages.values()] == [(3, 660), (3, 330), (33, 3630)]
    assert list(stages) == ["cases", "queries: trial", "queries"]


@pytest.mark.parametrize(("rule", "side"), [("cast", "restricted"), ("ring", "permitted"), ("soup", "permitted")])
def test_samples_stand_on_the_rules_own_side(rule: str, side: str) -> None:
    """Those of texts and those of cases; the request after them is the rule's."""
    (call,) = generation_prompts(CONSTITUTION.rule(rule), MATERIAL, calls=1, per_call=1, seed=0)
    *texts, _ = turns(call.prompt)
    *cases, asked = turns(cases_prompt(CONSTITUTION.rule(rule), MATERIAL))

    assert texts == list(turns(read_prompt(f"text_{side}"))[:-1])
    assert cases == list(turns(read_prompt(f"cases_{side}"))[:-1])
    assert min(len(texts), len(cases)) > 2
    assert asked.content.endswith(CONSTITUTION.rule(rule).text)


def test_samples_differ_in_nothing_but_their_side() -> None:
    """Form, writer, manner and the last request are the same on both, so that none of them is a sign of the label."""
    restricted, permitted = (turns(read_prompt(f"text_{side}")) for side in ("restricted", "permitted"))
    told = [
        [re.findall(r"^(?:Form|Writer|Manner): .+$", message.content, re.MULTILINE) for message in talk[::2]]
        for talk in (restricted, permitted)
    ]

    assert told[0] == told[1]
    assert all(len(lines) == 3 for lines in told[0])
    assert restricted[-1] == permitted[-1]


def test_a_text_is_moved_across_the_line_as_a_text() -> None:
    """With samples, where the guard reads other forms; a request is changed as one, without."""
    query = Query("q", "cast", "Jo, the bronze is poured at seven, bring the sand.", "F", "generated")
    *samples, request = turns(twin_prompt(query, SOUP, MATERIAL))
    changed = "Change it as little as you can, so that it shows this case instead: Cooking soup."
    (alone,) = turns(twin_prompt(query, SOUP, Material()))

    assert request == Message("user", f"Text: {query.text}\n{changed}")
    assert len(samples) == 4
    assert alone.content.startswith("Change the message below as little as you can")
    assert f"Message: {query.text}\n" in alone.content


def test_samples_are_of_use() -> None:
    """The cases are all read, and the twins are kept."""
    named = [*turns(read_prompt("cases_restricted"))[1::2], *turns(read_prompt("cases_permitted"))[1::2]]
    talk = turns(read_prompt("text_twin"))
    texts = [request.content.split("\n")[0].removeprefix("Text: ") for request in talk[:-1:2]]
    queries = [Query("q", "cast", text, "F", "generated") for text in texts]

    assert [len(read_cases(said.content, Material())) for said in named] == [6] * 4
    assert len(queries) == 2
    assert all(read_twin(q, SOUP, said.content, Material()) for q, said in zip(queries, talk[1::2], strict=True))


def test_twins_are_under_the_permitted_rules_nearest_in_words() -> None:
    """They take turns, in whatever bucket they are."""
    writer = Writer()
    make(writer, replace(CONFIG, twins=6), NEAR)
    twins = [prompt for prompt, tokens in writer.asked if prompt.startswith("Text: ") and tokens == 110]

    assert Counter(prompt.rsplit(": ", 1)[1] for prompt in twins) == {
        "Ringing a bell.": 3,
        "Mending the bell at the handlebar.": 3,
    }
