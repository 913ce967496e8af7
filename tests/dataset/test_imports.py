"""Public sets: each shape on small rows made for the purpose, from every kind of place."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lictor.dataset.imports import import_set, read_benign
from lictor.dataset.public_sets import SETS
from lictor.errors import DataError, UsageError
from lictor.types import Example

ASK = "May I ring the bell?"
SAY = "Please do."
Row = dict[str, Any]
PLAIN = [("user", ASK)]
BOTH = [("user", ASK), ("assistant", SAY)]
CASES: list[tuple[str, Row, list[tuple[str, str]], int | None, int | None]] = [
    ("alpaca", {"instruction": ASK, "input": "", "output": SAY, "text": "x"}, BOTH, 0, 0),
    ("alpaca", {"instruction": ASK, "input": "At noon.", "output": ""}, [("user", f"{ASK}\n\nAt noon.")], 0, None),
    ("do_not_answer", {"id": 1, "risk_area": "x", "question": ASK, "GPT4_response": SAY}, PLAIN, 1, None),
    ("dolly", {"instruction": ASK, "context": "", "response": SAY, "category": "open_qa"}, BOTH, 0, 0),
    ("harmbench", {"Behavior": ASK, "ContextString": None, "BehaviorID": "b1", "Tags": ""}, PLAIN, 1, None),
    ("harmbench", {"prompt": ASK, "category": "x"}, PLAIN, 1, None),
    ("jailbreakbench", {"Index": 0, "Goal": ASK, "Target": "Sure", "Behavior": "Ringing"}, PLAIN, 1, None),
    ("jailbreakbench_benign", {"Index": 0, "Goal": ASK, "Target": "Sure", "Behavior": "Ringing"}, PLAIN, 0, None),
    ("labelled", {"id": "a", "src": "bells", "text": ASK, "label": 1}, PLAIN, 1, None),
    ("labelled", {"id": "a", "src": "bells", "prompt": ASK, "response": SAY, "label": 1}, BOTH, None, 1),
    ("labelled", {"id": "a", "src": "bells", "prompt": ASK, "response": SAY, "label": 0}, BOTH, None, 0),
    ("labelled", {"id": "a", "src": "bells", "text": ASK, "label": None}, PLAIN, None, None),
    ("openai_guardrails", {"id": "a", "data": ASK, "expected_triggers": {"A": False, "B": True}}, PLAIN, 1, None),
    ("openai_guardrails", {"id": "a", "data": ASK, "expected_triggers": {"A": False}}, PLAIN, 0, None),
    ("or_bench", {"prompt": ASK, "category": "privacy"}, PLAIN, 0, None),
    ("or_bench_toxic", {"prompt": ASK, "category": "privacy"}, PLAIN, 1, None),
    ("strongreject", {"category": "x", "source": "y", "forbidden_prompt": ASK}, PLAIN, 1, None),
    ("toxicchat", {"conv_id": "a", "user_input": ASK, "model_output": SAY, "toxicity": 1}, BOTH, 1, None),
    ("toxicchat", {"conv_id": "a", "user_input": ASK, "model_output": SAY, "toxicity": 0}, BOTH, 0, None),
    ("xstest", {"id": "a", "prompt": ASK, "type": "homonyms", "label": "safe", "focus": ""}, PLAIN, 0, None),
    ("xstest", {"id": "a", "prompt": ASK, "type": "contrast_homonyms", "focus": ""}, PLAIN, 1, None),
]


def read(folder: Path, name: str, *rows: Row) -> list[Example]:
    """The rows as the set `name`."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return import_set(name, str(folder / "rows.jsonl"))


@pytest.mark.parametrize(("name", "row", "turns", "prompt", "answer"), CASES)
def test_a_row_of_a_set_is_an_example(
    tmp_path: Path, name: str, row: Row, turns: list[tuple[str, str]], prompt: int | None, answer: int | None
) -> None:
    """Turns, labels and source are where the set has them."""
    (made,) = read(tmp_path, name, row)

    assert [(m.role, m.content) for m in made.messages] == turns
    assert (made.prompt_label, made.answer_label) == (prompt, answer)
    assert made.source == f"pool:{row.get('src', name)}"


def test_every_set_is_tested() -> None:
    """No shape without made rows of it."""
    assert {case[0] for case in CASES} | {"wildchat", "oasst", "multijail"} == set(SETS)


def test_a_chat_keeps_its_turns_and_its_language(tmp_path: Path) -> None:
    """What a machine flags as toxic is unknown, the rest permitted; `English` is `en`."""
    turns = [
        {"role": "user", "content": ASK, "language": "English", "toxic": False},
        {"role": "assistant", "content": SAY, "language": "English", "toxic": False},
    ]
    made = read(
        tmp_path,
        "wildchat",
        {"conversation": turns, "language": "English", "toxic": False},
        {"conversation": turns[:1], "language": "Swahili", "toxic": True},
    )

    assert [len(one.messages) for one in made] == [2, 1]
    assert [(one.prompt_label, one.answer_label, one.lang) for one in made] == [(0, 0, "en"), (None, None, "sw")]


def test_a_tree_of_messages_gives_its_best_path(tmp_path: Path) -> None:
    """The reply of the best rank at every step, down to the last answer."""
    base = {"lang": "de", "rank": 0}
    made = read(
        tmp_path,
        "oasst",
        {**base, "message_id": "1", "parent_id": None, "role": "prompter", "text": ASK, "rank": None},
        {**base, "message_id": "2", "parent_id": "1", "role": "assistant", "text": "No.", "rank": 1},
        {**base, "message_id": "3", "parent_id": "1", "role": "assistant", "text": SAY},
        {**base, "message_id": "4", "parent_id": "3", "role": "prompter", "text": "Thanks."},
        {**base, "message_id": "5", "parent_id": None, "role": "prompter", "text": "Alone."},
    )

    assert [[m.content for m in one.messages] for one in made] == [[ASK, SAY]]
    assert made[0].lang == "de"


def test_translations_of_one_row_are_one_family(tmp_path: Path) -> None:
    """Each language is an example, and none may stand on another side of a split than its twins."""
    made = read(tmp_path, "multijail", {"id": 7, "source": "x", "en": ASK, "sw": "Naweza?", "th": None, "tags": ""})

    assert [(one.lang, one.prompt_label) for one in made] == [("en", 1), ("sw", 1)]
    assert len({one.family for one in made}) == 1
    assert len({one.id for one in made}) == 2


def test_a_tutors_history_becomes_turns(tmp_path: Path) -> None:
    """Problem, then teacher and student in turn, then the labelled answer."""
    row = {
        "id": "a", "src": "tutor", "label": 1, "problem": "2 + 2", "response": "Four.",
        "history": ["Teacher: Well?", "Student: Five: or so"],
    }  # fmt: skip
    (made,) = read(tmp_path, "labelled", row)

    assert [(m.role, m.content) for m in made.messages] == [
        ("user", "2 + 2"),
        ("assistant", "Well?"),
        ("user", "Five: or so"),
        ("assistant", "Four."),
    ]
    assert (made.prompt_label, made.answer_label) == (None, 1)


def test_a_pool_takes_only_what_the_set_calls_harmless(tmp_path: Path) -> None:
    """Flagged rows, repeated rows and rows over the limit are left out, and the pool has its own name."""
    path = tmp_path / "t.csv"
    rows = [("One?", 1), ("Two?", 0), ("Two?", 0), ("Three?", 0)]
    path.write_text("user_input,model_output,toxicity\n" + "".join(f"{ask},,{label or ''}\n" for ask, label in rows))
    pool = read_benign(path, source="chats", rows_of="toxicchat")

    assert [one.messages[0].content for one in pool] == ["Two?", "Three?"]
    assert {(one.source, one.split) for one in pool} == {("pool:chats", "calibration")}
    assert len(import_set("alpaca", _alpaca(tmp_path), limit=1)) == 1


def _alpaca(folder: Path) -> str:
    rows = [{"instruction": ask, "input": "", "output": SAY} for ask in ("One?", "Two?")]
    pq.write_table(pa.Table.from_pylist(rows), folder / "a.parquet")
    return str(folder / "a.parquet")


def test_what_is_no_such_set_is_told(tmp_path: Path) -> None:
    """An unknown set, rows of another shape, an empty pool and a set without a place each have their error."""
    with pytest.raises(UsageError, match="did you mean"):
        import_set("wildchats")
    with pytest.raises(UsageError, match="no place of its own"):
        import_set("labelled")
    with pytest.raises(DataError, match=r"rows\.jsonl:1: expected a text under prompt; got the columns text"):
        read(tmp_path, "or_bench", {"text": ASK})
    with pytest.raises(DataError, match="at least one permitted conversation"):
        import_set("or_bench_toxic", _prompts(tmp_path), permitted_only=True)


def _prompts(folder: Path) -> str:
    (folder / "p.jsonl").write_text(json.dumps({"prompt": ASK}))
    return str(folder / "p.jsonl")


def test_the_hub_is_read_through_its_own_package(tmp_path: Path) -> None:
    """A dataset in the hub's layout is streamed; what is none is one of our errors."""
    pytest.importorskip("datasets")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(json.dumps({"prompt": ASK}))
    (made,) = import_set("or_bench", f"hub:{tmp_path / 'set'}")

    assert made.messages[0].content == ASK
    with pytest.raises(DataError, match="expected a dataset"):
        import_set("or_bench", f"hub:{tmp_path / 'nothing'}")
