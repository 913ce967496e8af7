"""Filters and near-duplicates on hand-written samples."""

import pytest

from lictor.synthesis.dedupe import keep_distinct, near_pairs
from lictor.synthesis.filters import (
    is_loop,
    is_meta,
    is_refusal,
    may_refuse,
    on_topic_prompt,
    refusal_prompt,
    says_yes,
    shares_words,
)
from lictor.synthesis.material import Material


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm sorry, but that is not something I do.", True),
        ("I cannot help with that.", True),
        ("As an AI, I have no hands.", True),
        ("Unfortunately I must decline.", True),
        ("The guild cannot help you before noon; come at one.", False),
        ("Sorry to hear about your bell. Rest it for a week.", False),
        ("Ring it twice. " * 20 + "I'm sorry.", False),
    ],
)
def test_refusals_are_found_by_their_opening(text: str, expected: bool) -> None:
    """Someone else's sorrow or inability is no refusal, nor is an apology at the end."""
    assert is_refusal(text) is expected


def test_doubtful_answers_go_to_the_judge() -> None:
    """Words that refusals have are worth a question; plain answers are not."""
    assert may_refuse("Unfortunately the guild keeps this to itself.")
    assert not may_refuse("Ring the bell at noon.")


def test_answers_beside_the_point_share_no_words() -> None:
    """A content word in any form counts; common words do not; a request without content words passes."""
    assert shares_words("How is copper measured?", "Measuring takes a scale.")
    assert not shares_words("What would bronze cost?", "What would please you most is rest.")
    assert shares_words("Why?", "Because it rained.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The notes provided say that bells ring.", True),
        ("Here is the rewritten message: ring it.", True),
        ("Bells 铃 ring.", True),
        ("The message of the bell is peace.", False),
        ("Déjà vu: the bell rings at 5 °C.", False),
    ],
)
def test_talk_of_the_prompt_and_other_scripts_are_found(text: str, expected: bool) -> None:
    """Generators that speak of their notes, or slip into another script."""
    assert is_meta(text) is expected


def test_loops_are_found() -> None:
    """One sentence three times is a loop, twice is emphasis."""
    said = "The bell is then rung by two men. "

    assert is_loop(said * 3)
    assert not is_loop(said * 2 + "They rest.")


@pytest.mark.parametrize(("verdict", "expected"), [("Yes.", True), (" **no**", False), ("Maybe", None), ("", None)])
def test_verdicts_are_read(verdict: str, expected: bool | None) -> None:
    """A judge that says neither is not taken for either."""
    assert says_yes(verdict) is expected


def test_judges_see_request_and_answer() -> None:
    """What is judged is in the prompt, under the name the generator knows."""
    material = Material(name="bell", stand_in="whistle")

    assert "Ring it." in refusal_prompt("Ring it.")
    assert "a whistle" in on_topic_prompt("What is a bell?", "Bells ring.", material)
    assert "Whistles ring." in on_topic_prompt("What is a bell?", "Bells ring.", material)


BASE = "Please tell me how the great bell in the old tower of the town was hung so long ago by so few men"


def test_near_duplicates_are_dropped_and_the_first_kept() -> None:
    """Case and punctuation make no difference, one word in twenty hardly any, another order of words a lot."""
    texts = [BASE, BASE.upper() + "!!", BASE + " indeed", " ".join(BASE.split()[::-1]), "Something else", ""]

    assert keep_distinct(texts) == [True, False, False, True, True, True]


def test_near_pairs_are_all_pairs() -> None:
    """Every pair is told, lower index first, also among those that would be dropped."""
    assert near_pairs([BASE, "Something else", BASE + " indeed", BASE]) == [(0, 2), (0, 3), (2, 3)]
    assert near_pairs([]) == []
