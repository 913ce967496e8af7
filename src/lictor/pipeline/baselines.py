"""Simple guards beside a project's own: made of the same examples, fitted to the same budget.

In: a project, its examples, the name of a baseline. Out: a guard. Knows no attack.
"""

from collections.abc import Sequence
from dataclasses import replace

from lictor.augment import augment
from lictor.calibration.thresholds import fit
from lictor.constitution import Constitution
from lictor.errors import UsageError
from lictor.evaluation.baseline import (
    BaselineInput,
    BaselineStream,
    Keywords,
    keywords,
    train_bag_of_words,
    words_of,
)
from lictor.evaluation.embedding import MINILM, EmbeddingInput, Encoder, asked, train_embedding
from lictor.evaluation.prompted import PromptedJudge
from lictor.guard.guard import Guard
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.load import load_chat_model
from lictor.llm.weights import cache_dir
from lictor.pipeline.config import Project
from lictor.pipeline.held_out import held_out_items
from lictor.pipeline.pools import read_pools
from lictor.pipeline.scoring import trace_all
from lictor.pipeline.stages import Inputs, read_inputs
from lictor.pipeline.training import augment_plan
from lictor.types import Example, Policy


def baseline_guard(name: str, project: Project, examples: Sequence[Example], policy: Policy) -> Guard:
    """The baseline called `name`, its thresholds fitted to the project's budget by the project's own procedure.

    Args:
        name: `keywords`, `bag_of_words`, `embeddings` (perhaps `embeddings:REFERENCE`), or `judge:MODEL`.
        project: Whose constitution and settings are used.
        examples: The project's data, all splits.
        policy: The guard's; stride, debounce and failure mode are taken from it.

    Raises:
        UsageError: There is no such baseline.
        ModelNotFoundError: The encoder or the judge is not on this machine.
        CalibrationError: No threshold fits the budget.
    """
    inputs, policy = read_inputs(project), replace(policy, cascade=None)
    kind, _, reference = name.partition(":")
    train = [e for e in examples if e.split == "train"]
    match kind:
        case "keywords":
            listed = keyword_list(inputs.constitution)
            made = Guard(BaselineInput(listed.open), BaselineStream(listed.open), policy)
        case "bag_of_words":
            made = _bag_of_words(_with_disguised(train, project), policy)
        case "embeddings":
            made = Guard(_embeddings(_with_disguised(train, project), reference or MINILM), None, policy)
        case "judge":
            model = CachedModel(load_chat_model(reference), CompletionStore(cache_dir() / "completions.sqlite"))
            made = Guard(PromptedJudge(model, inputs.constitution), None, policy)
        case _:
            raise UsageError(f"baseline {name!r}: expected keywords, bag_of_words, embeddings, judge:MODEL or a part")
    return fitted(made, project, inputs, examples)


def keyword_list(constitution: Constitution) -> Keywords:
    """The words that restricted rules use and permitted ones do not: what somebody would put on a list."""
    by_side: dict[bool, set[str]] = {True: set(), False: set()}
    for rule in constitution.rules:
        by_side[rule.bucket == "restricted"] |= {word for word in words_of(rule.text) if len(word) > 3}
    return keywords(by_side[True] - by_side[False])


def _with_disguised(examples: Sequence[Example], project: Project) -> list[Example]:
    """The examples, and one disguised copy of each."""
    return [*examples, *augment(examples, augment_plan(project, per_example=1))]


def _bag_of_words(train: Sequence[Example], policy: Policy) -> Guard:
    wanted = [(" ".join(m.content for m in e.prompt), e.prompt_label == 1) for e in train]
    said = [(e.answer, e.answer_label == 1) for e in train if e.answer is not None]
    prompts = train_bag_of_words([t for t, _ in wanted], [label for _, label in wanted])
    answers = train_bag_of_words([t for t, _ in said], [label for _, label in said])
    return Guard(BaselineInput(prompts.open), BaselineStream(answers.open), policy)


def _embeddings(train: Sequence[Example], reference: str) -> EmbeddingInput:
    return train_embedding(Encoder(reference), [asked(e.prompt) for e in train], [e.prompt_label == 1 for e in train])


def fitted(guard: Guard, project: Project, inputs: Inputs, examples: Sequence[Example]) -> Guard:
    """`guard` with thresholds that keep the project's budget as its own guard does: on the same conversations."""
    section = project.config.policy
    items = held_out_items(examples, read_pools(project), inputs.buckets, augment_plan(project, per_example=1))
    traces = {split: trace_all(guard, of) for split, of in items.items()}
    found = fit(
        traces["validation"],
        traces["calibration"],
        traces["test"],
        budget_fpr=section.budget_fpr,
        policy_template=guard.policy,
        confidence=section.confidence,
        promise=section.promise,
    )
    return Guard(guard.input_scorer, guard.stream_scorer, found.policy, views=guard.views)
