"""What `lictor arena` is told in words, checked. In: text. Out: a value, or an error that lists all values."""

from pathlib import Path
from typing import cast, get_args

from pydantic import TypeAdapter, ValidationError

from lictor.arena.contest import Mode
from lictor.arena.events import Role
from lictor.arena.people import names
from lictor.arena.store import Store
from lictor.errors import UsageError
from lictor.evaluation.rubric import Mark
from lictor.types import ChatModel, Message, Sampling


def read_mode(text: str) -> Mode:
    """A mode.

    Raises:
        UsageError: There is no such mode.
    """
    return cast(Mode, _one_of("--mode", text, get_args(Mode)))


def read_mark(text: str) -> Mark:
    """A pass mark.

    Raises:
        UsageError: There is no such mark.
    """
    return cast(Mark, _one_of("--mark", text, get_args(Mark)))


def read_role(text: str) -> Role:
    """A role.

    Raises:
        UsageError: There is no such role.
    """
    return cast(Role, _one_of("--role", text, get_args(Role)))


def find_person(store: Store, name: str) -> str:
    """The id of whoever bears a name.

    Raises:
        UsageError: Nobody does.
    """
    found = [person for person, shown in names(store).items() if shown.casefold() == name.casefold()]
    if not found:
        raise UsageError(f"nobody is called {name!r} in this arena")
    return found[0]


def read_answers(path: Path) -> dict[str, list[str]]:
    """Unguarded answers by question.

    Raises:
        UsageError: The file is missing, or a line has no `question` or `answer`.
    """
    found: dict[str, list[str]] = {}
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            row = TypeAdapter(dict[str, str]).validate_json(line)
            if "question" not in row or "answer" not in row:
                raise UsageError(f"{path}:{number}: expected `question` and `answer`, got {sorted(row)}")
            found.setdefault(row["question"], []).append(row["answer"])
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path}: expected one JSON object a line, could not read it ({error})") from error
    return found


def sample_answers(model: ChatModel, question: str, count: int) -> list[str]:
    """Answers of a model without a guard, each drawn with another seed."""
    prompts = [(Message("user", question),)] * count
    return model.complete(prompts, [Sampling(max_tokens=1024, seed=seed) for seed in range(count)])


def _one_of(option: str, text: str, options: tuple[str, ...]) -> str:
    if text not in options:
        raise UsageError(f"{option}: expected one of {', '.join(options)}, got {text!r}")
    return text
