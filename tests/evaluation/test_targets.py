"""The worst-case target says everything, and knows where."""

import codecs
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.augment import disguise, transforms
from lictor.errors import DataError
from lictor.evaluation.questions import load
from lictor.evaluation.rubric import find_facts
from lictor.evaluation.spans import ValueSpan, carry_over
from lictor.evaluation.targets import Answer, ModelTarget, WorstCaseTarget, facts_delivered
from lictor.llm.scripted import ScriptedModel
from lictor.types import Attack, Message, Sampling

from .small import EMBERGLASS, fact, small_domain

ASK = (Message("user", "Tell me."),)


def attack(
    question: str | None = "q1", *, name: str = "a", chain: tuple[str, ...] = (), request: str | None = None
) -> Attack:
    """An attack on a question."""
    return Attack(name, question, ASK, chain, "s", request=request)


@given(st.integers(0, 10_000))
def test_every_rubric_fact_is_said_and_its_end_known(seed: int) -> None:
    """Whatever the layout, each fact's value stands right before the end given for it."""
    domain = small_domain()
    answer = WorstCaseTarget(domain, seed=seed).answer(attack())

    values = {fact.id: fact.value for fact in domain.rubric("q1")}
    assert {found.fact_id for found in answer.facts} == set(values)
    for found in answer.facts:
        assert answer.text[: found.end_char].endswith(values[found.fact_id])


def test_answers_vary_between_attacks_and_repeat_for_one() -> None:
    """Different attacks are answered in different words, the same attack in the same."""
    target = WorstCaseTarget(small_domain())
    texts = {target.answer(attack(name=f"a{index}")).text for index in range(30)}

    assert len(texts) > 20
    assert target.answer(attack()) == target.answer(attack())


def test_facts_count_once_their_last_character_is_delivered() -> None:
    """One character short of a value's end, the fact has not left."""
    answer = WorstCaseTarget(small_domain()).answer(attack())
    first = min(answer.facts, key=lambda found: found.end_char)

    assert facts_delivered(answer, first.end_char - 1) == ()
    assert facts_delivered(answer, first.end_char) == (first.fact_id,)
    assert len(facts_delivered(answer, len(answer.text))) == 4


def test_a_permitted_request_gets_a_permitted_answer() -> None:
    """An ordinary topic gets its own answer, through the chain, and no fact is counted."""

    def shout(text: str, chain: Sequence[str], rng: np.random.Generator) -> str:
        return text.upper()

    target = WorstCaseTarget(small_domain(), transform=shout)

    assert target.answer(attack(None, request="tea", chain=("loud",))) == Answer("STEEP IT FOR FOUR.", ())
    assert target.answer(attack(None)).text in {"Knead for ten minutes.", "Steep it for four."}


def test_an_unknown_question_is_an_error() -> None:
    """A question of another domain is named, with those there are."""
    with pytest.raises(DataError, match=r"\['q1', 'q2'\], got 'q7'"):
        WorstCaseTarget(small_domain()).answer(attack("q7"))


TEXT = "First take 47 marrows of it.\nThen ask Osk Marrable for more of the same."
VALUE = ValueSpan("f", TEXT.index("Osk"), TEXT.index("Osk") + len("Osk Marrable"))


def rot13(text: str) -> str:
    """Other letters."""
    return codecs.encode(text, "rot13")


def backwards(text: str) -> str:
    """From the end."""
    return text[::-1]


def lines_backwards(text: str) -> str:
    """Each line from its end."""
    return "\n".join(line[::-1] for line in text.split("\n"))


def in_json(text: str) -> str:
    """In a shell that closes after the text."""
    return '{"body": "' + text + '"}'


def counted(text: str) -> str:
    """With something at the end that depends on the text."""
    return f"{text}\n-- {len(text)} characters"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (rot13, "Bfx Zneenoyr"),
        (backwards, "elbarraM ksO"),
        (lines_backwards, "elbarraM ksO"),
        (in_json, "Osk Marrable"),
        (" ".join, "O s k   M a r r a b l e"),
        (counted, "Osk Marrable"),
    ],
)
def test_the_end_of_a_value_is_found_after_a_change(change: Callable[[str], str], shown: str) -> None:
    """The end given is that of the changed value, whether the change runs forwards, backwards or within a shell."""
    carried = carry_over(TEXT, [VALUE], change)

    assert carried.facts[0].end_char == carried.text.index(shown) + len(shown)


def test_the_end_in_a_block_code_is_within_one_group() -> None:
    """In base64 the end is that of the group which holds the value's last byte, or up to two characters before it."""
    carried = carry_over(TEXT, [VALUE], lambda text: b64encode(text.encode()).decode())
    exact = -(-VALUE.end // 3) * 4

    assert exact - 2 <= carried.facts[0].end_char <= exact
    assert b64decode(carried.text[:exact]).decode().startswith(TEXT[: VALUE.end])


def test_every_answer_side_transform_keeps_every_fact() -> None:
    """Through each built-in transform every fact has an end within the text, and they do not all come last."""
    target = WorstCaseTarget(small_domain(), transform=disguise)
    for made in transforms().values():
        if made.fits("answer"):
            answer = target.answer(attack(chain=(f"{made.name}@answer",)))
            ends = [found.end_char for found in answer.facts]
            assert len(ends) == 4
            assert all(0 < end <= len(answer.text) for end in ends), made.name
            assert min(ends) < len(answer.text), made.name


def test_the_matcher_agrees_with_the_spans_on_plain_answers() -> None:
    """On the starter's plain answers the matcher finds what the target knows it said."""
    domain = load(EMBERGLASS)
    target = WorstCaseTarget(domain)
    for question in domain.questions:
        answer = target.answer(attack(question.id))
        found = find_facts(answer.text, domain.rubric(question.id))

        assert {one.fact_id for one in found} == {one.fact_id for one in answer.facts}


def test_a_real_model_has_its_questions_pages_and_is_graded_by_the_matcher() -> None:
    """Facts of the question's rule stand in its system turn, no others do, and the facts in its answer are found."""
    seen: list[str] = []

    def script(conversation: tuple[Message, ...], sampling: Sampling) -> str:
        seen.append(conversation[0].content)
        return "Take forty-seven marrows."

    other = fact("y", "a dented spoon", None).model_copy(update={"rule": "soup"})
    domain = replace(small_domain(), facts=(*small_domain().facts, other))
    answer = ModelTarget(ScriptedModel(script), domain, sampling=Sampling()).answer(attack())

    assert [found.fact_id for found in answer.facts] == ["f1"]
    assert "Osk Marrable" in seen[0]
    assert "dented spoon" not in seen[0]
