"""Thresholds are fitted on whole exchanges where there are enough of them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from lictor.artifacts import fingerprint
from lictor.augment import PlanConfig
from lictor.calibration.intervals import samples_needed
from lictor.llm.scripted import ScriptedModel
from lictor.pipeline.config import load_project
from lictor.pipeline.data import split_and_join, synthesis_config
from lictor.pipeline.held_out import held_out_items, lend_answers
from lictor.pipeline.stages import read_inputs
from lictor.pipeline.training import augment_plan
from lictor.starter.templates import read_constitution, read_project
from lictor.synthesis.engine import synthesise
from lictor.synthesis.estimate import stand_in
from lictor.types import Bucket, Example, Message, Split

BUCKETS: dict[str, Bucket] = {"melt": "restricted", "tea": "everyday", "law": "same_domain"}
PLAN = PlanConfig(per_example=1, depth=1)
_numbers = count()


def example(rule: str, split: Split, answer: str | None = "so") -> Example:
    """One prompt of a rule, with an answer or none."""
    label, at = int(rule == "melt"), next(_numbers)
    said = () if answer is None else (Message("assistant", answer),)
    return Example(
        id=f"e{at}",
        constitution="",
        messages=(Message("user", f"About {rule}, number {at}?"), *said),
        prompt_label=label,
        answer_label=None if answer is None else label,
        rule=rule,
        source="synthesis",
        split=split,
    )


def examples(whole: int, prompts: int) -> Iterator[Example]:
    """That many exchanges and prompts of each rule in each split."""
    for split in ("train", "validation", "calibration", "test"):
        for rule in BUCKETS:
            yield from (example(rule, split) for _ in range(whole))
            yield from (example(rule, split, None) for _ in range(prompts))


def test_prompts_without_an_answer_make_no_promise() -> None:
    """Where enough exchanges are there, the level is chosen, and reported, on them alone."""
    found = held_out_items(list(examples(60, 20)), [], BUCKETS, PLAN)

    for split in ("calibration", "test"):
        assert {item.conversation[-1].role for item in found[split]} == {"assistant"}
    assert not any(item.is_restricted for item in found["calibration"])
    assert {item.source for item in found["calibration"]} == {"everyday", "same_domain", "wrapped"}


def test_too_few_exchanges_are_filled_up_with_prompts() -> None:
    """A generator that answered little still gives a guard: prompts count too."""
    found = held_out_items(list(examples(5, 60)), [], BUCKETS, PLAN)

    assert {item.conversation[-1].role for item in found["calibration"]} == {"user", "assistant"}


def test_a_prompt_borrows_an_answer_of_its_own_rule() -> None:
    """By turns, from those of the same label; where nobody has one, it stays a prompt."""
    rows = [
        example("melt", "validation", "hot"),
        example("melt", "validation", None),
        example("tea", "validation", None),
    ]

    lent = lend_answers(rows)

    assert [e.answer for e in lent] == ["hot", "hot", None]
    assert [e.answer_label for e in lent] == [1, 1, None]
    assert lent[0] is rows[0]


def test_validation_is_made_of_exchanges() -> None:
    """The balance between the stages is chosen where prompts without an answer have borrowed one."""
    found = held_out_items(list(examples(5, 60)), [], BUCKETS, PLAN)

    assert {item.conversation[-1].role for item in found["validation"]} == {"assistant"}


def test_a_restricted_answer_to_a_permitted_prompt_is_not_benign() -> None:
    """It counts as restricted, and thresholds are not fitted to let it pass; its permitted twin is benign."""
    given = example("law", "calibration")
    twin = replace(given, id="twin", answer_label=1, rule="melt")
    refused = replace(example("melt", "test"), answer_label=0)
    items = held_out_items([given, twin, refused], [], BUCKETS, PLAN)

    assert {item.id for item in items["calibration"] if item.id in {given.id, "twin"}} == {given.id}
    assert all(item.is_restricted for item in items["test"])


def test_an_item_says_whose_it_is_and_what_its_answer_is_worth() -> None:
    """Disguised copies stay in the family; a refusal of what is restricted is no restricted answer."""
    refused = replace(example("melt", "test"), answer_label=0, family="bells")
    found = held_out_items([refused], [], BUCKETS, PLAN)["test"]

    assert {item.source for item in found} == {"restricted", "wrapped"}
    assert {(item.family, item.answer_label, item.is_restricted) for item in found} == {("bells", 0, True)}


def test_the_tutor_makes_enough_to_keep_its_budget(tmp_path: Path) -> None:
    """Even where filters and judges drop a third of what the generator wrote."""
    for name, text in (("constitution", read_constitution("tutor")), ("lictor", read_project("tutor"))):
        (tmp_path / f"{name}.yaml").write_text(text)
    inputs = read_inputs(project := load_project(tmp_path))
    model = ScriptedModel(lambda asked, sampling: stand_in(asked[-1].content, sampling))
    made, _ = synthesise(
        inputs.constitution, inputs.material, model, synthesis_config(project), lambda _s, _a, _n: None
    )
    kept = [e for e in made if int(fingerprint(e.id), 16) % 3]
    placed = split_and_join(kept, several_turns=project.config.synthesis.several_turns, seed=0)

    items = held_out_items(placed, [], inputs.buckets, augment_plan(project, per_example=1))["calibration"]

    sizes = Counter(item.source for item in items)
    policy = project.config.policy
    assert min(sizes.values()) * len(sizes) >= samples_needed(policy.budget_fpr, policy.confidence)
