"""Datasets on disk: nothing lost, nothing half written, nothing wrong let in."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.dataset.rows import from_row, to_row
from lictor.dataset.store import (
    FILE,
    read_dataset,
    read_jsonl,
    read_parquet,
    write_dataset,
    write_jsonl,
    write_parquet,
)
from lictor.errors import ArtifactError, DataError
from lictor.types import Example, Message

from .small import example

FULL = replace(
    example("full", "How is it cast?", "First the mould.", label=1, family="f", split="test", parent="root"),
    generator="draft",
    onset_char=6,
    lang="de",
    transforms=("base64", "table@answer"),
)
ODD = replace(
    FULL,
    id="odd",
    messages=(Message("user", "lone \ud800 and \udfff, \u2028, \x85, \r\n, \0, \U0001f514"),),
    answer_label=None,
    onset_char=None,
)


def test_every_field_survives_both_formats(tmp_path: Path) -> None:
    """What was written is read, defaults and all."""
    given_ = [FULL, example("plain"), replace(example("unknown"), prompt_label=None, rule=None)]
    write_jsonl(tmp_path / "a.jsonl", given_)
    write_parquet(tmp_path / "a.parquet", given_)

    assert read_jsonl(tmp_path / "a.jsonl") == given_
    assert read_parquet(tmp_path / "a.parquet") == given_


def test_lone_surrogates_and_odd_line_ends_survive(tmp_path: Path) -> None:
    """Text that UTF-8 cannot hold, and characters that some call line ends, come back as they were."""
    write_jsonl(tmp_path / "a.jsonl", [ODD, FULL])
    write_parquet(tmp_path / "a.parquet", [ODD, FULL])

    assert read_jsonl(tmp_path / "a.jsonl") == [ODD, FULL]
    assert read_parquet(tmp_path / "a.parquet") == [ODD, FULL]
    (tmp_path / "a.jsonl").read_text(encoding="utf-8")


@given(text=st.text(), answer=st.text())
def test_a_row_gives_its_example_back(text: str, answer: str) -> None:
    """Through JSON and back, any text stays what it is."""
    made = replace(example("any", "x", "y"), messages=(Message("user", text), Message("assistant", answer)))

    assert from_row(json.loads(json.dumps(to_row(made))), "here") == made


def test_text_is_readable_in_jsonl(tmp_path: Path) -> None:
    """Letters beyond ASCII are written as themselves."""
    write_jsonl(tmp_path / "a.jsonl", [example("glocke", "Wie gießt man Glocken? 鐘")])

    assert "gießt man Glocken? 鐘" in (tmp_path / "a.jsonl").read_text(encoding="utf-8")


def test_fields_with_a_default_may_be_missing(tmp_path: Path) -> None:
    """Somebody who writes rows by hand need only say what has no default."""
    row = {name: value for name, value in to_row(example("a")).items() if name not in {"family", "lang", "split"}}
    (tmp_path / "a.jsonl").write_text("\n" + json.dumps(row))

    assert read_jsonl(tmp_path / "a.jsonl") == [example("a")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompt_label": 2}, "prompt_label: expected 1, 0 or null, got 2"),
        ({"prompt_label": True}, "prompt_label: expected 1, 0 or null, got True"),
        ({"answer_label": "1"}, "answer_label: expected 1, 0 or null, got '1'"),
        ({"onset_char": None, "messages": [{"role": "user", "content": "x"}]}, "answer_label: expected null"),
        ({"colour": "red"}, "got the unknown colour"),
        ({"messages": []}, "messages: expected a list of at least one"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "message 0: role: expected one of system, user"),
        (
            {"messages": [{"role": "user", "text": "x"}]},
            "message 0: expected the keys role and content, got role, text",
        ),
        ({"messages": [{"role": "system", "content": "x"}]}, "expected a user turn"),
        ({"onset_char": 16}, "onset_char: expected null or an index below 16"),
        ({"transforms": "base64"}, "transforms: expected a list of texts, got 'base64'"),
        ({"split": "dev"}, "split: expected one of train, validation, calibration, test, got 'dev'"),
        ({"id": ""}, "id: expected text that is not empty"),
        ({"family": None}, "family: expected text, got None"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(tmp_path: Path, change: dict[str, object], told: str) -> None:
    """The message names file, line, field, what was expected and what stood there."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(to_row(FULL)) + "\n" + json.dumps(to_row(FULL) | change) + "\n")

    with pytest.raises(DataError) as error:
        read_jsonl(path)

    assert str(error.value).startswith(f"{path}:2: ")
    assert told in str(error.value)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    """A row without its labels is not taken to be permitted."""
    row = to_row(FULL)
    del row["prompt_label"]
    (tmp_path / "a.jsonl").write_text(json.dumps(row))

    with pytest.raises(DataError, match=r"a\.jsonl:1: .*missing: prompt_label"):
        read_jsonl(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "expected at least one example, got none"),
        (b"\n \n", "expected at least one example, got none"),
        (b'{"id": "a"', r":1: expected one whole JSON object"),
        (b"\xff\xfe", r":1: expected UTF-8, got byte 0xff at column 1"),
        (b"[1]", r":1: a row: expected an object"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, data: bytes, told: str) -> None:
    """Empty, cut short, of another encoding or not rows at all."""
    (tmp_path / "a.jsonl").write_bytes(data)

    with pytest.raises(DataError, match=told):
        read_jsonl(tmp_path / "a.jsonl")


def test_a_missing_file_and_a_false_parquet_are_told(tmp_path: Path) -> None:
    """No traceback of another library reaches the user."""
    (tmp_path / "false.parquet").write_text("not parquet")

    for read in (read_jsonl, read_parquet):
        with pytest.raises(DataError, match="none"):
            read(tmp_path / "none")
    with pytest.raises(DataError, match="expected a Parquet file"):
        read_parquet(tmp_path / "false.parquet")


def test_no_examples_are_not_written(tmp_path: Path) -> None:
    """What could not be read again is not written, and what stood there stays."""
    write_jsonl(tmp_path / "a.jsonl", [FULL])

    with pytest.raises(DataError):
        write_jsonl(tmp_path / "a.jsonl", [])

    assert read_jsonl(tmp_path / "a.jsonl") == [FULL]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_dataset_has_its_counts_in_the_manifest(tmp_path: Path) -> None:
    """The manifest says how many examples of each kind there are, what it was made from, and what was noted."""
    manifest = write_dataset(
        tmp_path / "d", [FULL, example("b")], key="k", parents={"constitution": "c"}, seed=3, notes={"kept": 2}
    )

    assert read_dataset(tmp_path / "d") == [FULL, example("b")]
    assert (manifest.kind, manifest.fingerprint, manifest.seed) == ("dataset", "k", 3)
    assert manifest.notes["examples"] == 2
    assert manifest.notes["split"] == {"test": 1, "train": 1}
    assert manifest.notes["transform"] == {"base64": 1, "table@answer": 1}
    assert manifest.notes["kept"] == 2


def test_an_altered_dataset_is_refused(tmp_path: Path) -> None:
    """A file that is not the one that was written is not read."""
    write_dataset(tmp_path / "d", [FULL], key="k")
    write_parquet(tmp_path / "d" / FILE, [example("other")])

    with pytest.raises(ArtifactError, match="altered"):
        read_dataset(tmp_path / "d")


def test_a_dataset_is_small_on_disk(tmp_path: Path) -> None:
    """Six thousand examples of ordinary length, a third of them said before, take well under two megabytes."""
    words = "bell mould clay bronze tin copper rope tower tone strike wheel frame clapper waist crown lip"
    texts = [" ".join(words.split()[(i * k + k * k) % 16] for k in range(1, 60)) + f" {i}" for i in range(4000)]
    many: list[Example] = [example(str(i), texts[i % 4000]) for i in range(6000)]
    write_parquet(tmp_path / "a.parquet", many)

    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
