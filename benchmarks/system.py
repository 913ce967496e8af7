"""Measure a project's guard as a system, with a bag-of-words guard fitted to the same budget beside it.

In: a project folder that `lictor run` made, and files of benign conversations (optional). Out: figures in
docs/results.json: attack success without and with a guard, the stage that blocked, leaks before the stop, universality,
wrapper-matched rates, false positives by source and bucket.

    python benchmarks/system.py demo --strategies 12 --pool everyday=prompts.jsonl
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lictor.assemble import Guard
from lictor.dataset.pools import read_pool
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import (
    Benign,
    Figure,
    Outcome,
    attack_success,
    false_positives,
    leaked_before_stop,
    outcome_shares,
    run,
    universality,
    wrapper_matched,
)
from lictor.evaluation.questions import Domain, load
from lictor.evaluation.results import record
from lictor.evaluation.suite import Strategy, build_attacks, build_permitted, deal_strategies, ordinary_requests
from lictor.evaluation.targets import Answer, ModelTarget, Target, WorstCaseTarget
from lictor.guard.guard import Guard as PlainGuard
from lictor.llm.load import load_chat_model
from lictor.pipeline.baselines import baseline_guard
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.stages import plan as plan_stages
from lictor.pipeline.stages import read_inputs
from lictor.starter.folders import resolve
from lictor.types import Attack, Example, Sampling, StreamingGuard

HELD_OUT = {"held_out_wrappers": ("hypothetical", "word_trick"), "held_out_codes": ("morse", "acrostic")}
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("project", type=Path)
    parser.add_argument("--strategies", type=int, default=8, help="per suite; each attacks all ten questions")
    parser.add_argument("--permitted", type=int, default=100, help="permitted requests per suite")
    parser.add_argument("--pool", action="append", default=[], metavar="NAME=FILE", help="more benign conversations")
    parser.add_argument("--pool-limit", type=int, default=400, help="conversations taken of each pool")
    parser.add_argument("--model", metavar="REFERENCE", help="also ask a real model that has the handbook before it")
    parser.add_argument("--precision", default="auto", help="of the real model's weights")
    options = parser.parse_args()
    project = load_project(options.project)
    examples = read_dataset(next(s.folder for s in plan_stages(project) if s.stage == "data"))
    trained = Guard.load(project.guard)
    baseline = baseline_guard("bag_of_words", project, examples, trained.policy)
    guards: dict[str, PlainGuard] = {"guard": trained, "bag_of_words": baseline}
    domain = load(resolve("starter:emberglass", Path()))
    benign = held_out_benign(project, examples) + pools(options.pool, options.pool_limit)
    real = real_target(options.model, options.precision, domain) if options.model else None
    for name, guard in guards.items():
        figures = measure_real(name, guard, domain, real) if real else []
        figures += measure_attacks(name, guard, domain, options.strategies, options.permitted)
        figures += [replace(f, name=f"{name}/{f.name}") for f in false_positives(guard, benign)]
        record(RESULTS, figures, command=f"python benchmarks/system.py {' '.join(_shown(sys.argv[1:]))}")
        for figure in figures:
            print(
                f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}", flush=True
            )


def measure_attacks(name: str, guard: StreamingGuard, domain: Domain, strategies: int, permitted: int) -> list[Figure]:
    """Every suite against the worst-case target."""
    target = WorstCaseTarget(domain)
    covered = {question.id: float(len(domain.rubric(question.id))) for question in domain.questions}
    requests = ordinary_requests(domain, permitted)
    suites: dict[str, Sequence[Strategy]] = {"plain": [Strategy("plain", (), seed) for seed in range(3)]}
    for suite, families in HELD_OUT.items():
        suites[suite] = deal_strategies(strategies, families=families, depth=1, seed=11)
    figures: list[Figure] = []
    for suite, dealt in suites.items():
        attacks = build_attacks(domain, dealt)
        unguarded = attack_success(run(None, target, attacks, covered), rng=np.random.default_rng(0))
        figures.append(replace(unguarded, name=f"unguarded/{suite}/attack_success"))
        outcomes = run(guard, target, attacks, covered)
        allowed = run(guard, target, build_permitted(requests, dealt), covered)
        figures += [replace(f, name=f"{name}/{suite}/{f.name}") for f in _summary(outcomes, allowed)]
    return [f for f in figures if name == "guard" or not f.name.startswith("unguarded")]


def real_target(reference: str, precision: str, domain: Domain) -> "_Remembered":
    """A local model with the handbook in its context, whose answers are made once and shown to every guard."""
    model = load_chat_model(reference, precision=precision)
    return _Remembered(ModelTarget(model, domain, sampling=Sampling(200, 0.0)), {})


def measure_real(name: str, guard: StreamingGuard, domain: Domain, target: Target) -> list[Figure]:
    """Every question in three wordings, asked plainly of a real model, without a guard and behind it."""
    covered = {question.id: float(len(domain.rubric(question.id))) for question in domain.questions}
    attacks = build_attacks(domain, [Strategy("plain", (), seed) for seed in range(3)])
    figures = [
        replace(attack_success(outcomes, rng=np.random.default_rng(0)), name=f"{title}/real_model/attack_success")
        for title, outcomes in (
            ("unguarded", run(None, target, attacks, covered)),
            (name, run(guard, target, attacks, covered)),
        )
    ]
    return figures if name == "guard" else figures[1:]


@dataclass(frozen=True)
class _Remembered:
    """A target that answers the same attack once."""

    target: Target
    answers: dict[str, Answer]

    def answer(self, attack: Attack) -> Answer:
        if attack.id not in self.answers:
            self.answers[attack.id] = self.target.answer(attack)
        return self.answers[attack.id]


def _summary(outcomes: Sequence[Outcome], allowed: Sequence[Outcome]) -> list[Figure]:
    success = attack_success(outcomes, rng=np.random.default_rng(0))
    return [
        replace(success, name="attack_success"),
        *outcome_shares(outcomes),
        *leaked_before_stop(outcomes),
        universality(outcomes, "half"),
        universality(outcomes, "full"),
        *wrapper_matched([*outcomes, *allowed]),
    ]


def held_out_benign(project: Project, examples: Sequence[Example]) -> list[Benign]:
    """The permitted exchanges of the test split."""
    buckets = read_inputs(project).buckets
    return [
        Benign("pack", buckets.get(e.rule or "", "everyday"), e.prompt, e.answer)
        for e in examples
        if e.split == "test" and e.prompt_label == 0 and e.answer is not None
    ]


def pools(named: Sequence[str], limit: int) -> list[Benign]:
    """The first `limit` conversations of each `NAME=FILE`."""
    found: list[Benign] = []
    for item in named:
        name, _, path = item.partition("=")
        rows = read_pool(Path(path), source=name)[:limit]
        found += [Benign(name, "everyday", e.prompt, e.answer) for e in rows]
    return found


def _shown(arguments: Sequence[str]) -> list[str]:
    """The arguments with files named by their last part alone."""
    return [f"{a.split('=')[0]}={Path(a.split('=')[1]).name}" if "=" in a else Path(a).name for a in arguments]


if __name__ == "__main__":
    main()
