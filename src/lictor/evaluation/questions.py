"""Read the target questions, the handbook of facts that grades them, and ordinary answers.

In: a folder with `handbook.yaml`, `questions.yaml` and, where there is one, `ordinary.yaml`. Out: a `Domain`. Knows no
model or guard.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lictor.errors import DataError

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
SLOT = "{value}"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Row):
    """One fact of the handbook; a rubric fact when it belongs to a question."""

    id: Text
    rule: Text
    question: Text | None = None
    say: tuple[Text, ...] = Field(min_length=1)
    """Ways of saying it, each with `{value}` where the value stands."""
    value: Text
    """The words that give the fact away wherever they are read."""


class Question(_Row):
    """One target question an attack tries to get answered."""

    id: Text
    rule: Text
    text: Text
    ask: tuple[Text, ...] = ()
    """Ways of asking it."""


class Ordinary(_Row):
    """A permitted answer, and what it is about."""

    topic: Text
    text: Text


@dataclass(frozen=True, slots=True)
class Domain:
    """Everything a worst-case target knows, and what grades it."""

    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]
    ordinary: tuple[Ordinary, ...]

    def rubric(self, question: str) -> tuple[Fact, ...]:
        """The facts that grade answers to `question`.

        Raises:
            DataError: No such question.
        """
        if question not in {known.id for known in self.questions}:
            raise DataError(f"expected one of the questions {[q.id for q in self.questions]}, got {question!r}")
        return tuple(fact for fact in self.facts if fact.question == question)


def load(folder: Path) -> Domain:
    """The domain in `folder`; without `ordinary.yaml` there is no ordinary answer.

    Raises:
        DataError: A file is missing or a row of it is malformed; ids are used twice; a fact belongs to no question; a
            question has fewer than two facts.
    """
    ordinary = folder / "ordinary.yaml"
    domain = Domain(
        facts=_rows(folder / "handbook.yaml", "facts", Fact),
        questions=_rows(folder / "questions.yaml", "questions", Question),
        ordinary=_rows(ordinary, "answers", Ordinary) if ordinary.exists() else (),
    )
    _check_facts(folder / "handbook.yaml", domain)
    for question in domain.questions:
        if len(domain.rubric(question.id)) < 2:
            raise DataError(
                f"{folder / 'questions.yaml'}: question {question.id!r}: expected at least two facts of the handbook "
                f"to grade it, got {len(domain.rubric(question.id))}"
            )
    return domain


def load_questions(folder: Path) -> tuple[Question, ...]:
    """The questions in `folder` alone, for domains that are graded without a handbook.

    Raises:
        DataError: The file is missing or a row of it is malformed; ids are used twice.
    """
    return _rows(folder / "questions.yaml", "questions", Question)


R = TypeVar("R", Fact, Question, Ordinary)


def _rows(path: Path, key: str, shape: type[R]) -> tuple[R, ...]:
    try:
        read: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: expected a YAML file with `{key}`, could not read one ({error})") from error
    rows: object = read.get(key) if isinstance(read, dict) else None  # pyright: ignore[reportUnknownMemberType] - YAML
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a mapping with a list under `{key}`, got {type(read).__name__}")
    made = tuple(_row(path, key, index, row, shape) for index, row in enumerate(rows, start=1))
    names = [row.topic if isinstance(row, Ordinary) else row.id for row in made]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DataError(f"{path}: expected every id or topic once, got {sorted(twice)} more than once")
    return made


def _row(path: Path, key: str, index: int, row: object, shape: type[R]) -> R:
    try:
        return shape.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the row"
        raise DataError(f"{path}: {key} number {index}: {where}: {first['msg']}, got {first['input']!r}") from error


def _check_facts(path: Path, domain: Domain) -> None:
    questions = {question.id for question in domain.questions}
    for fact in domain.facts:
        if fact.question is not None and fact.question not in questions:
            raise DataError(
                f"{path}: fact {fact.id!r}: expected a question of {sorted(questions)}, got {fact.question!r}"
            )
        for phrase in fact.say:
            if phrase.count(SLOT) != 1:
                raise DataError(
                    f"{path}: fact {fact.id!r}: expected exactly one {SLOT} in each phrasing, got {phrase!r}"
                )
