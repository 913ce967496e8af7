"""Read somebody's own benign conversations, to calibrate on what their users really say.

In: JSONL, CSV or Parquet, each also gzipped. Out: examples labelled permitted. Takes the reader's word that they are
benign; knows no constitution but its fingerprint.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from lictor.artifacts import fingerprint
from lictor.dataset.files import Row, read_rows
from lictor.dataset.rows import read_messages
from lictor.errors import DataError
from lictor.types import Conversation, Example, Message, Split


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
    for row in read_rows(path):
        messages = conversation_of(row)
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


def conversation_of(row: Row) -> Conversation:
    """The conversation in a row's `messages`, or `prompt` and perhaps `response`, or `text`.

    Raises:
        DataError: It has none of these.
    """
    if not isinstance(row.value, Mapping):
        raise DataError(f"{row.where}: expected an object with named fields, got {type(row.value).__name__}")
    given = cast("Mapping[str, object]", row.value)
    if turns := given.get("messages"):
        listed = [plain_turn(turn) for turn in cast("list[object]", turns)] if isinstance(turns, list) else turns
        return read_messages(listed, row.where)
    for name in ("prompt", "text"):
        if isinstance(asked := given.get(name), str) and asked:
            answer = given.get("response") if name == "prompt" else None
            said = (Message("assistant", answer),) if isinstance(answer, str) and answer else ()
            return (Message("user", asked), *said)
    names = ", ".join(map(str, given)) or "nothing"
    raise DataError(f"{row.where}: expected messages, or prompt and response, or text; got {names}")


def plain_turn(turn: object) -> object:
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
