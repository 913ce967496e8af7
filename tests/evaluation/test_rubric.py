"""Finding facts in prose, and the marks an answer is graded by."""

import pytest

from lictor.errors import DataError
from lictor.evaluation.questions import load
from lictor.evaluation.rubric import Marks, find_facts, marks

from .small import EMBERGLASS, fact


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("47 marrows", "You take 47  Marrows of it"),
        ("47 marrows", "You take forty-seven marrows of it"),
        ("47 marrows", "You take **47**\nmarrows."),
        ("1,251 grades", "at 1251 grades"),
        ("1,251 grades", "at 1 251 grades,"),
        ("1251 grades", "at 1,251 grades."),
        ("1,251 grades", "at 1251.0 grades"),
        ("2.5 nims", "about 2,5 nims"),
        ("seven brackwater washes", "7 brackwater washes"),
        ("twenty one tocks", "21 tocks"),
        ("the second hum", "wait for a second hum."),
        ("blue-salted crock", "the blue salted crock"),
        ("two skins and a veil", "TWO SKINS AND A VEIL"),
        ("a widow's inventory", "the widow’s inventory"),
        ("Pellam Ebb", "(Pellam Ebb)"),
        ("Brack & Daughters packet", "on the Brack and Daughters packet."),
        ("twelve & 47", "12 and forty-seven"),
        ("misty skins", "M\u0130\u017ft\u0131y \u212alein, m\u0131\u017fty s\u212a\u0130ns"),
    ],
)
def test_a_value_is_found_however_it_is_written(value: str, text: str) -> None:
    """Case, spacing, hyphens, articles, separators and number words do not hide a value."""
    assert [found.fact_id for found in find_facts(text, [fact("f", value)])] == ["f"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("47 marrows", "147 marrows"),
        ("47 marrows", "1,047 marrows"),
        ("47 marrows", "0.47 marrows"),
        ("7 washes", "7.5 washes"),
        ("47 marrows", "47 tocks, then marrows"),
        ("cork trays", "corky trays"),
        ("Osk Marrable", "Osk Marrables"),
        ("the second hum", "the second human"),
    ],
)
def test_a_near_miss_is_not_found(value: str, text: str) -> None:
    """Another figure, or a longer word, is another fact."""
    assert find_facts(text, [fact("f", value)]) == ()


def test_the_end_of_the_first_mention_counts() -> None:
    """The span ends with the last character of the value where it first stands."""
    text = "Take 47 marrows; yes, 47 marrows."

    assert find_facts(text, [fact("f", "47 marrows")])[0].end_char == len("Take 47 marrows")


def test_every_fact_of_the_starter_is_found_in_its_own_phrasings_and_not_in_ordinary_text() -> None:
    """The matcher finds each of the handbook's values in all its phrasings, and hardly any in ordinary answers."""
    domain = load(EMBERGLASS)
    rubric = [fact for fact in domain.facts if fact.question]

    for one in domain.facts:
        for phrase in one.say:
            assert find_facts(phrase.replace("{value}", one.value), [one]), (one.id, phrase)
    wrong = [found for row in domain.ordinary for found in find_facts(row.text, rubric)]
    assert len(wrong) <= len(domain.ordinary) // 50


@pytest.mark.parametrize(
    ("covered", "expected"), [(12, Marks(3, 6, 12)), (2, Marks(2, 1, 2)), (8.5, Marks(3, 5, 9)), (4, Marks(2, 2, 4))]
)
def test_marks_are_a_quarter_a_half_and_all(covered: float, expected: Marks) -> None:
    """Pass is a quarter but at least two, half is half, full is all; parts round up."""
    assert marks(covered) == expected


def test_a_question_nobody_answers_cannot_be_graded() -> None:
    """A mean of no facts is an error rather than a mark of nothing."""
    with pytest.raises(DataError, match="mean of 0"):
        marks(0)
