"""Pay for no generation twice: a content-addressed store of completions, and a chat model that asks it first.

In: conversations and samplings. Out: answers, from the store where they are known. Knows nothing of what a
model is made of; the key holds the model's name, the conversation and the sampling.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from lictor.artifacts import fingerprint
from lictor.errors import ArtifactError
from lictor.types import ChatModel, Conversation, Sampling


class CompletionStore:
    """An append-only SQLite file of completions by key; each `put` is durable before it returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS completion (key TEXT PRIMARY KEY, text TEXT NOT NULL)")
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

    def complete(self, conversations: Sequence[Conversation], sampling: Sequence[Sampling]) -> list[str]:
        """Answers in the order asked; only those not in the store are generated, once each."""
        keys = [_key(self.name, c, s) for c, s in zip(conversations, sampling, strict=True)]
        known = {key: text for key in set(keys) if (text := self._store.get(key)) is not None}
        missing = {key: i for i, key in reversed(list(enumerate(keys))) if key not in known}
        if missing:
            at = sorted(missing.values())
            made = self._model.complete([conversations[i] for i in at], [sampling[i] for i in at])
            fresh = {keys[i]: text for i, text in zip(at, made, strict=True)}
            self._store.put(list(fresh.items()))
            self.paid += len(fresh)
            known |= fresh
        return [known[key] for key in keys]


def _key(name: str, conversation: Conversation, sampling: Sampling) -> str:
    return fingerprint([name, [[m.role, m.content] for m in conversation], asdict(sampling)])
