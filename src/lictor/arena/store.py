"""Keep an arena in a database: one append-only log, and the words and people beside it.

In: decisions over a `State`. Out: entries written whole or not at all. Every decision runs inside the write
transaction that logs it, so of two that race the second is decided on what the first wrote. Knows no page and no rule.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, create_engine, make_url, select, text
from sqlalchemy import event as sa_event
from sqlalchemy.engine import Row
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from lictor.arena.events import Entry, Event, codec, to_json
from lictor.arena.schema import FIRST, chain_of, migrate, word
from lictor.arena.schema import event as log
from lictor.arena.state import State, fold
from lictor.errors import ArtifactError, LictorError, UsageError

T = TypeVar("T")
Decide = Callable[[State], Sequence[Event]]
LOCK = 76_105_099_116
"""Key of PostgreSQL's advisory lock; one writer at a time."""


class BusyError(LictorError):
    """The database did not answer in time; nothing was written, and the same call may be made again."""


class Words(NamedTuple):
    """Something written by a player or a model, kept apart from the log."""

    name: str
    n: int
    player: str
    text: str


@dataclass
class _Waiting:
    """Words that wait to be written with those of others."""

    words: Sequence[Words]
    is_written: bool = False
    error: BusyError | None = None


class Store:
    """An arena's database; safe to use from many threads and, on one database, from many processes.

    Args:
        url: `sqlite:///file.db`, `postgresql+psycopg://...`, or a path, which means SQLite.
        clock: Seconds since 1970.
        wait_s: How long a writer waits for another one.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time, wait_s: float = 20.0) -> None:
        self.url = url if "://" in url else f"sqlite:///{url}"
        self._clock = clock
        self._codec = codec()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._state = State()
        self._chain = FIRST
        self._engine = _engine(self.url, wait_s)
        with self.transaction(write=True) as connection:
            migrate(connection)

    def change(
        self,
        actor: str,
        decide: Decide,
        *,
        words: Sequence[Words] = (),
        also: Callable[[Connection], None] | None = None,
    ) -> list[Entry]:
        """Log what `decide` makes of the state now, with the words it speaks of; all of it or nothing.

        Args:
            actor: Who does it.
            decide: Gives the events, or raises; it must not change the state.
            words: What they name.
            also: More to write in the same transaction.

        Raises:
            BusyError: Another writer held the database too long.
        """
        with self._lock, self.transaction(write=True) as connection:
            self._catch_up(connection)
            decided = decide(self._state)
            entries, chain = self._append(connection, actor, decided)
            if words:
                connection.execute(word.insert(), [w._asdict() for w in words])
            if also is not None:
                also(connection)
            connection.commit()
            for entry in entries:
                fold(self._state, entry)
            self._chain = chain
            return entries

    def read(self, look: Callable[[State], T]) -> T:
        """What `look` makes of the state now; it must keep nothing of it that changes."""
        with self._lock:
            with self.transaction() as connection:
                self._catch_up(connection)
            return look(self._state)

    def write_words(self, words: Sequence[Words]) -> None:
        """Keep words of a turn that is still running; durable on return.

        Streams that wait for one another are written in one transaction, by the first whose turn it is.
        """
        mine = _Waiting(words)
        self._waiting.put(mine)
        with self._writing:
            if not mine.is_written:
                self._write_waiting()
        if mine.error is not None:
            raise mine.error

    def _write_waiting(self) -> None:
        batch = [self._waiting.get() for _ in range(self._waiting.qsize())]  # only who holds `_writing` takes any
        try:
            with self._transaction(write=True) as connection:
                connection.execute(word.insert(), [w._asdict() for one in batch for w in one.words])
        except BusyError as error:
            for one in batch:
                one.error = error
        for one in batch:
            one.is_written = True

    def words(self, name: str) -> str:
        """Everything kept under a name, in order; empty where there is nothing, or it was erased."""
        with self.transaction() as connection:
            rows = connection.execute(select(word.c.text).where(word.c.name == name).order_by(word.c.n))
            return "".join(str(row[0]) for row in rows)

    def words_of(self, names: Sequence[str]) -> dict[str, str]:
        """Everything kept under each of `names`."""
        found = dict.fromkeys(names, "")
        with self.transaction() as connection:
            for start in range(0, len(names), 500):
                some = names[start : start + 500]
                query = select(word.c.name, word.c.text).where(word.c.name.in_(some)).order_by(word.c.name, word.c.n)
                for row in connection.execute(query):
                    found[str(row[0])] += str(row[1])
        return found

    def entries(
        self, after: int = 0, limit: int | None = None, *, kinds: Sequence[str] = (), actor: str = ""
    ) -> list[Entry]:
        """Lines of the log after number `after`, oldest first; of some kinds or one actor alone, where given."""
        query = select(log).where(log.c.seq > after).order_by(log.c.seq).limit(limit)
        if kinds:
            query = query.where(log.c.kind.in_(kinds))
        if actor:
            query = query.where(log.c.actor == actor)
        with self.transaction() as connection:
            return [self._entry(row) for row in connection.execute(query)]

    def verify(self) -> int:
        """Lines of the log, each checked against its chain.

        Raises:
            ArtifactError: A line was altered, removed or put in.
        """
        chain, count = FIRST, 0
        with self.transaction() as connection:
            for row in connection.execute(select(log).order_by(log.c.seq)):
                chain, count = chain_of(chain, row.at, row.actor, row.body), count + 1
                if chain != row.chain or row.seq != count:
                    raise ArtifactError(f"{self.shown}: line {row.seq} of the log was altered; restore a backup")
        return count

    @property
    def shown(self) -> str:
        """The database's address without its password."""
        return make_url(self.url).render_as_string(hide_password=True)

    def now(self) -> float:
        """Seconds since 1970, by this store's clock."""
        return self._clock()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def transaction(self, *, write: bool = False) -> Generator[Connection]:
        """A connection in a transaction; what a writer wrote is committed at the end, or not at all.

        Writers of one process queue here: SQLite would let them sleep and try again instead.

        Raises:
            BusyError: The database did not answer in time.
        """
        with self._writing if write else nullcontext(), self._transaction(write=write) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, write: bool) -> Generator[Connection]:
        try:
            with self._engine.connect() as connection:
                connection.execution_options(lictor_write=write)
                connection.begin()
                if write and connection.dialect.name == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                yield connection
                if write and connection.in_transaction():
                    connection.commit()
        except OperationalError as error:
            raise BusyError(
                f"{self.shown}: the database did not answer ({error.orig}); nothing was written, try again"
            ) from error

    def _append(self, connection: Connection, actor: str, events: Sequence[Event]) -> tuple[list[Entry], str]:
        chain, at = self._chain, self._clock()
        entries: list[Entry] = []
        rows: list[Mapping[str, object]] = []
        for number, happened in enumerate(events, start=self._state.seq + 1):
            body = to_json(happened)
            chain = chain_of(chain, at, actor, body)
            entries.append(Entry(number, at, actor, happened))
            rows.append({"seq": number, "at": at, "actor": actor, "kind": happened.kind, "body": body, "chain": chain})
        if rows:
            connection.execute(log.insert(), rows)
        return entries, chain

    def _catch_up(self, connection: Connection) -> None:
        for row in connection.execute(select(log).where(log.c.seq > self._state.seq).order_by(log.c.seq)):
            fold(self._state, self._entry(row))
            self._chain = str(row.chain)

    def _entry(self, row: Row[tuple[object, ...]]) -> Entry:
        return Entry(row.seq, row.at, row.actor, self._codec.validate_json(row.body))


def _engine(url: str, wait_s: float) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True, pool_size=20, max_overflow=40)
        engine = create_engine(parsed, connect_args={"timeout": wait_s}, pool_size=20, max_overflow=40)
    except (ArgumentError, SQLAlchemyError, ImportError) as error:
        raise UsageError(f"expected the address of a database (sqlite:///file.db), got {url!r}: {error}") from error

    @sa_event.listens_for(engine, "connect")
    def on_connect(raw: sqlite3.Connection, _record: object) -> None:  # pyright: ignore[reportUnusedFunction] - registered above
        raw.isolation_level = None
        cursor = raw.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa_event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction] - registered above
        wanted = connection.get_execution_options().get("lictor_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if wanted else "BEGIN")

    return engine
