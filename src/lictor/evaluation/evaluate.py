"""Put every case before a guard, in blocks, and keep what became of each.

In: cases, who answers them, guards, a folder. Out: `plan.json` and, for each guard, a file of records. A block is
scored together, and blocks lie at fixed places: however often a run is killed and resumed, the files are the same.
Knows no project.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lictor.artifacts import alone_in, fingerprint, write_atomic
from lictor.errors import ArtifactError, UsageError
from lictor.evaluation.ahead import Exchange, read_ahead
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import Domain
from lictor.evaluation.records import (
    Record,
    append,
    covered_by,
    keep_whole_blocks,
    marks_of,
    read_records,
    record,
)
from lictor.evaluation.spans import FactSpan
from lictor.evaluation.suites import Case
from lictor.evaluation.tables import figures
from lictor.evaluation.targets import Answer, Target
from lictor.evaluation.turns import prose
from lictor.guard.guard import Guard
from lictor.types import Policy

PLAN, SPEED = "plan.json", "speed.json"
GUARD = "guard"
BLOCK = 64
"""Cases scored together."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers attacks and permitted requests."""

    targets: Mapping[str, Target]
    domain: Domain | None

    def of(self, case: Case) -> Answer:
        """The whole answer, as it would be without a guard, after its preface.

        Raises:
            UsageError: Nobody answers for the case's target.
        """
        if case.attack is None:
            return Answer("", ())
        if case.target not in self.targets:
            raise UsageError(f"expected a target called {case.target!r}, got {sorted(self.targets)}")
        answer = self.targets[case.target].answer(case.attack)
        if not case.preface_chars or self.domain is None:
            return answer
        preface = prose(self.domain.ordinary, case.preface_chars, np.random.default_rng(int(case.id[:8], 16))) + "\n\n"
        return Answer(
            preface + answer.text, tuple(FactSpan(f.fact_id, f.end_char + len(preface)) for f in answer.facts)
        )


def results_path(folder: Path, name: str = GUARD) -> Path:
    """Where the records of a guard are kept; a baseline's stand beside the guard's."""
    return folder / ("results.jsonl" if name == GUARD else f"results.{name}.jsonl")


def slug(name: str) -> str:
    """`name` as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def open_folder(folder: Path, cases: Sequence[Case], about: Mapping[str, object]) -> None:
    """Write down what is to be run, or make sure that the folder was made for just this.

    Args:
        folder: Made when missing.
        cases: All of them.
        about: Guard, sizes, seed, targets and what else tells one evaluation from another.

    Raises:
        ArtifactError: The folder holds another evaluation.
    """
    plan = {"key": fingerprint([dict(about), [case.id for case in cases]]), "cases": len(cases), **about}
    path = folder / PLAN
    if path.exists() and read_plan(folder).get("key") != plan["key"]:
        raise ArtifactError(
            f"{folder}: holds the evaluation of another guard, or of other cases; choose another folder with --out, "
            "or delete this one"
        )
    write_atomic(path, json.dumps(plan, indent=2, default=str) + "\n")


def read_plan(folder: Path) -> dict[str, object]:
    """What a folder's evaluation is of.

    Raises:
        ArtifactError: The folder holds none.
    """
    try:
        plan: object = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder}: expected the folder of an evaluation, found no {PLAN} ({error})") from error
    if not isinstance(plan, dict):
        raise ArtifactError(f"{folder / PLAN}: expected an object, got {type(plan).__name__}")
    return {str(name): value for name, value in plan.items()}


def run_cases(
    path: Path,
    cases: Sequence[Case],
    guard: Guard,
    answers: Answers,
    *,
    limit: int | None = None,
    block: int = BLOCK,
    progress: Progress = lambda stage, at, total: None,
) -> list[Record]:
    """The records of all cases, or of the first `limit`, in whole blocks; what stands already is not run again.

    Raises:
        ArtifactError: The file holds records of other cases, or another process writes it.
    """
    end = len(cases) if limit is None else min(len(cases), -(-limit // block) * block)
    with alone_in(path.parent):
        for start in range(keep_whole_blocks(path, cases, block), end, block):
            progress(f"evaluating ({path.stem})", start, end)
            append(path, run_block(cases[start : start + block], guard, answers))
    progress(f"evaluating ({path.stem})", end, end)
    return read_records(path)[:end]


def run_block(cases: Sequence[Case], guard: Guard, answers: Answers) -> list[Record]:
    """The records of cases scored together."""
    answered = [answers.of(case) for case in cases]
    exchanges = [
        [Exchange(case.attack.messages, answer.text)] if case.attack else list(case.exchanges)
        for case, answer in zip(cases, answered, strict=True)
    ]
    readings = iter(read_ahead(guard, [one for of_case in exchanges for one in of_case]))
    return [
        record(case, answer, [next(readings) for _ in of_case])
        for case, answer, of_case in zip(cases, answered, exchanges, strict=True)
    ]


def seconds_a_case(cases: Sequence[Case], guard: Guard, answers: Answers, *, sample: int = 16) -> float:
    """About how long a case takes here, from a few of them at even distances."""
    chosen = cases[:: max(1, len(cases) // sample)][:sample]
    started = time.perf_counter()
    run_block(chosen, guard, answers)
    return (time.perf_counter() - started) / max(1, len(chosen))


def write_figures(folder: Path, name: str, records: Sequence[Record], policy: Policy) -> list[Figure]:
    """The figures of a guard's records, kept beside them with the thresholds they were measured at."""
    found = figures(records, marks_of(covered_by(records)), policy)
    thresholds = {"input": policy.input_threshold, "output": policy.output_threshold}
    rows = {"guard": name, "records": len(records), "thresholds": thresholds, "figures": [asdict(f) for f in found]}
    write_atomic(figures_path(folder, name), json.dumps(rows, indent=1, allow_nan=False) + "\n")
    return found


def note_speed(folder: Path, name: str, cases: int, seconds: float) -> None:
    """Add to what is known of how long a guard's cases take here."""
    known = read_speed(folder)
    before = known.get(name, {"cases": 0, "seconds": 0.0})
    known[name] = {"cases": before["cases"] + cases, "seconds": round(before["seconds"] + seconds, 1)}
    write_atomic(folder / SPEED, json.dumps(known, indent=1) + "\n")


def read_speed(folder: Path) -> dict[str, dict[str, float]]:
    """Cases and seconds of each guard's scoring so far."""
    path = folder / SPEED
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def figures_path(folder: Path, name: str = GUARD) -> Path:
    """Where a guard's figures are kept."""
    return folder / ("figures.json" if name == GUARD else f"figures.{name}.json")
