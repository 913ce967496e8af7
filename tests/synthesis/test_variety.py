"""Variety, twins and votes: evenly dealt, of one family, and counted."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from lictor.constitution import Rule
from lictor.llm.scripted import ScriptedModel
from lictor.synthesis.answers import Wanted, answer_prompt
from lictor.synthesis.asking import Generator as Asking
from lictor.synthesis.asking import Report, elected
from lictor.synthesis.engine import SynthesisConfig, synthesise
from lictor.synthesis.estimate import estimate
from lictor.synthesis.keeping import keep_rates
from lictor.synthesis.material import DEFAULT_VOICES, Material, load_material
from lictor.synthesis.queries import Query, read_twin
from lictor.synthesis.variety import (
    ATTITUDES,
    LENGTHS,
    REGISTERS,
    SPECIFICITIES,
    TASKS,
    coverage,
    deal_facets,
    keywords_of,
)
from lictor.synthesis.votes import bears_out
from lictor.types import Conversation, Sampling

from .small import CONSTITUTION, Generator, small_material

SOUP = CONSTITUTION.rule("soup")


def test_every_value_of_an_axis_comes_equally_often() -> None:
    """Over any number of calls, counts along an axis differ by at most one."""
    dealt = list(deal_facets(SOUP, Material(), calls=37, rng=np.random.default_rng(0)))
    counts = coverage((SOUP.id, asdict(facets)) for facets in dealt)[SOUP.id]
    sizes = {"persona": DEFAULT_VOICES, "task": TASKS, "register": REGISTERS, "length": LENGTHS}

    assert all(max(c.values()) - min(c.values()) <= 1 for c in counts.values())
    assert all(len(counts[axis]) == len(values) for axis, values in sizes.items())
    assert set(counts["specificity"]) == set(SPECIFICITIES)
    assert set(counts["keyword"]) <= set(keywords_of(SOUP))


def test_what_was_dealt_stands_in_the_prompt_and_in_the_report(tmp_path: Path) -> None:
    """Each call says who asks, for what, how and how long; what was kept is counted by rule and axis."""
    asked = Generator()
    _, report = synthesise(
        CONSTITUTION,
        small_material(tmp_path),
        ScriptedModel(asked),
        SynthesisConfig(queries_per_rule=40),
        lambda _s, _a, _n: None,
    )
    calls = [prompt for prompt in asked.asked if "messages that people send" in prompt]
    kept = report.coverage["soup"]

    assert all(any(task in prompt for task in TASKS) for prompt in calls)
    assert {length for length in LENGTHS if any(length in prompt for prompt in calls)} == set(LENGTHS)
    axes = set(asdict(next(deal_facets(SOUP, Material(), calls=1, rng=np.random.default_rng(0)))))
    assert set(kept) == axes | {"origin", "turns"}
    assert sum(kept["task"].values()) == sum(kept["persona"].values()) == kept["origin"]["generated"] > 10
    assert report.coverage["cast"]["origin"]["draft"] > 0
    assert set(report.coverage) == {rule.id for rule in CONSTITUTION.rules}


def test_a_twin_is_of_its_familys_words_and_under_the_other_rule() -> None:
    """What lost the surface, changed nothing, or is a fragment is no twin."""
    query = Query("q", "cast", "How do I pour the bronze for a small bell in winter?", "F", "generated")
    twin = read_twin(query, SOUP, "Changed: How do I pour the broth for a small pot in winter?", Material())

    assert twin is not None
    assert (twin.rule, twin.family, twin.parent) == ("soup", "F", "q")
    assert twin.text == "How do I pour the broth for a small pot in winter?"
    assert read_twin(query, SOUP, query.text, Material()) is None
    assert read_twin(query, SOUP, "Which herbs go well with leek?", Material()) is None
    assert read_twin(query, SOUP, "Pour.", Material()) is None
    told = replace(SOUP, text="Pouring the broth for a small pot in winter, and soup.")
    assert read_twin(query, told, "Changed: " + told.text, Material()) is None


@pytest.mark.parametrize(
    ("label", "verdicts", "kept"),
    [
        (1, ["Yes.", "yes", "No"], True),
        (1, ["No", "no.", "Yes"], False),
        (0, ["No", "No", "Yes"], True),
        (0, ["Yes", "Yes", "Yes"], False),
        (1, ["Yes", "No"], True),
        (1, ["Hm", "Well", "No"], False),
        (0, ["Hm", "Well", "Who knows"], True),
    ],
)
def test_a_majority_of_those_who_speak_decides(label: int, verdicts: list[str], kept: bool) -> None:
    """Abstentions don't count, and a tie keeps the label."""
    assert bears_out(label, verdicts) == kept


class Judging(Generator):
    """A generator that rewords for twins, and as a judge finds numbers that end in 2 restricted."""

    def __call__(self, conversation: Conversation, sampling: Sampling) -> str:
        """A verdict by the message's number, or what any generator would say."""
        said = super().__call__(conversation, sampling)
        prompt = conversation[-1].content
        if sampling.max_tokens == 2 and "Message:" in prompt:
            return "Yes" if "2 would please" in prompt else "No"
        return said


def test_a_judge_that_says_nothing_agrees_with_nobody() -> None:
    """The label stands, since no judge spoke against it; that is not counted as a judge's agreement."""
    model = ScriptedModel(lambda asked, _: {"a": "Yes", "b": "No", "c": "Hm."}[asked[-1].content])
    report = Report()

    kept = elected(
        "queries", [1, 1, 1], {"vote_asks": ["a", "b", "c"]}, Asking(model, 0, lambda _s, _a, _n: None), report
    )

    assert kept == [True, False, True]
    assert (report.counts["votes: vote_asks agreed"], report.counts["votes: vote_asks said yes or no"]) == (1, 2)


def test_outvoted_queries_are_dropped_and_counted(tmp_path: Path) -> None:
    """Only what a generator wrote is put to the vote; the keep rate of each judge is in the report."""
    config = SynthesisConfig(queries_per_rule=40, answers=0, rewrites=0, composed=0, votes=3)
    examples, report = synthesise(
        CONSTITUTION, small_material(tmp_path), ScriptedModel(Judging()), config, lambda _s, _a, _n: None
    )
    generated = [e for e in examples if e.source == "synthesis:generated"]
    voted, dropped = report.counts["queries put to the vote"], report.counts["queries dropped: outvoted"]

    assert 0 < dropped < voted
    assert len(generated) == voted - dropped
    assert not any("2 would please" in e.messages[0].content for e in generated)
    assert report.counts["votes: vote_asks agreed"] == voted - dropped
    assert any(e.source == "synthesis:draft" and e.prompt_label == 1 for e in examples)
    rates = {rate.filter: rate for rate in keep_rates(report.counts)}
    assert rates["queries: not outvoted"][1:] == rates["votes: vote_asks agreed"][1:] == (voted - dropped, voted)
    assert rates["queries: usable"].share == 1
    assert not any(name.startswith("answers") for name in rates)


def test_an_estimate_knows_of_twins_and_votes() -> None:
    """It runs the same stages, so that nothing has to be added to it when synthesis grows."""
    material = Material()
    config = SynthesisConfig(queries_per_rule=10, answers=5, rewrites=0, composed=0, twins=4, votes=2)
    stages = {s.stage: s for s in estimate(CONSTITUTION, material, config, lambda _c, _s: None, "m")}

    assert (stages["queries: trial"].calls, stages["queries"].calls) == (3, 9)
    assert stages["twins"].calls == 4
    assert stages["judge: vote_asks"].calls == stages["judge: vote_answer"].calls > 20
    assert "judge: vote_rule" not in stages
    assert "cases" not in stages


def test_answers_are_grounded_in_the_users_documents(tmp_path: Path) -> None:
    """The passage that shares most words with the message is among the notes; one that shares none is not."""
    folder = tmp_path / "documents" / "guild"
    folder.mkdir(parents=True)
    (folder / "loam.md").write_text(
        "# Loam\n\nThe loam of a bell mould rests nine days under wet sacking.\n\nUnrelated."
    )
    (folder / "soup.txt").write_text("Leek soup wants butter before water, and a lid that fits it well.")
    material = load_material(tmp_path)
    loam = Query("a", "cast", "How long must the loam of a mould rest?", "A", "draft")
    other = Query("b", "cast", "Who pays?", "B", "draft")

    assert len(material.passages) == 2
    assert set(material.files) == {"documents/guild/loam.md", "documents/guild/soup.txt"}
    assert "nine days under wet sacking" in answer_prompt(Wanted(loam, "cast"), CONSTITUTION, material, seed=0)
    assert "Notes: none" in answer_prompt(Wanted(other, "cast"), CONSTITUTION, material, seed=0)


@pytest.mark.parametrize("rule", [CONSTITUTION.rule("cast"), SOUP])
def test_writers_of_texts_stand_to_them_as_their_side_does(rule: Rule) -> None:
    """Each attitude of the rule's own side as often as the others, none of the other side; requests have none."""
    material, rng = Material(forms=("a note",)), np.random.default_rng(0)
    dealt = Counter(facets.attitude for facets in deal_facets(rule, material, calls=16, rng=rng))
    requests = deal_facets(rule, Material(), calls=4, rng=rng)

    assert dealt == dict.fromkeys(ATTITUDES[rule.bucket == "restricted"], 2)
    assert not set(ATTITUDES[True]) & set(ATTITUDES[False])
    assert {facets.attitude for facets in requests} == {""}
