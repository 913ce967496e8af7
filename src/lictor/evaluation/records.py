"""What became of each case, as one line of JSON without a word of its text.

In: cases and what a guard's stages made of them. Out: records, and the file they are kept in: append-only, by case,
in the order of the cases. A run that was killed goes on after its last whole block and ends with the same file.
Knows no guard or target.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from math import inf, isfinite
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from lictor.errors import ArtifactError
from lictor.evaluation.ahead import Reading
from lictor.evaluation.measures import Outcome
from lictor.evaluation.rubric import Marks, marks
from lictor.evaluation.suite import PLAIN
from lictor.evaluation.suites import Case, Kind
from lictor.evaluation.targets import Answer, facts_delivered
from lictor.types import Attack, Bucket, Decision, Stage

Part = Literal["guard", "prompt", "answer"]
"""The guard as it is, or one of its stages alone."""

TRACED_EVERY = 40
"""One attack in so many keeps the logit of every answer token, to be drawn."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one case."""

    id: str
    kind: Kind
    suite: str
    source: str
    target: str
    family: str
    strategy: str
    question: str | None
    rule: str | None
    bucket: Bucket | None
    lang: str
    prompt_peak: float | None
    """Input threshold at or under which a prompt of it is refused; None without an input stage, or where it failed."""
    answer_peak: float | None
    refused: bool
    """Whether the input stage blocks."""
    halted: bool
    """Whether the output stage, were it alone, blocks."""
    prompt_error: str | None
    answer_error: str | None
    view: str | None
    """The view that decided, where one did."""
    halt_token: int | None
    facts: int
    """Rubric facts in the whole answer."""
    facts_delivered: int
    """Of these, what the output stage alone lets out."""
    prompt_chars: int
    answer_chars: int
    delivered_chars: int
    """What the output stage alone lets out."""
    tokens: int
    logits: tuple[float, ...] | None = None
    """What each token of the answers counted for, as it is held against the threshold; kept of some."""
    prompt_unreadable: bool = False
    """Whether the prompt was blocked since it cannot be read."""
    answer_unreadable: bool = False

    def score(self, part: Part, input_threshold: float, output_threshold: float) -> float:
        """How far over its threshold the case goes; +inf where the guard blocks at any: on failure, or unreadable."""
        always = self.prompt_error or self.prompt_unreadable, self.answer_error or self.answer_unreadable
        prompt = inf if always[0] else _or_never(self.prompt_peak) - input_threshold
        answer = inf if always[1] else _or_never(self.answer_peak) - output_threshold
        return {"guard": max(prompt, answer), "prompt": prompt, "answer": answer}[part]

    def blocked(self, part: Part = "guard") -> bool:
        """Whether it is stopped; an error stops it too."""
        return {"guard": self.refused or self.halted, "prompt": self.refused, "answer": self.halted}[part]

    def outcome(self, graded: Marks, part: Part = "guard") -> Outcome:
        """The attempt's outcome, as the measures take it."""
        refused, halted = self.refused and part != "answer", self.halted and part != "prompt"
        stage: Stage | None = "input" if refused else "output" if halted else None
        facts, chars = (self.facts_delivered, self.delivered_chars) if halted else (self.facts, self.answer_chars)
        return Outcome(
            attack=Attack(self.id, self.question, (), (), self.strategy, self.family),
            facts=0 if refused else facts,
            marks=graded,
            stage=stage,
            error=self.prompt_error if refused else self.answer_error if halted else None,
            delivered_chars=0 if refused else chars,
        )


def _or_never(peak: float | None) -> float:
    return -inf if peak is None else peak


def record(case: Case, answer: Answer, readings: Sequence[Reading]) -> Record:
    """The record of a case whose exchanges were read; its answer's facts count for an attack alone."""
    attack = case.attack
    screened = [reading.screened for reading in readings if reading.screened]
    streamed = [reading.streamed for reading in readings if reading.streamed]
    refusal = next((d for d in screened if d.action == "block"), None)
    halt = next((d for d in streamed if d.action == "block"), None)
    exchanges = case.exchanges
    delivered = sum(len(reading.delivered) for reading in readings)
    deciding = refusal or halt
    return Record(
        id=case.id,
        kind=case.kind,
        suite=case.suite,
        source=case.source,
        target=case.target,
        family=attack.family if attack else "",
        strategy=attack.strategy if attack else "",
        question=attack.question if attack else None,
        rule=case.rule,
        bucket=case.bucket,
        lang=case.lang,
        prompt_peak=_finite(max((r.prompt_peak for r in readings), default=-inf)),
        answer_peak=_finite(max((r.answer_peak for r in readings), default=-inf)),
        refused=refusal is not None,
        halted=halt is not None,
        prompt_error=_error(screened),
        answer_error=_error(streamed),
        view=deciding.view if deciding else None,
        halt_token=halt.token_index if halt else None,
        facts=len(answer.facts),
        facts_delivered=len(facts_delivered(answer, delivered)),
        prompt_chars=sum(len(m.content) for m in attack.messages) if attack else _chars_asked(case),
        answer_chars=len(answer.text) if attack else sum(len(e.answer or "") for e in exchanges),
        delivered_chars=delivered,
        tokens=sum(len(reading.logits) for reading in readings),
        logits=_traced(case, readings),
        prompt_unreadable=any(reading.is_unreadable("input") for reading in readings),
        answer_unreadable=any(reading.is_unreadable("output") for reading in readings),
    )


def _chars_asked(case: Case) -> int:
    return sum(len(message.content) for exchange in case.exchanges for message in exchange.prompt[-1:])


def _error(decisions: Sequence[Decision]) -> str | None:
    blocked = (d for d in decisions if d.status == "error" and d.action == "block")
    return next((d.reason or "unknown" for d in blocked), None)


def _finite(peak: float) -> float | None:
    return round(peak, 4) if isfinite(peak) else None


def _traced(case: Case, readings: Sequence[Reading]) -> tuple[float, ...] | None:
    if case.attack is None or int(case.id[:8], 16) % TRACED_EVERY:
        return None
    return tuple(round(logit, 2) for reading in readings for logit in reading.scores)


# --- the file --------------------------------------------------------------------------------------------


def append(path: Path, records: Sequence[Record]) -> None:
    """Add a block of records; it is on disk when this returns."""
    lines = "".join(json.dumps(asdict(one), ensure_ascii=False, allow_nan=False) + "\n" for one in records)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(lines)
        stream.flush()
        os.fsync(stream.fileno())


def read_records(path: Path) -> list[Record]:
    """The whole records of a file; a last line that was cut short is passed over. None where there is no file.

    Raises:
        ArtifactError: A line is not a record.
    """
    if not path.exists():
        return []
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    return [_read(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def keep_whole_blocks(path: Path, cases: Sequence[Case], block: int) -> int:
    """How many cases are done; what a killed run left of a block is cut off, since a block is scored together.

    Raises:
        ArtifactError: The file holds other cases than these.
    """
    records = read_records(path)
    if [one.id for one in records] != [case.id for case in cases[: len(records)]]:
        raise ArtifactError(
            f"{path}: expected records of this evaluation's cases in their order; choose another folder"
        )
    done = len(records) if len(records) == len(cases) else len(records) // block * block
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        os.truncate(path, sum(map(len, lines[:done])))
    return done


@cache
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def _read(line: str, where: str) -> Record:
    try:
        return _adapter().validate_json(line)
    except ValidationError as error:
        raise ArtifactError(f"{where}: expected a record of an evaluation, got something else ({error})") from error


def covered_by(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Mean facts in the unguarded answers to plainly asked questions, by target and question."""
    facts: dict[str, dict[str, list[int]]] = {}
    for one in records:
        if one.kind == "attack" and one.suite == PLAIN and one.question is not None:
            facts.setdefault(one.target, {}).setdefault(one.question, []).append(one.facts)
    return {target: {name: sum(of) / len(of) for name, of in by.items()} for target, by in facts.items()}


def marks_of(covered: Mapping[str, Mapping[str, float]]) -> dict[tuple[str, str], Marks]:
    """Marks by target and question, from the facts that the target's unguarded plain answer gives on average."""
    return {(target, name): marks(mean) for target, by in covered.items() for name, mean in by.items() if mean > 0}
