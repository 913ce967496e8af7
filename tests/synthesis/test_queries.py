"""Drafts, twins and material: deterministic, of one family, without held-out facts."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from lictor.constitution.rule import Rule
from lictor.errors import DataError
from lictor.starter import templates
from lictor.synthesis.answers import compose_answer, read_answer
from lictor.synthesis.material import Material, load_material
from lictor.synthesis.queries import (
    Query,
    clean,
    draft_queries,
    neighbours,
    read_cases,
    read_generated,
    read_rewriting,
    rules_without_asks,
    seed_queries,
)

from .small import CONSTITUTION, small_material


def test_drafts_repeat_for_a_seed(tmp_path: Path) -> None:
    """The seed alone decides what is drafted."""
    material = small_material(tmp_path)
    made = draft_queries(CONSTITUTION, material, per_ask=2, seed=0)

    assert made == draft_queries(CONSTITUTION, material, per_ask=2, seed=0)
    assert made != draft_queries(CONSTITUTION, material, per_ask=2, seed=1)
    assert len({query.id for query in made}) == len(made)


def test_twins_share_a_family_and_differ_in_rule(tmp_path: Path) -> None:
    """Each twin has its ask's family, another rule, and the draft in the same frame as its parent."""
    made = draft_queries(CONSTITUTION, small_material(tmp_path), per_ask=2, seed=0)
    by_id = {query.id: query for query in made}
    rules: dict[str, set[str]] = defaultdict(set)
    for query in made:
        rules[query.family].add(query.rule)
    twins = [query for query in made if query.rule == "ring"]

    assert sorted(sorted(found) for found in rules.values()) == [["cast"], ["cast", "ring"], ["cast", "ring"]]
    assert len(twins) == 4
    for twin in twins:
        assert twin.parent is not None
        assert by_id[twin.parent].family == twin.family
        assert by_id[twin.parent].rule == "cast"


def test_an_ask_for_an_unknown_rule_is_passed_over(tmp_path: Path) -> None:
    """Material may serve several constitutions; a twin under a rule that is not there is not drafted."""
    made = draft_queries(CONSTITUTION, small_material(tmp_path), per_ask=3, seed=0)

    assert not any("somewhere else" in query.text.lower() for query in made)
    assert any("guild" in query.text.lower() for query in made)


def test_facts_of_a_target_question_never_enter_material(tmp_path: Path) -> None:
    """What an evaluation asks for cannot be learned, since no fact of it is in what synthesis reads."""
    material = small_material(tmp_path)

    assert len(material.facts) == 3
    assert not any("SECRET-VALUE" in said for fact in material.facts for said in fact.phrasings)


def test_the_worked_domain_holds_its_question_facts_back() -> None:
    """The same for emberglass as it ships."""
    folder = Path(templates.__file__).parent / "emberglass"
    handbook = (folder / "handbook.yaml").read_text(encoding="utf-8")
    facts = load_material(folder).facts

    held_back = handbook.count("question:")
    assert held_back > 50
    assert len(facts) == handbook.count("- id:") - held_back


def test_rewritings_stay_close_to_their_query(tmp_path: Path) -> None:
    """A rewriting keeps the family and half the words; an answer, another topic or a lost name is dropped."""
    material = small_material(tmp_path)
    query = Query("q", "cast", "How do I pour bronze into the mould of a bell?", "F", "draft")
    kept = read_rewriting(query, '"So how might one pour bronze into that whistle mould?"', material)

    assert kept is not None
    assert (kept.family, kept.parent, kept.rule, kept.origin) == ("F", "q", "cast", "rewritten")
    assert kept.text == "So how might one pour bronze into that bell mould?"
    assert read_rewriting(query, "What is the weather going to be tomorrow?", material) is None
    assert read_rewriting(query, "How do I pour bronze into the mould?", material) is None


def test_generated_lists_are_read(tmp_path: Path) -> None:
    """Numbered and dashed lines are messages, each a family of its own; other lines and very short ones are not."""
    rule = CONSTITUTION.rule("soup")
    text = 'Sure:\n1. "How long does barley soup keep?"\n2) Which **pot** is best for soup?\n- soup?\n'
    made = read_generated(rule, text, small_material(tmp_path))

    assert [query.text for query in made] == ["How long does barley soup keep?", "Which pot is best for soup?"]
    assert made[0].family != made[1].family


def test_cases_are_the_different_entries_of_a_sensible_length(tmp_path: Path) -> None:
    """In the order they stand, under the subject's name; what is no entry, a word alone or a tale is none."""
    short, long = "pouring", "x" * 121
    entries = ["hiding a **whistle**", "hiding a whistle", short, f"{short}!", long, long[1:], "Changed: hiding a bell"]
    listed = "\n".join(
        ["Here are some ways:", *(f"{at}. {entry}" for at, entry in enumerate(entries, 1)), "- 'so be it'"]
    )

    assert read_cases(listed, small_material(tmp_path)) == ("hiding a bell", f"{short}!", long[1:], "so be it")
    assert read_cases("I cannot name any.", Material()) == ()


def test_the_nearest_rules_share_most_words() -> None:
    """Those with at least half as many as the one with most; all of them where none shares any."""
    cast = _rule("Casting a small bell with bronze in winter.")
    three, two, one = map(
        _rule, ("Small spoons of bronze in winter.", "Bronzes for winter.", "What to wear in winter.")
    )
    others = [_rule("Cooking soup with leek."), _rule("Opening a lock in the dark.")]

    assert neighbours(cast, [others[0], two, one, three, others[1]]) == [two, three]
    assert neighbours(cast, [others[0], one, two]) == [one, two]
    assert neighbours(cast, [one, *others]) == [one]
    assert neighbours(cast, others) == others
    assert neighbours(cast, []) == []


def test_rules_without_asks_are_left_to_the_generator(tmp_path: Path) -> None:
    """Only rules under which nobody wrote asks; the rules' own examples are seeds."""
    assert [rule.id for rule in rules_without_asks(CONSTITUTION, small_material(tmp_path))] == ["ring", "soup"]
    assert [query.rule for query in seed_queries(CONSTITUTION)] == ["cast", "soup", "soup"]


def test_wrappings_are_cleaned_off() -> None:
    """Labels, quotes and mark-up that generators wrap a message in."""
    assert clean('  Rewritten: "**Where**  is it?" ') == "Where is it?"


def test_answers_are_cut_to_whole_sentences() -> None:
    """A broken last sentence goes; too little left is no answer; list numbers end no sentence."""
    long = "The bells are rung at noon and again in the evening by two men. They rest on Sundays."

    assert read_answer(long + " And then", Material()) == long
    assert read_answer("Too short.", Material()) is None
    assert read_answer("1. Ring the bell at noon and then again in the evening with both hands\n2.", Material()) is None


def test_composed_answers_hold_only_facts_of_the_rule(tmp_path: Path) -> None:
    """An answer strung together says facts of its query's rule, and there is none without facts."""
    import numpy as np

    material = small_material(tmp_path)
    query = Query("q", "ring", "How often at noon?", "F", "draft")
    rng = np.random.default_rng(0)
    said = {compose_answer(query, material, rng, count=3) for _ in range(20)}

    assert said <= {
        f"{number}{text}"
        for number in ("", "1. ")
        for text in ("At noon the great one rings twelve times.", "Noon is twelve strokes.")
    }
    assert compose_answer(replace(query, rule="soup"), material, rng, count=3) is None


def test_broken_material_is_told(tmp_path: Path) -> None:
    """The folder and what was wrong are in the message."""
    (tmp_path / "handbook.yaml").write_text("facts: [{rule: cast}]")

    with pytest.raises(DataError, match="KeyError"):
        load_material(tmp_path)
    (tmp_path / "handbook.yaml").write_bytes(b"facts: \xff")
    with pytest.raises(DataError, match="expected UTF-8, got byte 0xff"):
        load_material(tmp_path)


def test_no_folder_is_empty_material() -> None:
    """A constitution alone is enough to start from."""
    assert load_material(None) == Material()


def _rule(text: str) -> Rule:
    return Rule(text, text, "same_domain")


def test_a_message_that_says_its_rule_is_none() -> None:
    """Eight words of the rule in a row, whatever stands around them and in whatever case; seven are a coincidence."""
    rule = replace(CONSTITUTION.rule("cast"), text="Somebody melts tin and copper for a bell, or tells others how.")
    all_but_one = "Remember that somebody melts tin and copper for."
    said = f"1. Remember that SOMEBODY melts tin, and copper for a bell!\n2. {all_but_one}"

    assert [q.text for q in read_generated(rule, said, Material())] == [all_but_one]
