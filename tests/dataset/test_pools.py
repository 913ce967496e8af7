"""Imported pools: users' own benign conversations, in the shapes they come in."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lictor.dataset.pools import read_pool
from lictor.errors import DataError
from lictor.types import Message

ASKED = Message("user", "When does the shop, the old one, open?")
ANSWERED = Message("assistant", "At nine.\nOn Sundays at ten.")


def test_messages_are_read_as_a_chat_api_carries_them(tmp_path: Path) -> None:
    """Extra keys are dropped and text parts put together; the pool's examples are permitted and for calibration."""
    path = tmp_path / "a.jsonl"
    parts = [{"type": "text", "text": "When does the shop,"}, {"type": "text", "text": "open?"}]
    turns = [{"role": "user", "content": parts, "name": "x"}, {"role": "assistant", "content": "At nine."}]
    path.write_text(json.dumps({"messages": turns, "user_id": 7}) + "\n")
    (read,) = read_pool(path, source="shop", constitution="c")

    assert read.messages == (Message("user", "When does the shop,\nopen?"), Message("assistant", "At nine."))
    assert (read.prompt_label, read.answer_label, read.split) == (0, 0, "calibration")
    assert (read.source, read.constitution, read.rule) == ("pool:shop", "c", None)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_every_kind_of_file_gives_the_same_examples(tmp_path: Path, kind: str, zipped: bool) -> None:
    """Prompt and response, from all three kinds, gzipped or not."""
    path = tmp_path / f"a.{kind}"
    row = {"prompt": ASKED.content, "response": ANSWERED.content}
    match kind:
        case "jsonl":
            path.write_text(json.dumps(row) + "\n")
        case "csv":
            path.write_text(f'prompt,response\n"{ASKED.content}","{ANSWERED.content}"\n')
        case _:
            pq.write_table(pa.Table.from_pylist([row]), path)
    if zipped:
        path = path.rename(tmp_path / "plain")
        path = tmp_path / f"a.{kind}.gz"
        path.write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))

    assert [one.messages for one in read_pool(path, source="shop")] == [(ASKED, ANSWERED)]


def test_text_and_prompts_without_an_answer_have_no_answer_label(tmp_path: Path) -> None:
    """One user turn is a prompt; an empty response is none."""
    (tmp_path / "a.jsonl").write_text('{"text": "Hello"}\n{"prompt": "Hello", "response": ""}\n')
    read = read_pool(tmp_path / "a.jsonl", source="s")

    assert [one.messages for one in read] == [(Message("user", "Hello"),)] * 2
    assert [one.answer_label for one in read] == [None, None]
    assert len({one.id for one in read}) == 2


def test_messages_in_csv_and_parquet(tmp_path: Path) -> None:
    """CSV holds them as JSON, Parquet as a list of structs, whose unused fields are null."""
    turns = [{"role": "user", "content": "Hi", "name": None}]
    (tmp_path / "a.csv").write_text('messages\n"' + json.dumps(turns).replace('"', '""') + '"\n')
    pq.write_table(pa.Table.from_pylist([{"messages": turns}]), tmp_path / "a.parquet")

    for name in ("a.csv", "a.parquet"):
        assert read_pool(tmp_path / name, source="s")[0].messages == (Message("user", "Hi"),)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"question": "x"}\n', r":2: expected messages, or prompt.*got question"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', r":2: expected whole JSON"),
        ("a.jsonl", b"ok\n\xff\n", r":2: expected UTF-8, got byte 0xff"),
        ("a.jsonl", b"", "at least one conversation, got none"),
        ("a.jsonl", b'{"messages": "hello"}', r":1: messages: expected a list"),
        ("a.jsonl", b'{"messages": [{"role": "user", "content": [{"image": 1}]}]}', "content: expected text"),
        ("a.csv", b"messages\nhello\n", r":2: expected whole JSON"),
        ("a.txt", b"hello", r"expected \.jsonl, \.csv or \.parquet .* got '?\.txt"),
        ("a.jsonl.gz", b"hello", "expected a file of conversations"),
        ("a.parquet", b"hello", "expected Parquet"),
    ],
)
def test_what_holds_no_conversation_is_told(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    """The message names the file and the line, what was expected and what stood there."""
    (tmp_path / name).write_bytes(data)

    with pytest.raises(DataError, match=told):
        read_pool(tmp_path / name, source="s")
