"""Put the parts of a cascade side by side: prompt only, output only, exchange, both without it, cascade, and a probe.

In: a project that was run. Out: for every system, its thresholds fitted to the same budget: what it stops of the test
split, what it wrongly stops, how well it tells both apart, and what it costs; and what the cascade gains over the guard
without its exchange scorer, conversation by conversation. All with 95% intervals over families of examples, since an
ask, its rewritings and its disguised copies are not independent. The project is copied to `--work`, an exchange scorer
is trained there on the project's own data, and what stands in the copy is used again.

Every stage reads everything, whatever the other says, so that what is refused at the prompt counts in the costs too.
Time is the processor's for that, an escalated answer read from its beginning: it holds for a quiet machine alone, and
is more than the guard itself takes. Tokens are those the guard reads of the text itself; of benign answers sources
weigh equally, as in what was fitted.

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
from typing import Any, NamedTuple

import numpy as np
import yaml
from observer import RESULTS

from lictor.assemble import Guard as GuardFolder
from lictor.calibration.cascade import escalated_from
from lictor.calibration.curves import log_auroc, roc
from lictor.calibration.intervals import Interval, exact_of_clusters, resampled_clusters
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
from lictor.types import Cascade, Policy


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
        partial = work.with_name(f"{work.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(project, partial)
        partial.rename(work)
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
    scores: dict[str, np.ndarray] = {}
    figures: list[Figure] = []
    for name, make in systems.items():
        guard = make()
        started = time.process_time()
        by_item = read(guard, asked)
        spent = alone("ms_a_conversation", 1000 * (time.process_time() - started) / len(asked), len(asked), "ms")
        scores[name] = np.asarray([max(margin(guard.policy, one) for one in of) for of in by_item])
        made = [*stops(scores[name], asked), spent]
        if guard.policy.cascade and isinstance(guard.exchange_scorer, ExchangeScorer):
            made += costs(guard.policy.cascade, guard.exchange_scorer, asked, by_item)
        figures += [replace(one, name=f"cascade/{name}/{one.name}") for one in made]
    return figures + gains(scores["cascade"], scores["unescalated"], asked)


Asked = Sequence[tuple[Item, Sequence[Exchange]]]


def read(guard: Guard, asked: Asked) -> list[list[Reading]]:
    """What a system makes of every turn of each conversation."""
    found = iter(read_ahead(guard, [exchange for _, of in asked for exchange in of]))
    return [[next(found) for _ in of] for _, of in asked]


def stops(scores: np.ndarray, asked: Asked) -> list[Figure]:
    """What a system stops, and how well it tells conversations apart."""
    restricted, families = is_restricted(asked), [item.family for item, _ in asked]
    return [
        share("benign_stopped", scores >= 0, families, ~restricted),
        share("restricted_stopped", scores >= 0, families, restricted),
        over_families("log_auroc", lambda at: reached(scores, restricted, at), families, "share"),
    ]


def gains(cascade: np.ndarray, unescalated: np.ndarray, asked: Asked) -> list[Figure]:
    """What the exchange scorer adds to the guard without it, on the same conversations."""
    restricted, families = is_restricted(asked), [item.family for item, _ in asked]

    def stopped(side: str, of: np.ndarray) -> Figure:
        counted = np.flatnonzero(of)
        more = (cascade[counted] >= 0) * 1.0 - (unescalated[counted] >= 0)
        own = [families[int(at)] for at in counted]
        return over_families(f"cascade/gain/{side}_stopped", lambda at: float(more[at].mean()), own, "share")

    def apart(at: np.ndarray) -> float | None:
        more, less = (reached(scores, restricted, at) for scores in (cascade, unescalated))
        return None if more is None or less is None else more - less

    return [
        stopped("benign", ~restricted),
        stopped("restricted", restricted),
        over_families("cascade/gain/log_auroc", apart, families, "share"),
    ]


def is_restricted(asked: Asked) -> np.ndarray:
    """Of each conversation."""
    return np.asarray([item.is_restricted for item, _ in asked])


def reached(scores: np.ndarray, restricted: np.ndarray, at: np.ndarray) -> float | None:
    """Log-AUROC of these conversations; None where one side has none."""
    return log_auroc(roc(scores[at], restricted[at])).value if len(set(restricted[at])) == 2 else None


def margin(policy: Policy, one: Reading) -> float:
    """How far over its threshold either stage goes, each in units of its own benign spread: as the thresholds move."""
    path: Any = policy.fitted_on["path"]
    return max(
        (one.prompt_peak - policy.input_threshold) / path["input_step"],
        (one.answer_peak - policy.output_threshold) / path["output_step"],
    )


class Read(NamedTuple):
    """What both scorers read of one answer."""

    group: str
    """Of the groups that weigh equally."""
    family: str
    tokens: int
    escalated: int
    """Tokens that are escalated."""
    further: int
    """Tokens that the exchange scorer reads for that, questions and conversation included."""


def costs(
    cascade: Cascade,
    exchange: ExchangeScorer,
    asked: Asked,
    by_item: Sequence[Sequence[Reading]],
) -> list[Figure]:
    """Shares of answers and of their tokens that are escalated, and tokens read over those of the stream scorer."""
    sides: dict[str, list[Read]] = {"benign": [], "restricted": []}
    for (item, exchanges), readings in zip(asked, by_item, strict=True):
        for turn, one in zip(exchanges, readings, strict=True):
            if (n := len(one.logits)) == 0:
                continue
            first = escalated_from(cascade, one.prompt_peak, one.logits) if one.prompt_peak < inf else None
            further = 0
            if first is not None:
                further = exchange.tokens_before(turn.prompt) + exchange.tokens_read(n, caught_up=first)
            group = "" if item.is_restricted else item.source
            read = Read(group, item.family, n, 0 if first is None else n - first, further)
            sides["restricted" if item.is_restricted else "benign"].append(read)
    made: list[Figure] = []
    for side, of in sides.items():
        tokens, escalated, further = (np.asarray(column) for column in list(zip(*of, strict=True))[2:])
        families, group = [one.family for one in of], np.asarray([one.group for one in of])

        def compute(
            at: np.ndarray, tokens: np.ndarray = tokens, further: np.ndarray = further, group: np.ndarray = group
        ) -> float:
            drawn = [at[group[at] == name] for name in np.unique(group[at])]
            return float(np.mean([1 + further[own].sum() / tokens[own].sum() for own in drawn]))

        made += [
            share(f"{side}_escalated", escalated > 0, families),
            alone(f"{side}_tokens_escalated", escalated.sum() / tokens.sum(), int(tokens.sum()), "share"),
            over_families(f"{side}_compute", compute, families, "ratio"),
        ]
    return made


def over_families(
    name: str, statistic: Callable[[np.ndarray], float | None], families: Sequence[str], unit: str
) -> Figure:
    """A statistic of all, and its interval when whole families are drawn."""
    value = statistic(np.arange(len(families)))
    assert value is not None, f"{name}: expected conversations of both sides"  # noqa: S101
    found = resampled_clusters(statistic, families, rng=np.random.default_rng(0), resamples=400)
    return Figure(name, value, *(found or Interval(value, value)), len(families), unit)


def alone(name: str, value: float, n: int, unit: str) -> Figure:
    """A value without an interval."""
    return Figure(name, float(value), float(value), float(value), n, unit)


def share(name: str, hits: np.ndarray, families: Sequence[str], of: np.ndarray | None = None) -> Figure:
    """A share of those that count, of all if left out, with the interval that its families are worth."""
    counted = np.flatnonzero(np.ones(hits.size, dtype=bool) if of is None else of)
    own = [families[int(at)] for at in counted]
    return Figure(name, float(hits[counted].mean()), *exact_of_clusters(hits[counted], own), counted.size, "share")


if __name__ == "__main__":
    main()
