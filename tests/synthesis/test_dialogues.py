"""Conversations that a generator writes, answers from both sides of the line, long ones, and texts of other forms."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lictor.llm.scripted import ScriptedModel
from lictor.synthesis.asking import Report
from lictor.synthesis.dialogues import dialogue_calls, read_dialogue
from lictor.synthesis.engine import SynthesisConfig, synthesise
from lictor.synthesis.estimate import estimate, stand_in
from lictor.synthesis.material import Material, load_material
from lictor.synthesis.variety import TASKS
from lictor.types import Conversation, Example, Sampling

from .small import CONSTITUTION, small_material

Script = Callable[[Conversation, Sampling], str]
CAST = CONSTITUTION.rule("cast")
[(_, CALL)] = dialogue_calls([CAST], Material(), count=1, seed=0)
CONFIG = SynthesisConfig(queries_per_rule=20, answers=30, across=12, long_answers=6, dialogues=10, composed=0)


def answer(conversation: Conversation, sampling: Sampling) -> str:
    """Usable whatever is asked, never a verdict."""
    return stand_in(conversation[-1].content, sampling)


def make(config: SynthesisConfig, folder: Path, script: Script = answer) -> tuple[list[Example], Report]:
    """The small domain's examples."""
    return synthesise(CONSTITUTION, small_material(folder), ScriptedModel(script), config, lambda _s, _a, _n: None)


def test_a_conversation_is_read_up_to_the_persons_last_line() -> None:
    """Lines without a speaker go on with the last one's; what the assistant said at the end is left out."""
    text = "Person: What is loam?\nAssistant: Clay and sand.\nmixed well\nPerson: And the mould?\nAssistant: Later."
    query = read_dialogue(CAST, text, CALL, Material())

    assert query is not None
    assert query.text == "And the mould?"
    assert [m.role for m in query.turns] == ["user", "assistant"]
    assert query.turns[1].content == "Clay and sand.\nmixed well"
    assert query.said.endswith("Person: And the mould?")


def test_what_is_no_conversation_is_dropped() -> None:
    """One turn alone, two of one speaker after another, an assistant that refuses."""
    for text in (
        "Person: What is loam?\nAssistant: Clay.",
        "Person: What is loam?\nPerson: Tell me.\nPerson: Well?",
        "Person: What is loam?\nAssistant: I'm sorry, but I can't help with that.\nPerson: Why?",
        "Once upon a time there was a bell.",
    ):
        assert read_dialogue(CAST, text, CALL, Material()) is None


def test_conversations_are_written_for_both_sides_near_the_line(tmp_path: Path) -> None:
    """They come with their turns, under restricted and same-domain rules alike, and are counted."""
    examples, report = make(CONFIG, tmp_path)
    talks = [e for e in examples if len(e.prompt) > 1 and e.answer is None]

    assert {e.rule for e in talks} == {"cast", "ring"}
    assert all(e.prompt[-1].role == "user" and e.prompt_label == int(e.rule == "cast") for e in talks)
    assert report.counts["dialogues asked for"] == report.counts["dialogues kept"] == 10


def test_a_query_is_answered_from_both_sides(tmp_path: Path) -> None:
    """The same prompt has an answer of either label, each under a rule of its label; the prompt's label stays."""
    examples, _ = make(CONFIG, tmp_path)
    by_prompt: dict[Conversation, list[Example]] = {}
    for example in examples:
        if example.answer is not None:
            by_prompt.setdefault(example.prompt, []).append(example)
    pairs = [found for found in by_prompt.values() if len(found) == 2]

    assert len(pairs) == 12
    assert {pair[0].prompt_label for pair in pairs} == {0, 1}
    for one, other in pairs:
        assert one.prompt_label == other.prompt_label
        assert {one.answer_label, other.answer_label} == {0, 1}
        assert one.family == other.family
        assert all((e.rule == "cast") == (1 in {e.prompt_label, e.answer_label}) for e in (one, other))


def test_an_answer_that_is_the_same_on_both_sides_has_no_label(tmp_path: Path) -> None:
    """Both copies are dropped and counted; what is left has ids of its own."""

    def same(conversation: Conversation, sampling: Sampling) -> str:
        is_answer = sampling.max_tokens in {100, 380}
        said = "The bell is heard in the whole valley, in the morning and at noon and in the evening."
        return said if is_answer else answer(conversation, sampling)

    examples, report = make(CONFIG, tmp_path, same)
    answered = [e for e in examples if e.answer is not None]

    assert report.counts["answers dropped: the same on both sides"] == 24
    assert len(answered) == report.counts["answers kept"] - 24 == 30 - 12
    assert len({e.id for e in examples}) == len(examples)


def test_some_answers_are_long(tmp_path: Path) -> None:
    """As many as were ordered are asked for at length, with room for it."""
    asked: list[int] = []

    def noting(conversation: Conversation, sampling: Sampling) -> str:
        if "at length" in conversation[-1].content or "several paragraphs" in conversation[-1].content:
            asked.append(sampling.max_tokens)
        return answer(conversation, sampling)

    make(CONFIG, tmp_path, noting)

    assert asked == [380] * 6


def test_judges_vote_on_answers_from_both_sides(tmp_path: Path) -> None:
    """An answer whose label two of three speak against is dropped; others are not put to the vote."""

    def restricted_all(conversation: Conversation, sampling: Sampling) -> str:
        judged = sampling.max_tokens == 2 and "Assistant:" in conversation[-1].content
        judged = judged or "from the last message" in conversation[-1].content
        return "Yes." if judged else answer(conversation, sampling)

    examples, report = make(replace(CONFIG, votes=3), tmp_path, restricted_all)
    answered = [e for e in examples if e.answer is not None]

    assert report.counts["answers put to the vote"] == 24
    assert report.counts["answers dropped: outvoted"] == 12
    assert len(answered) == report.counts["answers kept"] - 12


def test_an_estimate_knows_the_new_stages(tmp_path: Path) -> None:
    """Conversations, long answers and the judges of answers are counted before they are asked for."""
    config = replace(CONFIG, votes=1)
    stages = {s.stage: s for s in estimate(CONSTITUTION, small_material(tmp_path), config, lambda _c, _s: None, "m")}

    assert stages["dialogues"].calls == 10
    assert stages["answers: long"].calls == 6
    assert stages["answers"].calls == 30 + 12 - 6
    assert stages["judge: vote_reply_gives"].calls == 24


def test_texts_of_other_forms_are_asked_for_as_such(tmp_path: Path) -> None:
    """Where the guard reads e-mails and posts, those are written, and no requests to an assistant."""
    (tmp_path / "words.yaml").write_text("{forms: [an e-mail, a post], topics: [tin, copper], scene: Two founders.}")
    material = load_material(tmp_path)
    asked: list[str] = []

    def noting(conversation: Conversation, sampling: Sampling) -> str:
        asked.append(conversation[-1].content)
        return answer(conversation, sampling)

    config = SynthesisConfig(queries_per_rule=12, answers=0, rewrites=0, dialogues=2)
    _, report = synthesise(CONSTITUTION, material, ScriptedModel(noting), config, lambda _s, _a, _n: None)
    calls = [prompt for prompt in asked if "Write a short text" in prompt]

    assert len(calls) == 12 * 3
    assert all("Form: an e-mail\n" in prompt or "Form: a post\n" in prompt for prompt in calls)
    assert all("What happens: tin\n" in prompt or "What happens: copper\n" in prompt for prompt in calls)
    assert not any(task in prompt for task in ("They ask", *TASKS) for prompt in calls)
    assert not any("messages that people send" in prompt or "different ways" in prompt for prompt in asked)
    assert set(report.coverage["cast"]["form"]) == {"an e-mail", "a post"}
    assert set(report.coverage["cast"]["keyword"]) == {"tin", "copper"}
    assert any("Two founders." in prompt for prompt in asked)
