"""One example as a row of plain values, and back.

In: examples, or rows that somebody else may have written. Out: rows, or examples whose every field was checked.
Knows no file: `where` is what a message about a bad row starts with.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import cast, get_args

from lictor.errors import DataError
from lictor.types import Conversation, Example, Message, Role, Split

_FIELDS = {field.name: field.default for field in fields(Example)}
_REQUIRED = tuple(name for name, default in _FIELDS.items() if default is MISSING)
_ROLES = get_args(Role)
_SPLITS = get_args(Split)


def to_row(example: Example) -> dict[str, object]:
    """The fields of `example` by name; messages as a list of `{role, content}`, transforms as a list."""
    row: dict[str, object] = asdict(example)
    return row | {"messages": [asdict(m) for m in example.messages], "transforms": list(example.transforms)}


def from_row(row: object, where: str) -> Example:
    """The example that `row` stands for; fields that have a default may be missing.

    Raises:
        DataError: A key is unknown or missing, or a value is not what the field takes.
    """
    if not isinstance(row, Mapping):
        raise _wrong(where, "a row", "an object with named fields", row)
    given = cast("Mapping[str, object]", row)
    if unknown := sorted(set(given) - set(_FIELDS)):
        raise DataError(f"{where}: expected the fields {', '.join(_FIELDS)}; got the unknown {', '.join(unknown)}")
    if missing := [name for name in _REQUIRED if name not in given]:
        raise DataError(f"{where}: expected the fields {', '.join(_REQUIRED)}; missing: {', '.join(missing)}")
    value = {name: given.get(name, default) for name, default in _FIELDS.items()}
    messages = read_messages(value["messages"], where)
    split = value["split"]
    if split not in _SPLITS:
        raise _wrong(where, "split", f"one of {', '.join(_SPLITS)}", split)
    example = Example(
        id=_text(value, "id", where, empty=False),
        constitution=_text(value, "constitution", where),
        messages=messages,
        prompt_label=_label(value, "prompt_label", where),
        answer_label=_label(value, "answer_label", where),
        rule=_optional_text(value, "rule", where),
        source=_text(value, "source", where, empty=False),
        generator=_text(value, "generator", where),
        onset_char=_onset(value["onset_char"], messages, where),
        lang=_text(value, "lang", where, empty=False),
        transforms=_texts(value, "transforms", where),
        parent=_optional_text(value, "parent", where),
        family=_text(value, "family", where),
        split=cast("Split", split),
    )
    if example.answer is None and example.answer_label is not None:
        raise _wrong(where, "answer_label", "null where the last turn is the user's", example.answer_label)
    return example


def read_messages(value: object, where: str) -> Conversation:
    """The conversation in a list of `{role, content}`; it has a user turn and ends with one or with an answer.

    Raises:
        DataError: It is of another shape.
    """
    if not isinstance(value, list | tuple) or not value:
        raise _wrong(where, "messages", "a list of at least one {role, content}", value)
    turns = cast("list[object]", value)
    messages = tuple(_message(turn, f"{where}: message {index}") for index, turn in enumerate(turns))
    if messages[-1].role not in {"user", "assistant"} or all(m.role != "user" for m in messages):
        roles = ", ".join(m.role for m in messages)
        raise DataError(
            f"{where}: messages: expected a user turn, and a user or assistant turn at the end; got {roles}"
        )
    return messages


def _message(turn: object, where: str) -> Message:
    if not isinstance(turn, Mapping):
        raise _wrong(where, "turn", "{role, content}", turn)
    given = cast("Mapping[str, object]", turn)
    if set(given) != {"role", "content"}:
        raise DataError(f"{where}: expected the keys role and content, got {', '.join(given) or 'none'}")
    role, content = given["role"], given["content"]
    if role not in _ROLES:
        raise _wrong(where, "role", f"one of {', '.join(_ROLES)}", role)
    if not isinstance(content, str):
        raise _wrong(where, "content", "text", content)
    return Message(cast("Role", role), content)


def _label(row: Mapping[str, object], name: str, where: str) -> int | None:
    value = row[name]
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value in {0, 1}):
        return value
    raise _wrong(where, name, "1, 0 or null", value)


def _onset(value: object, messages: Conversation, where: str) -> int | None:
    if value is None:
        return None
    length = len(messages[-1].content) if messages[-1].role == "assistant" else 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < length:
        return value
    raise _wrong(where, "onset_char", f"null or an index below {length}, the length of the answer", value)


def _text(row: Mapping[str, object], name: str, where: str, *, empty: bool = True) -> str:
    value = row[name]
    if isinstance(value, str) and (value or empty):
        return value
    raise _wrong(where, name, "text" if empty else "text that is not empty", value)


def _optional_text(row: Mapping[str, object], name: str, where: str) -> str | None:
    return None if row[name] is None else _text(row, name, where)


def _texts(row: Mapping[str, object], name: str, where: str) -> tuple[str, ...]:
    value = row[name]
    if isinstance(value, list | tuple):
        items = cast("list[object]", value)
        texts = tuple(item for item in items if isinstance(item, str))
        if len(texts) == len(items):
            return texts
    raise _wrong(where, name, "a list of texts", value)


def _wrong(where: str, name: str, expected: str, got: object) -> DataError:
    shown = repr(got)
    return DataError(f"{where}: {name}: expected {expected}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")
