"""Read a public set as examples, from a file or from the Hugging Face hub.

In: the name of a set, and where its rows are. Out: examples under the set's own labels, or the permitted ones alone.
Knows no set but by its shape; needs the package `datasets` for the hub alone.
"""

import difflib
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

from lictor.artifacts import fingerprint
from lictor.dataset.files import Row, read_rows
from lictor.dataset.pools import conversation_of, read_pool
from lictor.dataset.public_sets import SETS, Columns, Shape
from lictor.errors import DataError, UsageError
from lictor.types import Conversation, Example, Message, Split

HUB = "hub:"
_CODES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "dutch": "nl", "english": "en", "french": "fr", "german": "de",
    "hindi": "hi", "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko", "persian": "fa",
    "polish": "pl", "portuguese": "pt", "russian": "ru", "spanish": "es", "swahili": "sw", "turkish": "tr",
    "ukrainian": "uk", "vietnamese": "vi",
}  # fmt: skip
"""Languages by the names that sets give them."""


def shape_named(name: str) -> Shape:
    """The shape of the set called `name`.

    Raises:
        UsageError: No such set is known.
    """
    if name in SETS:
        return SETS[name]
    near = difflib.get_close_matches(name, SETS, n=3, cutoff=0.4)
    raise UsageError(f"no public set is called {name!r}; {f'did you mean {near}?' if near else f'known: {list(SETS)}'}")


def import_set(
    name: str,
    place: str = "",
    *,
    permitted_only: bool = False,
    constitution: str = "",
    split: Split = "train",
    limit: int | None = None,
) -> list[Example]:
    """The conversations of a public set, in its order, each once.

    Args:
        name: Which set; `SETS` names them.
        place: A .jsonl, .csv or .parquet file, or `hub:ORG/NAME`, `hub:ORG/NAME:CONFIG`, `hub:ORG/NAME:CONFIG:SPLIT`;
            where the set stands on the hub when empty.
        permitted_only: Leave out what the set does not call harmless, for a pool of benign conversations.
        constitution: Fingerprint of the constitution the labels are taken to hold under.
        split: The split they are meant for.
        limit: How many at most.

    Raises:
        UsageError: The set or the place is unknown, or the hub is asked for without the package `datasets`.
        DataError: The rows are not of the set's shape, or none is left.
    """
    shape = shape_named(name)
    place = place or shape.hub
    if not place:
        raise UsageError(f"{name}: expected a file or hub:ORG/NAME; this set has no place of its own")
    rows = _hub_rows(place) if place.startswith(HUB) else read_rows(Path(place))
    found = (_example(name, shape, row, (constitution, split)) for row in _unfolded(shape, rows))
    kept = (e for e in found if not permitted_only or (e.prompt_label == 0 and e.answer_label != 1))
    examples = list({e.id: e for e in islice(kept, limit)}.values())
    if not examples:
        raise DataError(f"{place}: expected at least one {'permitted ' * permitted_only}conversation, got none")
    return examples


def read_benign(path: Path, *, source: str, rows_of: str | None) -> list[Example]:
    """A pool of benign conversations for calibration: somebody's own, or what the public set `rows_of` calls harmless.

    Raises:
        UsageError: No such set is known.
        DataError: The file cannot be read, or holds no such conversation.
    """
    if rows_of is None:
        return read_pool(path, source=source)
    read = import_set(rows_of, str(path), permitted_only=True, split="calibration")
    return [replace(example, source=f"pool:{source}") for example in read]


def _unfolded(shape: Shape, rows: Iterator[Row]) -> Iterator[Row]:
    place = ""

    def columns() -> Iterator[Columns]:
        nonlocal place
        for row in rows:
            place = row.where
            if not isinstance(row.value, Mapping):
                raise DataError(f"{place}: expected an object with named fields, got {type(row.value).__name__}")
            yield cast("Columns", row.value)

    for unfolded in shape.unfold(columns()):
        yield Row(place, unfolded)


def _example(name: str, shape: Shape, row: Row, settings: tuple[str, Split]) -> Example:
    columns = cast("Columns", row.value)
    messages = _messages(shape, columns, row.where)
    identity = fingerprint(["set", name, shape.label(columns), [[m.role, m.content] for m in messages]])
    shared = columns.get(shape.family) if shape.family else None
    constitution, split = settings
    return Example(
        id=identity,
        constitution=constitution,
        messages=messages,
        prompt_label=shape.label(columns),
        answer_label=shape.answer_label(columns) if messages[-1].role == "assistant" else None,
        rule=None,
        source=f"pool:{columns.get(shape.source) or name}",
        lang=_code(columns.get(shape.lang)),
        family=identity if shared is None else fingerprint(["set", name, shared]),
        split=split,
    )


def _messages(shape: Shape, columns: Columns, where: str) -> Conversation:
    if shape.turns and columns.get(shape.turns):
        return conversation_of(Row(where, {"messages": columns[shape.turns]}))
    asked = _first(columns, shape.ask)
    if not asked:
        expected = " or ".join([*shape.ask, *([shape.turns] if shape.turns else [])])
        raise DataError(f"{where}: expected a text under {expected}; got the columns {', '.join(columns) or 'none'}")
    below, answer = _first(columns, shape.below), _first(columns, shape.answer)
    said = (Message("assistant", answer),) if answer else ()
    return (Message("user", f"{asked}\n\n{below}" if below else asked), *said)


def _first(columns: Columns, names: tuple[str, ...]) -> str:
    texts = (columns.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def _code(language: object) -> str:
    """`English`, `en` and `en-US` as `en`; English where nothing is said."""
    given = str(language or "en").lower()
    return _CODES.get(given, given.partition("-")[0])


def _hub_rows(place: str) -> Iterator[Row]:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError:
        raise UsageError(f"{place}: the hub is read through the package datasets: pip install 'lictor[hub]'") from None
    parts = place.removeprefix(HUB).split(":")
    name, config, split = parts[0], parts[1] if len(parts) > 1 else "", parts[2] if len(parts) > 2 else "train"
    try:
        rows = datasets.load_dataset(name, config or None, split=split, streaming=True)
        for number, row in enumerate(rows, 1):
            yield Row(f"{place}: row {number}", row)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{place}: expected a dataset, could not read one ({error})") from error
