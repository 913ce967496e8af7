"""Put the parts of a cascade side by side: prompt only, output only, exchange, both without it, cascade, and a probe.

In: a project that was run. Out: for every system, its thresholds fitted to the same budget: what it stops of the test
split, what it wrongly stops, how well it tells both apart, and what it costs; with 95% intervals. The project is copied
to `--work`, an exchange scorer is trained there on the project's own data, and what stands in the copy is used again.
Time is the processor's and holds for a quiet machine alone; tokens read hold anywhere.

    python benchmarks/cascade.py demo --work /tmp/cascade
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from observer import RESULTS

from lictor.assemble import Guard as GuardFolder
from lictor.calibration.cascade import escalated_from
from lictor.calibration.curves import log_auroc, roc
from lictor.calibration.intervals import exact, resampled
from lictor.dataset.store import read_dataset
from lictor.evaluation.ahead import Exchange, Reading, read_ahead
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import number, record
from lictor.evaluation.suites import exchanges_of
from lictor.guard.guard import Guard
from lictor.model.exchange import ExchangeScorer
from lictor.pipeline.config import Project, load_project
from lictor.pipeline.held_out import held_out_items
from lictor.pipeline.parts import part_guard, parts_in
from lictor.pipeline.scoring import Item
from lictor.pipeline.stages import augment_plan, read_inputs, run, stands


def main() -> None:
    """Make, measure, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("project", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for the copy; one that is there goes on")
    parser.add_argument("--compute", type=float, default=1.5, help="most tokens read for benign answers, in multiples")
    parser.add_argument("--limit", type=int, help="so many conversations of the test split, to try it out")
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    project = with_exchange(options.project, options.work, options.compute)
    run(project, lambda stage, at, of, _: print(f"\r{stage} {at}/{of}", end="", flush=True) if of else None)
    figures = measure(project, options.limit)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    if options.limit is None:
        record(
            RESULTS, figures, command=f"python benchmarks/cascade.py PROJECT --work WORK --compute {options.compute}"
        )
    print()
    for figure in figures:
        print(
            f"{figure.name}: {number(figure.value, figure.unit)} "
            f"({number(figure.low, figure.unit)} to {number(figure.high, figure.unit)}), n {figure.n}"
        )


def with_exchange(project: Path, work: Path, compute: float) -> Project:
    """A copy of the project that trains an exchange scorer too."""
    if not work.is_dir():
        shutil.copytree(project, work)
    path = work / "lictor.yaml"
    settings: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings.setdefault("training", {})["exchange"] = True
    settings.setdefault("policy", {})["compute"] = compute
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return load_project(work)


def measure(project: Project, limit: int | None) -> list[Figure]:
    """Figures of every system on the test split, wrapped copies among it."""
    whole = GuardFolder.load(project.guard)
    examples = read_dataset(stands(project)["data"])
    items = held_out_items(examples, [], read_inputs(project).buckets, augment_plan(project, per_example=1))["test"]
    asked = [(item, exchanges_of(item.conversation)) for item in items[:limit]]
    systems: Mapping[str, Callable[[], Guard]] = {
        **{n: lambda n=n: part_guard(n, project, examples, whole) for n in parts_in(project, whole)},
        "cascade": lambda: whole,
    }
    return [figure for name, make in systems.items() for figure in figures_of(name, make(), asked)]


def figures_of(name: str, guard: Guard, asked: Sequence[tuple[Item, Sequence[Exchange]]]) -> list[Figure]:
    """What one system does on these conversations, and what that costs."""
    flat = [exchange for _, of in asked for exchange in of]
    started = time.process_time()
    read = iter(read_ahead(guard, flat))
    by_item = [[next(read) for _ in of] for _, of in asked]
    spent = time.process_time() - started
    restricted = np.asarray([item.is_restricted for item, _ in asked])
    scores = np.asarray([max(margin(guard, one) for one in of) for of in by_item])
    made = [
        share("benign_stopped", scores[~restricted] >= 0),
        share("restricted_stopped", scores[restricted] >= 0),
        apart(scores, restricted),
        alone("ms_a_conversation", 1000 * spent / len(asked), len(asked), "ms"),
    ]
    if guard.policy.cascade and isinstance(guard.exchange_scorer, ExchangeScorer):
        made += costs(guard, guard.exchange_scorer, asked, by_item)
    return [replace(one, name=f"cascade/{name}/{one.name}") for one in made]


def margin(guard: Guard, one: Reading) -> float:
    """How far over its threshold either stage goes."""
    return max(one.prompt_peak - guard.policy.input_threshold, one.answer_peak - guard.policy.output_threshold)


def apart(scores: np.ndarray, restricted: np.ndarray) -> Figure:
    """Log-AUROC; the interval resamples conversations of either side."""
    sides = [np.flatnonzero(restricted == side) for side in (False, True)]

    def of(benign: np.ndarray, bad: np.ndarray) -> float:
        found = np.concatenate([scores[benign], scores[bad]])
        return log_auroc(roc(found, np.arange(found.size) >= benign.size)).value

    rng = np.random.default_rng(0)
    drawn = [of(*(rng.choice(side, side.size) for side in sides)) for _ in range(400)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure("log_auroc", of(*sides), float(low), float(high), scores.size, "share")


def costs(
    guard: Guard,
    exchange: ExchangeScorer,
    asked: Sequence[tuple[Item, Sequence[Exchange]]],
    by_item: Sequence[Sequence[Reading]],
) -> list[Figure]:
    """Shares of answers and of their tokens that are escalated, and tokens read over those of the stream scorer."""
    cascade = guard.policy.cascade
    assert cascade is not None, "asked of a cascade alone"  # noqa: S101
    rows: dict[bool, list[tuple[int, int, int]]] = {False: [], True: []}
    for (item, exchanges), readings in zip(asked, by_item, strict=True):
        for turn, one in zip(exchanges, readings, strict=True):
            if (n := len(one.logits)) == 0:
                continue
            first = escalated_from(cascade, one.prompt_peak, one.logits) if one.prompt_peak < inf else None
            further = 0
            if first is not None:
                further = exchange.tokens_before(turn.prompt) + exchange.tokens_read(n, caught_up=first)
            rows[item.is_restricted].append((n, 0 if first is None else n - first, further))
    made: list[Figure] = []
    for side, of in ((name, np.asarray(rows[is_bad])) for name, is_bad in (("benign", False), ("restricted", True))):
        ratio = resampled(
            lambda at, of=of: 1 + of[at, 2].sum() / of[at, 0].sum(), len(of), rng=np.random.default_rng(0)
        )
        value = 1 + of[:, 2].sum() / of[:, 0].sum()
        made += [
            share(f"{side}_escalated", of[:, 1] > 0),
            alone(f"{side}_tokens_escalated", of[:, 1].sum() / of[:, 0].sum(), int(of[:, 0].sum()), "share"),
            Figure(f"{side}_compute", value, *(ratio or (value, value)), len(of), "ratio"),
        ]
    return made


def alone(name: str, value: float, n: int, unit: str) -> Figure:
    """A value without an interval."""
    return Figure(name, float(value), float(value), float(value), n, unit)


def share(name: str, hits: np.ndarray) -> Figure:
    """A share with its exact interval."""
    return Figure(name, float(hits.mean()), *exact(int(hits.sum()), hits.size), hits.size, "share")


if __name__ == "__main__":
    main()
