"""The parts of a running arena, and what each of them is read from.

In: a store, and the folders its contest names. Out: an `Arena`. The only module here that loads guards and models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lictor.arena.contest import Asked, Contest, Mode
from lictor.arena.events import Started
from lictor.arena.grading import AnswerGrader, FactsGrader
from lictor.arena.rounds import contest_of
from lictor.arena.store import Store
from lictor.arena.targets import FreeTarget, ModelFreeTarget, WorstCaseFreeTarget, rubric_facts
from lictor.artifacts import fingerprint
from lictor.errors import UsageError
from lictor.evaluation.questions import Domain, Fact, load
from lictor.evaluation.rubric import Mark
from lictor.starter.folders import resolve
from lictor.types import ChatModel, StreamingGuard

LoadModel = Callable[[str], ChatModel]


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
) -> Contest:
    """A contest over a domain's questions, graded by its facts.

    Args:
        domain_folder: Folder with `questions.yaml` and `handbook.yaml`, or `starter:emberglass`.
        title: What players see.
        mode: Bounty or levels.
        guard: Folder of the guard; empty for none.
        questions: Ids in the order asked; empty means all, and the first eight in the levels mode.
        mark: Detail needed.
        target: `worst-case` or a model reference.

    Raises:
        DataError: A file of the domain is malformed, or it has no such question.
    """
    domain = load(resolve(domain_folder, Path.cwd()))
    every = [question.id for question in domain.questions]
    chosen = questions or tuple(every[:8] if mode == "levels" else every)
    texts = {question.id: question.text for question in domain.questions}
    asked = tuple(
        Asked(id=name, text=texts.get(name, ""), covered=len(domain.rubric(name)), topics=len(domain.rubric(name)))
        for name in chosen
    )
    return Contest(title=title, mode=mode, questions=asked, mark=mark, guard=guard, domain=domain_folder, target=target)


def assemble(store: Store, *, load_model: LoadModel | None = None) -> Arena:
    """The arena a store's contest describes, its guard and target loaded.

    Raises:
        Declined: The store holds no contest yet.
        UsageError: The contest names what this Lictor cannot load.
        ArtifactError: The guard's folder is missing or altered.
    """
    contest = store.read(contest_of)
    if load_model is None:
        from lictor.llm.load import load_chat_model

        load_model = load_chat_model
    folder = resolve(contest.domain, Path.cwd())
    domain = load(folder) if (folder / "handbook.yaml").exists() else None
    guard, version = _load_guard(contest.guard)
    return Arena(
        store=store,
        guard=guard,
        target=_target(contest, domain, load_model),
        grader=_grader(contest, domain, folder, load_model),
        facts=rubric_facts(domain) if domain else (),
        guard_version=version,
    )


def note_start(arena: Arena) -> None:
    """Log which guard, target and domain are served from now on."""
    domain = fingerprint(arena.facts)
    started = Started(guard=arena.guard_version, target=arena.target.name, domain=domain)
    arena.store.change("server", lambda _: [started])


def _load_guard(folder: str) -> tuple[StreamingGuard | None, str]:
    if not folder:
        return None, ""
    from lictor.assemble import Guard

    guard = Guard.load(folder)
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
    from lictor.arena.judge import JudgeGrader, read_rubrics

    if not contest.judge:
        raise UsageError("expected a judge's model in the contest where the grader is `judge`, got none")
    return JudgeGrader(load_model(contest.judge), read_rubrics(folder / "rubrics.json"))


def judge_of(arena: Arena, reference: str) -> AnswerGrader:
    """A judge over another chat model, with the rubrics of the arena's domain.

    Raises:
        ModelNotFoundError: The reference leads nowhere.
        DataError: The domain has no rubrics.
    """
    from lictor.arena.judge import JudgeGrader, read_rubrics
    from lictor.llm.load import load_chat_model

    folder = resolve(arena.store.read(contest_of).domain, Path.cwd())
    return JudgeGrader(load_chat_model(reference), read_rubrics(folder / "rubrics.json"))
