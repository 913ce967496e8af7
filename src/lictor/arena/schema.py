"""The tables of an arena's database, and how an older database becomes a newer one.

In: a connection. Out: tables of the newest version. The log (`event`) is append-only and chained: the database refuses
to change or delete a line, and each line carries the sha256 of the one before. Words, people and sessions stand apart,
so that they can be erased. Knows no rule of the arena.
"""

import hashlib
from collections.abc import Callable

from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, Text, func, select
from sqlalchemy.sql import text

from lictor.errors import ArtifactError

metadata = MetaData()
event = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("chain", String(64), nullable=False),
)
word = Table(
    "word",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("player", String(64), nullable=False),
    Column("text", Text, nullable=False),
)
person = Table(
    "person",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("folded", String(40), nullable=False, unique=True),
    Column("password", Text, nullable=False),
)
session = Table(
    "session",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("person", String(64), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("expires", Float, nullable=False),
)
version_table = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))
TABLES = (event, word, person, session)
FIRST = "0" * 64


def chain_of(before: str, at: float, actor: str, body: str) -> str:
    """What ties a line of the log to all lines before it."""
    return hashlib.sha256(f"{before}\n{at!r}\n{actor}\n{body}".encode("utf-8", "surrogatepass")).hexdigest()


def migrate(connection: Connection) -> int:
    """Bring the database to the newest version, step by step; returns that version.

    Raises:
        ArtifactError: The database was made by a newer Lictor.
    """
    version_table.create(connection, checkfirst=True)
    found = connection.execute(select(func.max(version_table.c.version))).scalar() or 0
    if found > len(STEPS):
        raise ArtifactError(
            f"this arena's database has version {found}, this Lictor knows up to {len(STEPS)}; use a newer Lictor"
        )
    for number, step in enumerate(STEPS[found:], start=found + 1):
        step(connection)
        connection.execute(version_table.insert().values(version=number))
    return len(STEPS)


def _make_tables(connection: Connection) -> None:
    for table in TABLES:
        table.create(connection, checkfirst=True)


def _forbid_changes(connection: Connection) -> None:
    """The log refuses UPDATE and DELETE."""
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.execute(
                text(
                    f"CREATE TRIGGER event_no_{verb.lower()} BEFORE {verb} ON event "
                    "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
                )
            )
    else:
        connection.execute(
            text(
                "CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE ON event "
                "FOR EACH ROW EXECUTE FUNCTION event_is_append_only()"
            )
        )


def _index_words(connection: Connection) -> None:
    """Find a player's words at once when they ask to have them erased."""
    connection.execute(text("CREATE INDEX IF NOT EXISTS word_player ON word (player)"))


STEPS: tuple[Callable[[Connection], None], ...] = (_make_tables, _forbid_changes, _index_words)
"""Versions 1, 2, ...; a step that was released is never edited."""
