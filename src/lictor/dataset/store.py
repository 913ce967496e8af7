"""Examples on disk: JSONL to exchange, Parquet to keep, an artefact folder with lineage.

In: examples, or files. Out: files, or examples of which every field was checked. Nothing is half written, and no
character is lost: lone surrogates, which attacks may carry, survive both formats. Knows no constitution, no model.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lictor.artifacts import Manifest, fingerprint, open_artifact, write_artifact, write_atomic
from lictor.dataset.rows import from_row, to_row
from lictor.errors import DataError
from lictor.types import Example

KIND = "dataset"
FILE = "examples.parquet"

_SURROGATE = re.compile("[\ud800-\udfff]")
_TEXTS_ARE_JSON = {b"lictor.content": b"json"}
"""Metadata of a Parquet file whose message texts are JSON string literals, since UTF-8 could not hold one of them."""

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("constitution", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("prompt_label", pa.int8()),
        ("answer_label", pa.int8()),
        ("rule", pa.string()),
        ("source", pa.string()),
        ("generator", pa.string()),
        ("onset_char", pa.int32()),
        ("lang", pa.string()),
        ("transforms", pa.list_(pa.string())),
        ("parent", pa.string()),
        ("family", pa.string()),
        ("split", pa.string()),
    ]
)


def read_jsonl(path: Path) -> list[Example]:
    """The examples in a JSONL file, one a line; blank lines are passed over.

    Raises:
        DataError: The file is missing or empty, or a line is not UTF-8, not whole JSON or not an example.
    """
    examples: list[Example] = []
    for number, line in enumerate(_bytes(path).split(b"\n"), 1):
        where = f"{path}:{number}"
        if line.strip():
            examples.append(from_row(_parse(line, where), where))
    return _some(examples, path)


def write_jsonl(path: Path, examples: Iterable[Example]) -> None:
    """Replace `path` by the examples, one a line, whole or not at all.

    Raises:
        DataError: There are none, or the disk refused.
    """
    given = _some(list(examples), path)
    lines = (json.dumps(to_row(example), ensure_ascii=False, separators=(",", ":")) for example in given)
    text = "".join(_SURROGATE.sub(_escape, line) + "\n" for line in lines)
    _written(path, lambda: write_atomic(path, text))


def read_parquet(path: Path) -> list[Example]:
    """The examples in a Parquet file.

    Raises:
        DataError: The file is missing, empty or not Parquet, or a row is not an example.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path}: expected a Parquet file of examples, found none") from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: expected a Parquet file of examples, got something else ({error})") from error
    rows: list[dict[str, Any]] = table.to_pylist()
    if (table.schema.metadata or {}).items() >= _TEXTS_ARE_JSON.items():
        for row in rows:
            row["messages"] = [m | {"content": json.loads(m["content"])} for m in row["messages"]]
    return _some([from_row(row, f"{path}: row {number}") for number, row in enumerate(rows, 1)], path)


def write_parquet(path: Path, examples: Iterable[Example]) -> None:
    """Replace `path` by the examples as Parquet (zstd), whole or not at all.

    Raises:
        DataError: There are none, a name in them is not Unicode, or the disk refused.
    """
    rows: list[dict[str, Any]] = [to_row(example) for example in _some(list(examples), path)]
    schema = _SCHEMA
    if any(_SURROGATE.search(m["content"]) for row in rows for m in row["messages"]):
        schema = _SCHEMA.with_metadata(_TEXTS_ARE_JSON)
        for row in rows:
            row["messages"] = [m | {"content": json.dumps(m["content"])} for m in row["messages"]]
    try:
        table = pa.Table.from_pylist(rows, schema=schema)
    except (UnicodeEncodeError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected ids, rules, sources and the like in plain Unicode, got: {error}") from error
    staging = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(table, staging, compression="zstd", compression_level=19)
            staging.replace(path)
        finally:
            staging.unlink(missing_ok=True)

    _written(path, write)


def read_dataset(folder: Path) -> list[Example]:
    """The examples of a dataset artefact, its file checked against the manifest.

    Raises:
        ArtifactError: The folder is not a dataset, or its file was altered.
        DataError: A row is not an example.
    """
    open_artifact(folder, kind=KIND)
    return read_parquet(folder / FILE)


def write_dataset(
    folder: Path,
    examples: Sequence[Example],
    *,
    key: str,
    parents: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
    seed: int = 0,
    notes: Mapping[str, object] | None = None,
) -> Manifest:
    """Write the examples as a dataset artefact; its notes are `counts` of the examples, then `notes`.

    Raises:
        ArtifactError: The disk refused; nothing was left behind.
        DataError: There are no examples.
    """

    def fill(staging: Path) -> Mapping[str, object]:
        write_parquet(staging / FILE, examples)
        return {**count_examples(examples), **(notes or {})}

    return write_artifact(folder, fill, kind=KIND, key=key, parents=parents, config=config, seed=seed)


def content_of(examples: Iterable[Example]) -> str:
    """Fingerprint of the examples themselves: equal for equal ones in the same order, whatever made them."""
    return fingerprint([to_row(example) for example in examples])


def count_examples(examples: Sequence[Example]) -> dict[str, object]:
    """How many examples there are, and how many by split, rule, source, language, label and transform."""
    return {
        "examples": len(examples),
        "families": len({example.family or example.id for example in examples}),
        "split": _counted(example.split for example in examples),
        "rule": _counted(example.rule for example in examples),
        "source": _counted(example.source for example in examples),
        "lang": _counted(example.lang for example in examples),
        "prompt_label": _counted(example.prompt_label for example in examples),
        "answer_label": _counted(example.answer_label for example in examples if example.answer is not None),
        "transform": _counted(name for example in examples for name in example.transforms),
    }


def _counted(values: Iterable[object]) -> dict[str, int]:
    return dict(sorted(Counter("none" if value is None else str(value) for value in values).items()))


def _parse(line: bytes, where: str) -> object:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: expected UTF-8, got byte {line[error.start]:#x} at column {error.start + 1}"
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}: expected one whole JSON object, got {error.msg.lower()} at column {error.colno}; "
            "a line that breaks off means that the file was cut short"
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a file of examples, could not read one ({error.strerror})") from error


def _some(examples: list[Example], path: Path) -> list[Example]:
    if not examples:
        raise DataError(f"{path}: expected at least one example, got none")
    return examples


def _written(path: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise DataError(f"{path}: could not be written ({error.strerror or error}); free some space") from error


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
