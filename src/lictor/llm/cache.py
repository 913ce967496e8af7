"""Pay for no generation twice: a content-addressed store of completions, and a chat model that asks it first.

In: conversations and samplings. Out: answers, from the store where they are known. Knows nothing of what a
model is made of; the key holds the model's name, the conversation and the sampling.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from lictor.artifacts import fingerprint
from lictor.errors import ArtifactError
from lictor.types import ChatModel, Conversation, OnAnswer, Sampling


class CompletionStore:
    """An append-only SQLite file of completions by key; each `put` is durable before it returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS completion (key TEXT PRIMARY KEY, text TEXT NOT NULL)")
            self._db.execute("CREATE TABLE IF NOT EXISTS pace (model TEXT, chars INTEGER, seconds REAL)")
        except sqlite3.DatabaseError as error:
            raise ArtifactError(f"{path}: not a store of completions ({error}); move it away and run again") from error

    def get(self, key: str) -> str | None:
        """The completion under `key`, or None."""
        row = self._db.execute("SELECT text FROM completion WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, entries: Sequence[tuple[str, str]]) -> None:
        """Keep `(key, text)` pairs, all or none."""
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO completion VALUES (?, ?)", entries)

    def note_pace(self, model: str, chars: int, seconds: float) -> None:
        """Keep how long a model took to write so much."""
        with self._db:
            self._db.execute("INSERT INTO pace VALUES (?, ?, ?)", (model, chars, seconds))

    def pace(self, model: str) -> float | None:
        """Characters a second that a model wrote in its last twenty calls; None before the first."""
        asked = "SELECT SUM(chars), SUM(seconds) FROM (SELECT * FROM pace WHERE model = ? ORDER BY rowid DESC LIMIT 20)"
        chars, seconds = self._db.execute(asked, (model,)).fetchone()
        return chars / seconds if seconds else None

    def __len__(self) -> int:
        """How many completions are kept."""
        return int(self._db.execute("SELECT COUNT(*) FROM completion").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


class CachedModel:
    """A chat model whose whole answers are kept; streamed ones pass through."""

    def __init__(self, model: ChatModel, store: CompletionStore) -> None:
        self._model = model
        self._store = store
        self.paid = 0
        """Completions the model behind was asked for."""

    @property
    def name(self) -> str:
        """The name of the model behind."""
        return self._model.name

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[str]:
        """The model's own stream, uncached."""
        return self._model.stream(conversation, sampling)

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sequence[Sampling],
        *,
        on_answer: OnAnswer | None = None,
    ) -> list[str]:
        """Answers in the order asked; only those not in the store are generated, once each, and kept as they come."""
        keys = [completion_key(self.name, c, s) for c, s in zip(conversations, sampling, strict=True)]
        known = {key: text for key in set(keys) if (text := self._store.get(key)) is not None}
        missing = {key: i for i, key in reversed(list(enumerate(keys))) if key not in known}
        places: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            places.setdefault(key, []).append(index)
        at = sorted(missing.values())

        def tell(key: str) -> None:
            if on_answer is not None:
                for place in places[key]:
                    on_answer(place, known[key])

        def keep(index: int, text: str) -> None:
            key = keys[at[index]]
            self._store.put([(key, text)])
            self.paid += 1
            known[key] = text
            tell(key)

        for key in sorted(known, key=lambda key: places[key]):
            tell(key)

        if at:
            started = time.monotonic()
            self._model.complete([conversations[i] for i in at], [sampling[i] for i in at], on_answer=keep)
            self._store.note_pace(self.name, sum(len(known[keys[i]]) for i in at), time.monotonic() - started)
        return [known[key] for key in keys]


def completion_key(name: str, conversation: Conversation, sampling: Sampling) -> str:
    """What a completion is kept under."""
    return fingerprint([name, [[m.role, m.content] for m in conversation], asdict(sampling)])
