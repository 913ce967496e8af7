"""Synthesis as a whole: both sides of every rule, and a killed run that pays for nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from lictor.errors import GenerationError
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.scripted import ScriptedModel
from lictor.synthesis.asking import Report
from lictor.synthesis.engine import SynthesisConfig, synthesise
from lictor.types import ChatModel, Conversation, Example, Sampling

from .small import CONSTITUTION, Generator, small_material

CONFIG = SynthesisConfig(per_ask=3, queries_per_rule=10, rewrites=10, answers=12, composed=6)


def run(folder: Path, model: ChatModel, config: SynthesisConfig = CONFIG) -> tuple[list[Example], Report]:
    """Examples and report of the small domain."""
    return synthesise(CONSTITUTION, small_material(folder), model, config, lambda _stage, _done, _all: None)


def test_every_rule_has_examples_with_the_label_of_its_bucket(tmp_path: Path) -> None:
    """Prompts and answers of restricted and permitted rules, labelled, with distinct ids and a family."""
    examples, report = run(tmp_path, ScriptedModel(Generator()))

    assert {e.rule for e in examples} == {"cast", "ring", "soup"}
    assert all(e.prompt_label == int(e.rule == "cast") for e in examples)
    assert all(e.answer_label == (None if e.answer is None else e.prompt_label) for e in examples)
    assert {e.prompt_label for e in examples if e.answer is not None} == {0, 1}
    assert len({e.id for e in examples}) == len(examples)
    assert all(e.family and e.constitution == CONSTITUTION.fingerprint for e in examples)
    assert report.counts["answers asked for"] == 12
    assert report.counts["answers kept"] > 0


def test_an_answer_is_of_its_querys_family(tmp_path: Path) -> None:
    """Whatever is derived stays with what it was derived from."""
    examples, _ = run(tmp_path, ScriptedModel(Generator()))
    by_id = {e.id: e for e in examples}
    answered = [e for e in examples if e.answer is not None]

    assert answered
    for one in answered:
        assert one.parent is not None
        assert by_id[one.parent].family == one.family
        assert by_id[one.parent].messages == one.prompt


@pytest.mark.parametrize("calls", [0, 3, 9, 21, 26])
def test_a_killed_run_resumes_and_pays_for_nothing_twice(tmp_path: Path, calls: int) -> None:
    """After a kill, what came is not asked for again, and the examples are those of an unbroken run."""
    whole = Generator()
    expected, _ = run(tmp_path, CachedModel(ScriptedModel(whole), CompletionStore(tmp_path / "whole.sqlite")))
    killed = Generator(limit=calls)
    store = CompletionStore(tmp_path / "c.sqlite")
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path, CachedModel(ScriptedModel(killed), store))
    store.close()
    resumed = Generator()
    cached = CachedModel(ScriptedModel(resumed), CompletionStore(tmp_path / "c.sqlite"))
    found, _ = run(tmp_path, cached)

    assert found == expected
    assert len(killed.asked) == calls
    assert [*killed.asked, *resumed.asked] == whole.asked


def test_a_second_run_asks_for_nothing(tmp_path: Path) -> None:
    """Everything is in the cache; a larger order pays only for what is new."""
    store = CompletionStore(tmp_path / "c.sqlite")
    first, _ = run(tmp_path, CachedModel(ScriptedModel(Generator()), store))
    second = CachedModel(ScriptedModel(Generator()), store)
    again, _ = run(tmp_path, second)
    larger = CachedModel(ScriptedModel(Generator()), store)
    run(tmp_path, larger, replace(CONFIG, answers=14))

    assert again == first
    assert second.paid == 0
    assert 0 < larger.paid <= 6


def test_a_generator_that_cannot_write_queries_stops_the_run_at_once(tmp_path: Path) -> None:
    """After one call a rule, before the rest is asked for."""
    calls = 0

    def refuse(_conversation: Conversation, _sampling: Sampling) -> str:
        nonlocal calls
        calls += 1
        return "1. I'm sorry, but I can't help with writing such messages."

    with pytest.raises(GenerationError, match=r"scripted cannot write .*: in a trial, 0 of 6 asked for"):
        run(tmp_path, ScriptedModel(refuse), replace(CONFIG, queries_per_rule=50))

    assert calls == 2


def test_a_generator_that_writes_for_half_the_rules_alone_is_not_fit(tmp_path: Path) -> None:
    """Enough messages in all, and none for the other half."""
    writes = Generator()

    def half(conversation: Conversation, sampling: Sampling) -> str:
        return writes(conversation, sampling) if "soup" in conversation[-1].content else "Once upon a time."

    with pytest.raises(GenerationError, match=r"3 of 6 asked for were usable and different, for 1 of 2 rules"):
        run(tmp_path, ScriptedModel(half))


def test_a_rule_with_too_few_queries_is_an_error(tmp_path: Path) -> None:
    """A generator that repeats itself leaves rules nearly empty: the run stops before answers, and names them."""

    def repeat(_conversation: Conversation, _sampling: Sampling) -> str:
        return "1. How loud does a bell ring in a tower?\n2. Who may sit beside the harbour at night?"

    with pytest.raises(GenerationError, match=r"fewer than 5 different usable queries: soup \(2\)"):
        run(tmp_path, ScriptedModel(repeat), replace(CONFIG, per_ask=5))


def test_refusals_loops_and_chatter_are_dropped(tmp_path: Path) -> None:
    """Nothing that refuses, loops or speaks of its notes is labelled; the report says how many went."""
    bad = {
        "refusal by pattern": "I'm sorry, but I can't help with that, and nobody else here can either, friend.",
        "speaks of its prompt, or loops": "The notes provided say that the bell is rung at noon by two strong men.",
        "too short": "No.",
    }

    for reason, text in bad.items():
        writes = Generator()

        def answer(
            conversation: Conversation, sampling: Sampling, *, text: str = text, writes: Generator = writes
        ) -> str:
            return writes(conversation, sampling) if sampling.max_tokens == 210 else text

        examples, report = run(tmp_path, ScriptedModel(answer), replace(CONFIG, composed=0))

        assert [e for e in examples if e.answer is not None] == []
        assert report.counts[f"answers dropped: {reason}"] == 12


def test_the_generator_never_hears_the_subjects_name(tmp_path: Path) -> None:
    """Prompts say the word the generator knows; examples say the name."""
    generator = Generator()
    examples, _ = run(tmp_path, ScriptedModel(generator))

    assert not any("bell" in prompt.lower() for prompt in generator.asked)
    assert any("bell" in message.content.lower() for e in examples for message in e.messages)
    assert not any("whistle" in message.content.lower() for e in examples for message in e.messages)
