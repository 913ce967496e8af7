"""The parts of a running arena, and what each of them is read from.

In: a store, and the folders its contest names. Out: an `Arena`. The only module here that loads guards and models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lictor.arena.contest import Asked, Contest, Mode
from lictor.arena.events import Started
from lictor.arena.grading import AnswerGrader, FactsGrader
from lictor.arena.rounds import contest_of
from lictor.arena.store import Store
from lictor.arena.targets import FreeTarget, ModelFreeTarget, WorstCaseFreeTarget, rubric_facts
from lictor.artifacts import fingerprint
from lictor.errors import DataError, UsageError
from lictor.evaluation.questions import Domain, Fact, load, load_questions
from lictor.evaluation.rubric import Mark
from lictor.starter.folders import resolve
from lictor.types import ChatModel, StreamingGuard

LoadModel = Callable[[str], ChatModel]
RUBRICS = "rubrics.json"
PROMPT_TOKENS = 384
"""Tokens of prompts read in one pass, padding included: with more, short ones are padded to the length of long ones."""


@dataclass(frozen=True)
class Arena:
    """Everything a server of one arena needs."""

    store: Store
    guard: StreamingGuard | None
    """None lets everything through: for dry runs and ablations."""
    target: FreeTarget
    grader: AnswerGrader
    facts: tuple[Fact, ...] = ()
    """Rubric facts looked for in players' messages."""
    guard_version: str = ""


def set_up(
    domain_folder: str,
    *,
    title: str,
    mode: Mode,
    guard: str,
    questions: tuple[str, ...] = (),
    mark: Mark = "half",
    target: str = "worst-case",
    judge: str = "",
    judge_fallback: str = "",
) -> Contest:
    """A contest over a domain's questions, graded by its facts or by a judge.

    Args:
        domain_folder: Folder with `questions.yaml`, and `handbook.yaml` to grade by facts or `rubrics.json` to grade by
            a judge; or `starter:emberglass`.
        title: What players see.
        mode: Bounty or levels.
        guard: Folder of the guard; empty for none.
        questions: Ids in the order asked; empty means all, and the first eight in the levels mode.
        mark: Detail needed.
        target: `worst-case` or a model reference.
        judge: Reference of the chat model that grades; empty to grade by facts.
        judge_fallback: Reference of the one asked where it refuses.

    Raises:
        DataError: A file of the domain is malformed, or it has no such question.
    """
    every = asked_in(domain_folder, by_judge=bool(judge))
    unknown = set(questions) - set(every)
    if unknown:
        raise DataError(f"{domain_folder}: expected questions of {sorted(every)}, got {sorted(unknown)}")
    chosen = questions or tuple(every)[: 8 if mode == "levels" else None]
    return Contest(
        title=title,
        mode=mode,
        questions=tuple(every[name] for name in chosen),
        mark=mark,
        guard=guard,
        domain=domain_folder,
        target=target,
        grader="judge" if judge else "facts",
        judge=judge,
        judge_fallback=judge_fallback,
    )


def asked_in(domain_folder: str, *, by_judge: bool) -> dict[str, Asked]:
    """The questions of a domain with their marks, by id: from its handbook, or from its rubrics where a judge grades.

    Raises:
        DataError: A file of the domain is missing or malformed, or a question has no rubric.
    """
    folder = resolve(domain_folder, Path.cwd())
    if not by_judge:
        domain = load(folder)
        counts = {question.id: len(domain.rubric(question.id)) for question in domain.questions}
        return {q.id: Asked(id=q.id, text=q.text, covered=counts[q.id], topics=counts[q.id]) for q in domain.questions}
    from lictor.arena.judge import read_rubrics

    rubrics, questions = read_rubrics(folder / RUBRICS), load_questions(folder)
    without = [question.id for question in questions if question.id not in rubrics]
    if without:
        raise DataError(f"{folder / RUBRICS}: expected a rubric for every question, got none for {without}")
    return {
        q.id: Asked(id=q.id, text=q.text, covered=rubrics[q.id].covered, topics=len(rubrics[q.id].points))
        for q in questions
    }


def assemble(store: Store, *, load_model: LoadModel | None = None) -> Arena:
    """The arena a store's contest describes, its guard and target loaded.

    Raises:
        Declined: The store holds no contest yet.
        UsageError: The contest names what this Lictor cannot load.
        ArtifactError: The guard's folder is missing or altered.
    """
    return Arena(store, *_parts(store.read(contest_of), load_model))


def check(contest: Contest, *, load_model: LoadModel | None = None) -> None:
    """Load what a contest names, so that one which can't be served is never logged.

    Raises:
        LictorError: A guard, model or file it names is missing or malformed.
    """
    _parts(contest, load_model)


def note_start(arena: Arena) -> None:
    """Log which guard, target and domain are served from now on."""
    domain = fingerprint(arena.facts)
    started = Started(guard=arena.guard_version, target=arena.target.name, domain=domain)
    arena.store.change("server", lambda _: [started])


class _Parts(NamedTuple):
    """What an `Arena` has beside its store, in the same order."""

    guard: StreamingGuard | None
    target: FreeTarget
    grader: AnswerGrader
    facts: tuple[Fact, ...]
    guard_version: str


def _parts(contest: Contest, load_model: LoadModel | None) -> _Parts:
    if load_model is None:
        from lictor.llm.load import load_chat_model

        load_model = load_chat_model
    folder = resolve(contest.domain, Path.cwd())
    domain = load(folder) if (folder / "handbook.yaml").exists() else None
    guard, version = _load_guard(contest.guard)
    facts = rubric_facts(domain) if domain else ()
    target = _target(contest, domain, load_model)
    return _Parts(guard, target, _grader(contest, domain, folder, load_model), facts, version)


def _load_guard(folder: str) -> tuple[StreamingGuard | None, str]:
    if not folder:
        return None, ""
    from lictor.arena.together import together
    from lictor.assemble import Guard
    from lictor.model.scorers import PromptScorer, score_batch

    loaded = Guard.load(folder)
    prompts = loaded.input_scorer
    at_once = partial(prompts.score_many, batch_tokens=PROMPT_TOKENS) if isinstance(prompts, PromptScorer) else None
    guard = together(loaded, score_batch, at_once)
    return guard, guard.version


def _target(contest: Contest, domain: Domain | None, load_model: LoadModel) -> FreeTarget:
    if contest.target != "worst-case":
        return ModelFreeTarget(load_model(contest.target), rubric_facts(domain) if domain else ())
    if domain is None:
        raise UsageError(f"{contest.domain}: expected a handbook.yaml for the worst-case target, found none")
    return WorstCaseFreeTarget(domain)


def _grader(contest: Contest, domain: Domain | None, folder: Path, load_model: LoadModel) -> AnswerGrader:
    if contest.grader == "facts":
        if domain is None:
            raise UsageError(f"{contest.domain}: expected a handbook.yaml to grade by facts, found none")
        return FactsGrader(domain)
    if not contest.judge:
        raise UsageError("expected a judge's model in the contest where the grader is `judge`, got none")
    return _judge(contest.judge, contest.judge_fallback, folder, load_model)


def judge_of(arena: Arena, reference: str) -> AnswerGrader:
    """A judge over another chat model, with the rubrics of the arena's domain.

    Raises:
        ModelNotFoundError: The reference leads nowhere.
        DataError: The domain has no rubrics.
    """
    from lictor.llm.load import load_chat_model

    contest = arena.store.read(contest_of)
    return _judge(reference, contest.judge_fallback, resolve(contest.domain, Path.cwd()), load_chat_model)


def _judge(reference: str, fallback: str, folder: Path, load_model: LoadModel) -> AnswerGrader:
    from lictor.arena.judge import JudgeGrader, read_rubrics

    other = load_model(fallback) if fallback else None
    return JudgeGrader(load_model(reference), read_rubrics(folder / RUBRICS), fallback=other)
