"""Gather what `lictor evaluate` puts before a guard: from a project, or from a guard folder and files.

In: a folder and options. Out: cases, who answers them, and the guards to put them before. Attacks come from the
project's questions and from transforms, conversations from the test split and from files; nothing here was trained
or tuned on. Knows no figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from lictor.assemble import Guard
from lictor.augment import DEFAULT_HOLD_OUT
from lictor.dataset.pools import read_pool
from lictor.dataset.store import read_dataset
from lictor.errors import ArtifactError, UsageError
from lictor.evaluation.agreement import Grading, write_agreement
from lictor.evaluation.evaluate import Answers
from lictor.evaluation.judge import Judge
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import Domain, load
from lictor.evaluation.suite import PLAIN
from lictor.evaluation.suites import WORST_CASE, Case, cases_of, deal_suites, given_case, riffle
from lictor.evaluation.targets import ModelTarget, Target, WorstCaseTarget
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.load import load_chat_model
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.stages import plan, read_inputs
from lictor.starter.folders import resolve
from lictor.types import Example, Sampling

QUESTIONS = "questions.yaml"
REAL_ANSWER = Sampling(max_tokens=300, temperature=0.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to put before the guard, and how much of it."""

    attacks: int = 1000
    target: str | None = None
    """Reference of a real model that answers too, with its pages of the handbook before it."""
    target_attacks: int = 40
    permitted: tuple[str, ...] = ()
    """Files of permitted conversations, as `NAME=FILE`."""
    restricted: tuple[str, ...] = ()
    """Files of restricted conversations, as `NAME=FILE`."""
    file_limit: int = 1000
    knowledge: str | None = None
    """Folder with questions.yaml and handbook.yaml; the project's when None."""
    hold_out: tuple[str, ...] | None = None
    """Families and transforms training did not see; the project's when None."""
    seed: int = 0

    @classmethod
    def read(cls, plan: Mapping[str, object]) -> "Wanted":
        """What an evaluation's plan says was wanted.

        Raises:
            ArtifactError: It does not say.
        """
        try:
            return TypeAdapter(cls).validate_python(plan["wanted"])
        except (KeyError, ValidationError) as error:
            raise ArtifactError(f"expected an evaluation's plan with what was wanted, got none ({error})") from error


@dataclass(frozen=True)
class Evaluation:
    """Everything an evaluation runs on."""

    guard: Guard
    project: Project | None
    examples: list[Example]
    """The project's data, all splits."""
    cases: list[Case]
    answers: Answers
    hold_out: tuple[str, ...]

    def about(self, wanted: Wanted) -> dict[str, object]:
        """What tells this evaluation from another."""
        policy = self.guard.policy
        return {
            "guard": self.guard.version,
            "thresholds": [policy.input_threshold, policy.output_threshold],
            "fitted_on": dict(policy.fitted_on),
            "hold_out": list(self.hold_out),
            "seed": wanted.seed,
            "wanted": asdict(wanted),
        }


def gather(folder: Path, wanted: Wanted, cache: Path) -> Evaluation:
    """The evaluation of the project or guard in `folder`.

    Args:
        folder: A project with a guard, or a guard folder.
        wanted: Sizes and files.
        cache: File that keeps the real target's answers.

    Raises:
        UsageError: It is neither, or there is nothing to evaluate it on.
        ArtifactError: The guard is missing, incomplete or altered.
    """
    project = load_project(folder) if (folder / "lictor.yaml").is_file() else None
    if project is None and not (folder / "guard.json").is_file():
        raise UsageError(f"{folder}: expected a project (lictor.yaml) or a guard folder (guard.json), found neither")
    guard = Guard.load(project.guard if project else folder)
    examples = _project_examples(project) if project else []
    domain = _domain(project, folder, wanted.knowledge)
    hold_out = project.config.augment.hold_out if project else DEFAULT_HOLD_OUT
    hold_out = hold_out if wanted.hold_out is None else wanted.hold_out
    cases = _given(project, examples, wanted)
    targets: dict[str, Target] = {}
    if domain:
        targets[WORST_CASE] = WorstCaseTarget(domain, seed=wanted.seed)
        attacks = cases_of(deal_suites(wanted.attacks, domain, hold_out, seed=wanted.seed), domain, seed=wanted.seed)
        first = sum(case.suite == PLAIN for case in attacks)
        cases = attacks[:first] + riffle(attacks[first:], cases)
    if domain and wanted.target:
        model = CachedModel(load_chat_model(wanted.target), CompletionStore(cache))
        targets[model.name] = ModelTarget(model, domain, sampling=REAL_ANSWER)
        suites = deal_suites(wanted.target_attacks, domain, hold_out, seed=wanted.seed + 1)
        real = cases_of([s for s in suites if s.name != "long"], domain, target=model.name, seed=wanted.seed)
        cases += [case for case in real if case.kind == "attack"]
    if not cases:
        raise UsageError(f"{folder}: nothing to evaluate on: no {QUESTIONS}, no test split and no file; add --pool")
    return Evaluation(guard, project, examples, cases, Answers(targets, domain), hold_out)


def grade_by_judge(found: Evaluation, folder: Path, reference: str, n: int) -> list[Figure]:
    """How far a judge agrees with counting facts, on the worst case's answers to `n` attacks; kept in the folder.

    Raises:
        UsageError: There are no attacks.
        GenerationError: The judge makes no rubric, or cannot be reached.
    """
    domain, target = found.answers.domain, found.answers.targets.get(WORST_CASE)
    attacks = [case for case in found.cases if case.kind == "attack" and case.target == WORST_CASE]
    if domain is None or target is None or not attacks:
        raise UsageError(f"--judge {reference}: expected questions to grade answers to, found none")
    model = CachedModel(load_chat_model(reference), CompletionStore(folder / "answers.sqlite"))
    grading = Grading(Judge(model), domain, target, folder)
    rubrics = grading.make_rubrics(attacks)
    sample = attacks[:: max(1, len(attacks) // n)][:n]  # of every suite, not of the plain ones that come first
    return write_agreement(folder, grading.grade(sample, rubrics), model.name)


def _project_examples(project: Project) -> list[Example]:
    stages = plan(project)
    if stages[0].is_new:
        raise UsageError(f"{project.folder}: its data is not made or out of date; run `lictor run {project.folder}`")
    return read_dataset(stages[0].folder)


def _domain(project: Project | None, folder: Path, knowledge: str | None) -> Domain | None:
    named = knowledge or (project.config.knowledge if project else None)
    if named is None:
        return None
    place = resolve(named, Path() if knowledge else folder)
    return load(place) if (place / QUESTIONS).is_file() else None


def _given(project: Project | None, examples: Sequence[Example], wanted: Wanted) -> list[Case]:
    """The test split as it is, and the conversations of files, shuffled."""
    cases: list[Case] = []
    if project:
        buckets = read_inputs(project).buckets
        held = [e for e in examples if e.split == "test" and not e.transforms and e.prompt_label is not None]
        cases += [
            given_case(e, suite="test split", source="test split", bucket=buckets.get(e.rule or "", "everyday"), at=at)
            for at, e in enumerate(held)
        ]
    for label, named in ((0, wanted.permitted), (1, wanted.restricted)):
        for item in named:
            name, equals, path = item.partition("=")
            if not equals:
                raise UsageError(f"{item!r}: expected NAME=FILE, got no '='")
            rows = read_pool(Path(path), source=name)[: wanted.file_limit]
            cases += [
                given_case(replace(e, prompt_label=label), suite="files", source=name, bucket=None, at=at)
                for at, e in enumerate(rows)
            ]
    order = np.random.default_rng([wanted.seed, 7]).permutation(len(cases))
    return [cases[int(index)] for index in order]
