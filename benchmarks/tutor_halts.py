"""How far a tutor's give-away turn comes before a guard halts it, and how often it halts one that gives nothing away.

In: a guard folder, a file of tutoring turns that people wrote, each with the conversation before it, whose label is the
last turn's. Out: figures in docs/results.json, with intervals over whole exercises: turns of either kind that are
refused with the student's line or halted; of halted ones, tokens of the stream scorer that were delivered, and halts
before anything was. No row is printed or kept, and nothing is chosen on them.

    python benchmarks/tutor_halts.py tutor/guard policy_tutor.jsonl.gz
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from cascade import over_families, share
from observer import RESULTS

from lictor.assemble import Guard
from lictor.dataset.imports import import_set
from lictor.evaluation.ahead import Exchange, Reading, read_ahead
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.types import Example

KINDS = {1: "gives_away", 0: "keeps"}
LEAST_HALTS = 20
"""Halted turns, below which no median of them is told."""


def main() -> None:
    """Read, count, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("guard", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON and record nothing")
    options = parser.parse_args()
    guard = Guard.load(options.guard)
    turns = [e for e in import_set("labelled", str(options.rows)) if e.answer and e.answer_label is not None]
    readings = list(read_ahead(guard, [Exchange(e.prompt, e.answer) for e in turns]))
    figures: list[Figure] = []
    for label, kind in KINDS.items():
        of_kind = [(e, r) for e, r in zip(turns, readings, strict=True) if e.answer_label == label]
        figures += counted(kind, [e for e, _ in of_kind], [r for _, r in of_kind])
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    record(RESULTS, figures, "python benchmarks/tutor_halts.py GUARD policy_tutor.jsonl.gz")
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")


def counted(kind: str, turns: Sequence[Example], readings: Sequence[Reading]) -> list[Figure]:
    """What becomes of turns of one kind."""
    exercises = [turn.messages[0].content for turn in turns]
    refused = np.array([r.screened is not None and r.screened.action == "block" for r in readings])
    halted = np.array([r.streamed is not None and r.streamed.action == "block" for r in readings])
    at = np.flatnonzero(halted)
    own = [exercises[int(one)] for one in at]
    delivered = np.array([tokens_delivered(turns[int(one)], readings[int(one)]) for one in at], dtype=np.float64)
    found = [
        share("refused_at_the_prompt", refused, exercises),
        share("halted", halted, exercises),
        share("stopped", refused | halted, exercises),
        share("halted_before_anything", delivered == 0, own),
    ]
    if at.size >= LEAST_HALTS:
        found.append(
            over_families("tokens_before_the_halt", lambda some: float(np.median(delivered[some])), own, "tokens")
        )
    return [replace(figure, name=f"tutor_halts/{kind}/{figure.name}") for figure in found]


def tokens_delivered(turn: Example, reading: Reading) -> int:
    """Tokens of a halted turn that were let through: its share of the text, in tokens of the scorer."""
    assert turn.answer is not None  # noqa: S101 -- turns without an answer are left out
    return round(len(reading.delivered) / len(turn.answer) * len(reading.logits))


if __name__ == "__main__":
    main()
