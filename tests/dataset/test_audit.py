"""Audits: what would spoil training is found, and what is sound passes."""

from dataclasses import replace

import numpy as np
import pytest

from lictor.dataset.audit import Audit, Balance, Templates, audit
from lictor.dataset.limits import Limits, gate, with_limits
from lictor.dataset.splits import assign_splits
from lictor.errors import UsageError
from lictor.types import Example, Message

from .small import CONSTITUTION, example

WORDS = "tower rope morning window ladder paper stone river garden market letter music winter basket candle"


def sound(count: int = 120) -> list[Example]:
    """Examples of all rules whose words say nothing of their labels, split by family."""
    rng = np.random.default_rng(0)
    rules = ("cast", "ring", "locks", "soup")
    made: list[Example] = []
    for i in range(count):
        text = " ".join(rng.choice(WORDS.split(), 12))
        made.append(
            example(str(i), text, f"{text} again", label=int(i % 4 == 0), rule=rules[i % 4], family=f"f{i // 2}")
        )
    return assign_splits(made, seed=0)


def with_one(**change: object) -> Audit:
    """The audit of sound examples and one more, which is the first of them changed."""
    first = sound()[0]
    return audit([*sound(), replace(first, id="changed", **change)], CONSTITUTION)  # pyright: ignore[reportArgumentType] -- fields by name


def test_sound_examples_pass() -> None:
    """Nothing is found, and the counts add up."""
    found = audit(sound(), CONSTITUTION)

    assert gate(found) == []
    assert found.counts["bucket"] == {"everyday": 30, "harmful_elsewhere": 30, "restricted": 30, "same_domain": 30}
    assert found.counts["rule"] == {"cast": 30, "ring": 30, "locks": 30, "soup": 30}
    assert found.counts["prompt_label"] == {"0": 90, "1": 30}
    assert found.lengths["prompt 1"].texts == 30


def test_a_prompt_in_two_splits_is_a_leak() -> None:
    """The same words, in other letters and spaces, on the other side of a split stop a run."""
    first = sound()[0]
    other = "test" if first.split != "test" else "train"
    found = with_one(split=other, family="new", messages=(Message("user", first.messages[0].content.upper() + " "),))

    assert [leak.second for leak in found.exact_leaks] == ["changed"]
    assert any("word for word: 1" in reason for reason in gate(found))


def test_an_answer_in_two_splits_is_told() -> None:
    """To another prompt too: what it is measured by was learnt word for word. Within a split it may repeat."""
    first = sound()[0]
    other = "test" if first.split != "test" else "train"
    messages = (Message("user", "Something else?"), first.messages[1])

    assert [leak.second for leak in with_one(split=other, family="new", messages=messages).answer_leaks] == ["changed"]
    assert with_one(family="new", messages=messages).answer_leaks == ()


def test_near_duplicates_across_splits_stop_a_run() -> None:
    """Prompts that differ by a word count where there are more than one in a hundred."""
    examples = sound()
    copies = [
        replace(
            e,
            id=f"{e.id} copy",
            family=f"{e.id} copy",
            split="test" if e.split != "test" else "train",
            messages=(Message("user", e.messages[0].content + " today"),),
            answer_label=None,
        )
        for e in examples[:10]
    ]
    found = audit(examples + copies, CONSTITUTION)

    assert len(found.near_leaks) >= 5
    assert found.exact_leaks == ()
    assert any("near-duplicates" in reason for reason in gate(found))


def test_a_family_in_two_splits_stops_a_run() -> None:
    """Even where no text is shared."""
    other = "test" if sound()[0].split != "test" else "train"
    found = with_one(split=other, messages=(Message("user", "quite different"),), answer_label=None)

    assert found.split_families == ("f0",)
    assert any("families in several splits: f0" in reason for reason in gate(found))


def test_refusals_over_one_percent_stop_a_run() -> None:
    """Two refusals among 122 answers are too many, one is not."""
    refusal = (Message("user", "x"), Message("assistant", "I'm sorry, but I can't help with that."))
    first = sound()[0]
    one = [*sound(), replace(first, id="r1", messages=refusal)]
    two = [*one, replace(first, id="r2", messages=refusal)]

    assert gate(audit(one, CONSTITUTION)) == []
    assert any("answers that refuse: 2 of 122" in reason for reason in gate(audit(two, CONSTITUTION)))


def test_a_sparse_rule_and_an_empty_side_stop_a_run() -> None:
    """A rule with few examples is named, and so is a split without restricted prompts."""
    few = [e for e in sound() if e.rule != "soup"]
    one_sided = [e for e in sound() if e.prompt_label == 0 or e.split != "test"]

    assert any("soup (0)" in reason for reason in gate(audit(few, CONSTITUTION)))
    assert any("no prompts with these labels: test 1" in reason for reason in gate(audit(one_sided, CONSTITUTION)))
    assert gate(audit([], CONSTITUTION))


def test_labels_of_another_constitution_and_repeated_ids_stop_a_run() -> None:
    """Labels belong to a constitution, and an id to one example."""
    foreign = with_one(constitution="another")
    repeated = audit([*sound(), sound()[5]], CONSTITUTION)

    assert any("another constitution: changed" in reason for reason in gate(foreign))
    assert any("more than once: 5" in reason for reason in gate(repeated))


def test_a_word_that_gives_the_label_away_is_measured() -> None:
    """A keyword on one side makes words predict; without it they do not. Twins are looked at alone, too."""
    told = [
        replace(e, messages=(Message("user", e.messages[0].content + (" please" if e.prompt_label else "")),))
        for e in sound()
    ]

    def words(examples: list[Example]) -> dict[str, float]:
        found = audit([replace(e, answer_label=None) for e in examples], CONSTITUTION).shortcuts
        return {s.against: s.auroc for s in found if (s.side, s.feature) == ("prompt", "words")}

    assert words(told)["all"] > 0.95
    assert words(told)["same_domain"] > 0.95
    assert words([replace(e, messages=e.prompt) for e in sound()])["all"] < 0.7


def test_a_length_that_gives_the_label_away_is_measured() -> None:
    """Restricted answers twice as long as permitted ones are told apart by length alone."""
    long = [
        replace(e, messages=(*e.prompt, Message("assistant", "word " * (80 if e.answer_label else 40) + e.id)))
        for e in sound()
    ]
    found = {(s.side, s.feature, s.against): s.auroc for s in audit(long, CONSTITUTION).shortcuts}

    assert found["answer", "length", "all"] == pytest.approx(1.0)
    assert found["prompt", "length", "all"] < 0.7


def test_a_wrong_label_is_the_first_suspect() -> None:
    """Where words tell the labels apart, the one example labelled against them comes first."""
    told = [
        replace(e, messages=(Message("user", e.messages[0].content + (" please" if e.prompt_label else "")),))
        for e in sound()
    ]
    wrong = [replace(e, answer_label=None, prompt_label=0 if e.id == "8" else e.prompt_label) for e in told]

    assert audit(wrong, CONSTITUTION).suspects[0].id == "8"


def test_too_little_to_say_is_not_said() -> None:
    """With fewer families of a label than folds there are no figures and no suspects."""
    found = audit(sound(8), CONSTITUTION)

    assert found.shortcuts == ()
    assert found.suspects == ()


def test_labels_the_words_speak_against_are_counted_by_rule() -> None:
    """Of six wrong labels in a rule some are doubted, and none of the sound ones of other rules."""
    told = [
        replace(e, messages=(Message("user", e.messages[0].content + (" please" if e.prompt_label else "")),))
        for e in sound()
    ]
    wrong = [
        replace(e, answer_label=None, prompt_label=0 if e.id in {"8", "20", "32", "44", "56", "68"} else e.prompt_label)
        for e in told
    ]
    doubts = {doubt.rule: doubt.doubted for doubt in audit(wrong, CONSTITUTION).doubts}

    assert 2 <= (doubts.pop("cast") or 0) <= 6
    assert doubts == {None: doubts[None], "locks": 0, "ring": 0, "soup": 0}


def test_a_rule_that_its_words_give_away_is_named() -> None:
    """A keyword in one permitted rule tells its prompts from restricted ones, and no other rule's."""
    told = [
        replace(e, messages=(Message("user", e.messages[0].content + (" soup" if e.rule == "soup" else "")),))
        for e in sound()
    ]
    by_rule = {s.rule: s.words for s in audit(told, CONSTITUTION).rule_shortcuts}

    assert by_rule["soup"] > 0.9
    assert by_rule["ring"] < 0.75


def test_templates_of_held_out_prompts_are_looked_up_in_training() -> None:
    """An opening that training has counts as seen, and as one-sided where only one label has it there."""

    def opened(name: str, opening: str, label: int, split: str) -> Example:
        return replace(example(name, f"{opening} {name}?", label=label, family=name), split=split)  # pyright: ignore[reportArgumentType] -- a split by name

    given = [
        opened("rope", "How do I make a", 1, "train"),
        opened("stone", "How do I make a", 0, "train"),
        opened("river", "Could you tell me all of the", 1, "train"),
        opened("bell", "How do I make a", 0, "test"),
        opened("tower", "Could you tell me all of the", 0, "test"),
        opened("candle", "Is there any one of you with", 0, "test"),
        opened("basket", "Ringing:", 0, "test"),
    ]

    assert audit(given, CONSTITUTION).templates == Templates(held=3, seen=2, seen_one_sided=1)


def test_a_transform_worn_by_one_label_stops_a_run() -> None:
    """Fifty restricted prompts in base64 and no permitted one are a shortcut; dealt to both alike they are none."""
    skewed = [replace(e, id=f"{e.id}-{i}", transforms=("base64",)) for i in range(2) for e in sound() if e.prompt_label]
    even = [replace(e, id=f"{e.id}-x", transforms=("base64",)) for e in sound()]

    assert any("transform base64: 100% of 60 prompts" in r for r in gate(audit([*sound(), *skewed], CONSTITUTION)))
    assert gate(audit([*sound(), *even], CONSTITUTION)) == []
    assert audit(sound(), CONSTITUTION).balance["lang"] == {"en": Balance(restricted=30, permitted=90)}


def test_limits_can_be_set_and_misspelt_ones_are_told() -> None:
    """A tighter limit stops what the default lets pass; an unknown name, or no number, is wrong use."""
    told = [
        replace(e, messages=(Message("user", e.messages[0].content + (" please" if e.prompt_label else "")),))
        for e in sound()
    ]
    found = audit([replace(e, answer_label=None) for e in told], CONSTITUTION)

    assert [reason.partition(" alone")[0] for reason in gate(found)] == ["labels are told apart by length"]
    assert gate(found, with_limits(["length=1"])) == []
    assert any("by words alone: AUROC" in reason for reason in gate(found, with_limits(["length=1", "words=0.9"])))
    for wrong in ("word=0.9", "words=", "words"):
        with pytest.raises(UsageError, match="NAME=NUMBER"):
            with_limits([wrong])
    assert with_limits([]) == Limits()


def test_without_a_constitution_no_rule_counts() -> None:
    """Imported rows are looked over, too: no rule is missed and none is foreign."""
    found = audit([replace(e, rule=None) for e in sound()], None)

    assert gate(found) == []
    assert found.counts["rule"] == {}
    assert found.foreign == ()
