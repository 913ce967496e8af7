"""Read somebody's own benign conversations, to calibrate on what their users really say.

In: JSONL, CSV or Parquet, each also gzipped. Out: examples labelled permitted. Takes the reader's word that they are
benign; knows no constitution but its fingerprint.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from lictor.artifacts import fingerprint
from lictor.dataset.rows import read_messages
from lictor.errors import DataError
from lictor.types import Conversation, Example, Message, Split


class _Row(NamedTuple):
    where: str
    value: object


def read_pool(path: Path, *, source: str, constitution: str = "", split: Split = "calibration") -> list[Example]:
    """The conversations in `path`, labelled permitted; repeated ones are kept, since traffic repeats itself.

    A row has `messages` (as a chat API carries them), or `prompt` and perhaps `response`, or `text` (one user turn);
    of these the first that is there counts, and other columns are passed over.

    Args:
        path: A file called `*.jsonl`, `*.csv` or `*.parquet`, or one of these with `.gz` after it.
        source: The pool's name; the examples' source is `pool:<name>`.
        constitution: Fingerprint of the constitution under which they are permitted.
        split: The split they are meant for.

    Raises:
        DataError: The file cannot be read as one of these, is empty, or a row of it holds no conversation.
    """
    examples: list[Example] = []
    for row in _rows(path):
        messages = _conversation(row)
        identity = fingerprint(["pool", source, len(examples), [[m.role, m.content] for m in messages]])
        answered = messages[-1].role == "assistant"
        examples.append(
            Example(
                id=identity,
                constitution=constitution,
                messages=messages,
                prompt_label=0,
                answer_label=0 if answered else None,
                rule=None,
                source=f"pool:{source}",
                family=identity,
                split=split,
            )
        )
    if not examples:
        raise DataError(f"{path}: expected at least one conversation, got none")
    return examples


def _rows(path: Path) -> Iterator[_Row]:
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: expected a file of conversations, could not read one ({error})") from error
    match Path(path.stem).suffix if path.suffix == ".gz" else path.suffix:
        case ".jsonl":
            return _jsonl_rows(path, data)
        case ".csv":
            return _csv_rows(path, data)
        case ".parquet":
            return _parquet_rows(path, data)
        case other:
            raise DataError(
                f"{path}: expected .jsonl, .csv or .parquet (or one with .gz), got {other or 'no suffix'!r}"
            )


def _jsonl_rows(path: Path, data: bytes) -> Iterator[_Row]:
    for number, line in enumerate(_text(path, data).split("\n"), 1):
        if line.strip():
            yield _Row(f"{path}:{number}", _json(line, f"{path}:{number}"))


def _csv_rows(path: Path, data: bytes) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(_text(path, data), newline=""))
    try:
        for row in reader:
            where = f"{path}:{reader.line_num}"
            messages = row.get("messages")
            yield _Row(where, row | {"messages": _json(messages, where)} if messages else row)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: expected CSV, got something else ({error})") from error


def _parquet_rows(path: Path, data: bytes) -> Iterator[_Row]:
    try:
        table = pq.read_table(io.BytesIO(data))
    except pa.ArrowException as error:
        raise DataError(f"{path}: expected Parquet, got something else ({error})") from error
    for number, row in enumerate(table.to_pylist(), 1):
        yield _Row(f"{path}: row {number}", row)


def _conversation(row: _Row) -> Conversation:
    if not isinstance(row.value, Mapping):
        raise DataError(f"{row.where}: expected an object with named fields, got {type(row.value).__name__}")
    given = cast("Mapping[str, object]", row.value)
    if turns := given.get("messages"):
        listed = [_turn(turn) for turn in cast("list[object]", turns)] if isinstance(turns, list) else turns
        return read_messages(listed, row.where)
    for name in ("prompt", "text"):
        if isinstance(asked := given.get(name), str) and asked:
            answer = given.get("response") if name == "prompt" else None
            said = (Message("assistant", answer),) if isinstance(answer, str) and answer else ()
            return (Message("user", asked), *said)
    names = ", ".join(map(str, given)) or "nothing"
    raise DataError(f"{row.where}: expected messages, or prompt and response, or text; got {names}")


def _turn(turn: object) -> object:
    """A chat API's turn as `{role, content}`: other keys dropped, text parts put together."""
    if not isinstance(turn, Mapping):
        return turn
    given = cast("Mapping[str, object]", turn)
    content = given.get("content")
    if isinstance(content, list):
        parts = [cast("Mapping[str, object]", p).get("text") for p in content if isinstance(p, Mapping)]
        texts = [part for part in parts if isinstance(part, str)]
        content = "\n".join(texts) if len(texts) == len(content) else content
    return {"role": given.get("role"), "content": content}


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: expected whole JSON, got {error.msg.lower()} at column {error.colno}") from error


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: expected UTF-8, got byte {data[error.start]:#x}") from error
