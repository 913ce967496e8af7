"""Measure what a probe on its own activations adds to a model that writes.

In: a guard folder made by `lictor probe`. Out: figures in docs/results.json: wall-clock of a stream that the probe
reads over the same stream unread (paired, in turn), the probe's share of the arithmetic, and what both guards of the
project, that with the probe and that with heads on a model beside, stop of the test split at the same budget.

    python benchmarks/probing.py demo/probe
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from observer import PROMPTS, RESULTS, median

from lictor.assemble import Guard, read_policy
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.llm.local import LocalModel
from lictor.model.probing import ProbeScorer
from lictor.types import Message, Sampling

Stream = Callable[[tuple[Message, ...], Sampling], Iterable[object]]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("guard", type=Path)
    parser.add_argument("--tokens", type=int, default=128, help="answer tokens of each stream")
    parser.add_argument("--rounds", type=int, default=4, help="times every prompt is streamed each way")
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    scorer = Guard.load(options.guard).stream_scorer
    if not isinstance(scorer, ProbeScorer):
        raise SystemExit(f"{options.guard}: expected a guard with a probe; make one with `lictor probe`")
    model = scorer.reader.model
    seconds = paired({"plain": model.stream, "read": _read(model, scorer)}, options.tokens, options.rounds)
    stopped = [figure for name in ("probe", "guard") for figure in on_test_split(options.guard.parent / name)]
    figures = [*added(model, seconds), share_of_arithmetic(model, scorer), *stopped]
    if options.json:
        print(json.dumps([asdict(f) for f in figures]))
        return
    asked = f"--tokens {options.tokens} --rounds {options.rounds}"
    record(RESULTS, figures, command=f"python benchmarks/probing.py PROBE {asked}")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f}) {figure.unit}, n {figure.n}")


def paired(streams: dict[str, Stream], tokens: int, rounds: int) -> dict[str, np.ndarray]:
    """Seconds a piece of every stream, by its name; which goes first alternates."""
    spent: dict[str, list[float]] = {name: [] for name in streams}
    for at in range(-1, rounds * len(PROMPTS)):  # the first warms up
        asked, sampling = (Message("user", PROMPTS[at % len(PROMPTS)]),), Sampling(tokens, 0.7, seed=at + 1)
        for name in sorted(streams, reverse=at % 2 == 0):
            started = time.perf_counter()
            pieces = sum(1 for _ in streams[name](asked, sampling))
            if at >= 0:
                spent[name].append((time.perf_counter() - started) / pieces)
    return {name: np.asarray(values) for name, values in spent.items()}


def added(model: LocalModel, seconds: dict[str, np.ndarray]) -> Sequence[Figure]:
    """What reading adds to each token, as a share and in milliseconds."""
    plain, read = seconds["plain"], seconds["read"]
    name = _on(model)
    return [
        median(f"{name}/added_wall_clock", read / plain - 1, "share"),
        median(f"{name}/added_per_token", 1e3 * (read - plain), "ms"),
        median(f"{name}/unread_per_token", 1e3 * plain, "ms"),
    ]


def share_of_arithmetic(model: LocalModel, scorer: ProbeScorer) -> Figure:
    """Multiplications of the probe over those of the model, a token."""
    weights = sum(p.numel() for p in model.lm.parameters())
    share = len(scorer.reader.layers) * scorer.reader.hidden_size / weights
    return Figure(f"{_on(model)}/added_flops", share, share, share, 1, "share")


def on_test_split(folder: Path) -> list[Figure]:
    """Shares of restricted and of benign conversations that each stage stops, from the guard's own report."""
    held: Any = read_policy(folder / "policy.json").fitted_on["held_out"]
    shown = [("restricted", held["caught"]), ("benign", held["false_positives"])]
    return [
        Figure(
            f"probing/{folder.name}/{kind}_stopped_by_{rate['name']}",
            rate["hits"] / rate["n"],
            rate["low"],
            rate["high"],
            rate["n"],
            "share",
        )
        for kind, rates in shown
        for rate in rates
    ]


def _on(model: LocalModel) -> str:
    return f"probing/on_{model.name.split('#')[0].removeprefix('pypi:')}"


def _read(model: LocalModel, scorer: ProbeScorer) -> Stream:
    return lambda asked, sampling: model.stream_read(asked, sampling, scorer.tap())


if __name__ == "__main__":
    main()
