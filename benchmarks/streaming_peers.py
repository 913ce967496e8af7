"""Measure guards of a stream side by side: Lictor's, one that rescans, and NeMo Guardrails' streaming output rail.

In: a guard folder; the interpreter of an environment that has nemoguardrails (without it that peer is left out). Out:
for each guard added delay, tokens its scorer read, and what left of restricted answers; with --record the figures go
into docs/results.json.

All guards have one scorer, one policy and one score of each prompt. Answers come from the starter's test split, one
between two benign ones. Their upstream says one of the scorer's tokens at a time. The first token that should not leave
is the one that completes a fact of a restricted rule. Delays are those of benign answers at an even pace; restricted
ones come as fast as they are taken. With --lengths, what answers of so many tokens cost two of the guards.

    python benchmarks/streaming_peers.py demo/guard --nemo NEMO/bin/python --record
    python benchmarks/streaming_peers.py demo/guard --restricted 0 --lengths 512,2048 --record
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from paced import process, serve_paced
from stream_guards import (
    Ask,
    Judge,
    Passed,
    Through,
    collect,
    in_process,
    judge_of,
    nemo,
    rescanned,
    scoring_app,
    through_lictor,
    unguarded,
)

from lictor.assemble import Guard
from lictor.calibration.intervals import exact, resampled
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import load
from lictor.evaluation.results import record
from lictor.evaluation.rubric import find_facts
from lictor.guard.tokens import encode
from lictor.starter.folders import resolve
from lictor.testing.upstreams import running
from lictor.types import Message, Tokenizer

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "results.json"
NEMO = {
    "nemo": {"chunk_size": 200, "context_size": 50, "stream_first": True},
    "nemo checked first": {"chunk_size": 200, "context_size": 50, "stream_first": False},
    "nemo checked first, small chunks": {"chunk_size": 32, "context_size": 16, "stream_first": False},
}
"""The rail's defaults; nothing shown before it is checked; and a check every 16 tokens, as the other guards have it."""


class Case(NamedTuple):
    """An answer and its prompt."""

    prompt: str
    pieces: list[str]
    """A token each."""
    first: int
    """Index of the first piece that should not leave; their count where there is none."""


class Run(NamedTuple):
    """What a guard did with one answer."""

    arrived: list[float]
    """For each piece that was delivered, seconds since the answer was asked for."""
    is_halted: bool
    tokens: int
    cpu_s: float
    """Tokens that the scorer read, and its time."""


class Answers(NamedTuple):
    """What the upstream says; it tells answers apart by their prompts."""

    restricted: list[Case]
    benign: list[Case]
    prose: list[str]
    """Benign texts."""


def main() -> None:
    """Run it, or its upstream."""
    options = _options()
    if options.upstream:
        answers = json.loads(options.upstream.read_text())
        serve_paced(lambda body: answers.get(body["messages"][-1]["content"], ["Good day."]), options.pace_ms / 1000)
        return
    torch.set_num_threads(1)
    judge = judge_of(Guard.load(options.guard))
    tokenizer = judge.meter.tokenizer
    answers = _answers(tokenizer, options.restricted, options.benign)
    figures = [f for n in options.lengths for f in _long(judge, _tokens(tokenizer, answers.prose, n, options.long))]
    figures += _compared(judge, answers, options) if answers.restricted and answers.benign else []
    if options.record:
        given = ["NEMO/bin/python" if word == options.nemo else word for word in sys.argv[2:] if word != "--record"]
        record(RESULTS, figures, " ".join(["python benchmarks/streaming_peers.py GUARD", *given]))
    print(json.dumps([asdict(f) for f in figures], indent=2) if options.json else _table(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guard", help="guard folder")
    parser.add_argument("--nemo", help="interpreter of an environment that has nemoguardrails")
    parser.add_argument("--restricted", type=int, default=100, help="most restricted answers")
    parser.add_argument("--benign", type=int, default=6, help="benign answers")
    parser.add_argument("--pace-ms", type=float, default=40, help="between two tokens of a benign answer")
    parser.add_argument("--lengths", type=lambda text: [int(n) for n in text.split(",")], default=[])
    parser.add_argument("--long", type=int, default=2, help="answers of each of those lengths")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="put the figures into docs/results.json")
    parser.add_argument("--upstream", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _answers(tokenizer: Tokenizer, most_restricted: int, most_benign: int) -> Answers:
    """Answers of the test split, each between two benign ones."""
    folder = resolve("starter:emberglass", HERE)
    examples = [e for e in read_dataset(folder / "pack") if e.answer and len(e.messages) == 2]
    rules = {e.rule for e in examples if e.answer_label == 1}
    facts = [fact for fact in load(folder).facts if fact.rule in rules]
    told = {e.id: e.answer or "" for e in examples if e.split == "test" and find_facts(e.answer or "", facts)}
    benign = [e for e in examples if e.split == "test" and e.answer_label == 0 and e.id not in told]
    prose = [e.answer or "" for e in benign]
    rng = np.random.default_rng(0)

    def case(prompt: str, answer: str) -> Case:
        before, after = rng.choice(prose, 2)
        text = f"{before}\n\n{answer}\n\n{after}"
        pieces = _pieces(tokenizer, text)
        end = min((fact.end_char for fact in find_facts(text, facts)), default=math.inf)
        return Case(prompt, pieces, sum(so_far < end for so_far in accumulate(map(len, pieces))))

    restricted = [e for e in examples if e.id in told and e.answer_label == 1][:most_restricted]
    shuffled = [benign[at] for at in rng.permutation(len(benign))[:most_benign]]
    found = [{e.messages[0].content: e.answer or "" for e in some}.items() for some in (restricted, shuffled)]
    return Answers([case(*turn) for turn in found[0]], [case(*turn) for turn in found[1]], prose)


def _pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return [text[token.start : token.end] for token in encode(tokenizer, text) if token.end > token.start]


def _tokens(tokenizer: Tokenizer, prose: list[str], length: int, count: int) -> list[list[str]]:
    """Answers of `length` tokens, of benign texts in another order each."""
    orders = (np.random.default_rng(seed).permutation(len(prose)) for seed in range(count))
    return [_pieces(tokenizer, "\n\n".join(prose[at] for at in order))[:length] for order in orders]


def _long(judge: Judge, answers: Sequence[Sequence[str]]) -> list[Figure]:
    """What whole answers of one length cost the scorer, read once and rescanned."""
    patient = replace(judge, policy=replace(judge.policy, output_threshold=math.inf), known={"": -math.inf})
    guards = through_lictor(patient), rescanned(patient, judge.policy.stride)

    def read(through: Through, pieces: Sequence[str]) -> Run:
        return _measured(patient, lambda: asyncio.run(collect(through("", _spoken(pieces)))), pieces)

    once, again = ([read(through, pieces) for pieces in answers] for through in guards)
    name = f"streaming_peers/{len(answers[0])} tokens"
    figures: list[Figure] = []
    for what, unit in (("tokens", "tokens"), ("cpu_s", "s")):
        ours, theirs = ([run._asdict()[what] for run in runs] for runs in (once, again))
        figures += [
            _mean(f"{name}, lictor, scorer_{what}", ours, unit),
            _mean(f"{name}, rescanning, scorer_{what}", theirs, unit),
            _mean(f"{name}, times the {what}", [b / a for a, b in zip(ours, theirs, strict=True)], "x"),
        ]
    return figures


async def _spoken(pieces: Sequence[str]) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece


def _compared(judge: Judge, answers: Answers, options: argparse.Namespace) -> list[Figure]:
    """Every guard on every answer, one at a time."""
    with ExitStack() as stack:
        cases = [*answers.restricted, *answers.benign]
        for case in cases:
            judge.score((Message("user", case.prompt),))  # before it counts
        at_once, at_pace = (stack.enter_context(_upstream(cases, pace_ms)) for pace_ms in (0.0, options.pace_ms))
        guards = _guards(judge)
        if options.nemo:
            scorer = stack.enter_context(running(scoring_app(judge)))
            with_settings = stack.enter_context(nemo(options.nemo, scorer))
            guards |= {name: with_settings(streaming) for name, streaming in NEMO.items()}
        stopped = _runs(judge, guards, answers.restricted, at_once)
        passed = _runs(judge, guards, answers.benign, at_pace)
    firsts = [case.first for case in answers.restricted]
    plain = [run.arrived for run in passed["unguarded"]]
    return [f for name in guards for f in _figures(name, stopped[name], firsts, passed[name], plain)]


def _guards(judge: Judge) -> dict[str, Ask]:
    sooner = replace(judge, policy=replace(judge.policy, hold_back=0))
    guards = {
        "unguarded": unguarded,
        "lictor": through_lictor(judge),
        "lictor without hold-back": through_lictor(sooner),
        "rescanning": rescanned(judge, judge.policy.stride),
    }
    return {name: in_process(through) for name, through in guards.items()}


@contextmanager
def _upstream(cases: Sequence[Case], pace_ms: float) -> Generator[str]:
    """Says the answers, in a process of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({case.prompt: case.pieces for case in cases}, file)
        file.flush()
        command = [sys.executable, __file__, "x", "--upstream", file.name, "--pace-ms", str(pace_ms)]
        with process(command) as upstream:
            yield upstream.url + "/v1"


def _runs(judge: Judge, guards: Mapping[str, Ask], cases: Sequence[Case], upstream: str) -> dict[str, list[Run]]:
    """What each guard did with each answer."""
    for ask in guards.values():
        ask("Good day.", upstream)  # whatever is lazy happens before it counts
    runs: dict[str, list[Run]] = {name: [] for name in guards}
    for case in cases:
        for name, ask in guards.items():
            runs[name].append(_measured(judge, lambda ask=ask, case=case: ask(case.prompt, upstream), case.pieces))
    return runs


def _measured(judge: Judge, deliver: Callable[[], Passed], pieces: Sequence[str]) -> Run:
    meter = judge.meter
    tokens, cpu_s = meter.tokens, meter.cpu_s
    passed = deliver()
    chars = list(accumulate(len(text) for _, text in passed.pieces))
    ends = [end for end in accumulate(map(len, pieces)) if chars and end <= chars[-1]]
    arrived = [passed.pieces[bisect_left(chars, end)][0] for end in ends]
    return Run(arrived, passed.is_halted, meter.tokens - tokens, meter.cpu_s - cpu_s)


def _figures(
    guard: str, stopped: Sequence[Run], firsts: Sequence[int], passed: Sequence[Run], plain: Sequence[list[float]]
) -> list[Figure]:
    """What became of restricted answers, and of benign ones beside the same unguarded."""
    came = [(run.arrived, usual) for run, usual in zip(passed, plain, strict=True) if run.arrived]
    added = [[1e3 * (late - then) for late, then in zip(arrived, usual, strict=False)] for arrived, usual in came]
    out = [max(0, len(run.arrived) - first) for run, first in zip(stopped, firsts, strict=True)]
    name = f"streaming_peers/{guard}, "
    return [
        *(_over(f"{name}added_p{q}", added, partial(np.percentile, q=q), "ms") for q in (50, 95)),
        _over(f"{name}first_token", [[1e3 * arrived[0]] for arrived, _ in came], np.median, "ms"),
        _mean(f"{name}scorer_tokens, benign", [run.tokens for run in passed], "tokens"),
        _mean(f"{name}scorer_tokens, restricted", [run.tokens for run in stopped], "tokens"),
        _mean(f"{name}out_from_first_fact_on", out, "tokens"),
        _share(f"{name}fact_out", [count > 0 for count in out]),
        _share(f"{name}halted, restricted", [run.is_halted for run in stopped]),
        _share(f"{name}halted, benign", [run.is_halted for run in passed]),
    ]


def _over(name: str, answers: Sequence[Sequence[float]], measure: Callable[..., Any], unit: str) -> Figure:
    """A measure of all numbers of all answers; its interval draws answers anew."""

    def of(at: Iterable[int]) -> float:
        return float(measure(np.concatenate([answers[i] for i in at])))

    value = of(range(len(answers)))
    low, high = resampled(of, len(answers), rng=np.random.default_rng(0)) or (value, value)
    return Figure(name, value, low, high, len(answers), unit)


def _mean(name: str, values: Sequence[float], unit: str) -> Figure:
    return _over(name, [[value] for value in values], np.mean, unit)


def _share(name: str, are_so: Sequence[bool]) -> Figure:
    return Figure(name, sum(are_so) / len(are_so), *exact(sum(are_so), len(are_so)), len(are_so), "share")


def _table(figures: Sequence[Figure]) -> str:
    return "\n".join(f"{f.name:70} {f.value:10.2f} ({f.low:.2f} to {f.high:.2f}) {f.unit}, n {f.n}" for f in figures)


if __name__ == "__main__":
    main()
