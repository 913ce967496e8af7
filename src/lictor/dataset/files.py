"""Rows of a file: JSONL, CSV or Parquet, each also gzipped.

In: a path. Out: rows as they stand, each with the place it was read from. Knows no field but `messages`, which CSV
holds as JSON.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from lictor.errors import DataError


class Row(NamedTuple):
    """A row, and what a message about it starts with."""

    where: str
    value: object


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of `path`, a file called `*.jsonl`, `*.csv` or `*.parquet`, or one of these with `.gz` after it.

    Raises:
        DataError: It cannot be read as one of these.
    """
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


def _jsonl_rows(path: Path, data: bytes) -> Iterator[Row]:
    for number, line in enumerate(_text(path, data).split("\n"), 1):
        if line.strip():
            yield Row(f"{path}:{number}", parse(line, f"{path}:{number}"))


def _csv_rows(path: Path, data: bytes) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(_text(path, data), newline=""))
    try:
        for row in reader:
            where = f"{path}:{reader.line_num}"
            messages = row.get("messages")
            yield Row(where, row | {"messages": parse(messages, where)} if messages else row)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: expected CSV, got something else ({error})") from error


def _parquet_rows(path: Path, data: bytes) -> Iterator[Row]:
    try:
        table = pq.read_table(io.BytesIO(data))
    except pa.ArrowException as error:
        raise DataError(f"{path}: expected Parquet, got something else ({error})") from error
    for number, row in enumerate(table.to_pylist(), 1):
        yield Row(f"{path}: row {number}", row)


def parse(text: str, where: str) -> object:
    """The JSON value that `text` holds.

    Raises:
        DataError: It holds none.
    """
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
