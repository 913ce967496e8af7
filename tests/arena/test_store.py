"""The log stays whole: under races, kills, tampering, erasure, backups and older databases."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from lictor.arena import events as e
from lictor.arena.backup import backup, restore
from lictor.arena.people import (
    close_session,
    erase_person,
    export_person,
    find_session,
    open_session,
    sign_in,
)
from lictor.arena.rounds import Declined, send
from lictor.arena.store import BusyError, Store, Words
from lictor.arena.work import Patience, grade_all
from lictor.errors import ArtifactError

from .small import ALL_OF_Q1, PASSWORD, arena, conversation, hand_in, player, turn


def test_of_two_submissions_at_once_one_is_taken(tmp_path: Path) -> None:
    """Eight threads that submit the same level answer at once leave one submission in the log."""
    made = arena(tmp_path, "levels")
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")
    declined: list[str] = []

    def submit(name: str) -> None:
        try:
            hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1}, name=name, form="level")
        except Declined as refusal:
            declined.append(refusal.reason)

    threads = [threading.Thread(target=submit, args=(f"s{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made.store.read(lambda s: list(s.submissions))) == 1
    assert declined == ["busy"] * 7


def test_two_stores_on_one_database_see_each_other(tmp_path: Path) -> None:
    """What one process writes decides what another one may, and their numbers never collide."""
    made = arena(tmp_path)
    other = Store(made.store.url)
    ada = player(made)
    other.change(ada, lambda _: [e.Opened(conversation="c1", player=ada)])
    made.store.change(ada, lambda _: [e.Opened(conversation="c2", player=ada)])

    assert other.read(lambda s: sorted(s.conversations)) == ["c1", "c2"]
    assert [entry.seq for entry in other.entries()] == list(range(1, other.verify() + 1))


def test_a_locked_database_says_busy_and_loses_nothing(tmp_path: Path) -> None:
    """While somebody else holds the database a change fails as busy; afterwards the same change succeeds."""
    made = arena(tmp_path)
    ada = player(made)
    impatient = Store(made.store.url, wait_s=0.05)
    with made.store.transaction(write=True), pytest.raises(BusyError, match="try again"):
        impatient.change(ada, lambda _: [e.Opened(conversation="c1", player=ada)])

    impatient.change(ada, lambda _: [e.Opened(conversation="c1", player=ada)])

    assert made.store.read(lambda s: list(s.conversations)) == ["c1"]


def test_words_and_events_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    """A change whose words can't be written leaves no event behind."""
    made = arena(tmp_path)
    ada = player(made)
    before = made.store.verify()
    twice = [Words("x/sent", 0, ada, "a"), Words("x/sent", 0, ada, "b")]

    with pytest.raises(SQLAlchemyError):
        made.store.change(ada, lambda _: [e.Opened(conversation="c1", player=ada)], words=twice)

    assert made.store.verify() == before
    assert made.store.words("x/sent") == ""


def test_the_database_refuses_to_change_the_log(tmp_path: Path) -> None:
    """A line of the log can be neither updated nor deleted, and one altered behind its back breaks the chain."""
    made = arena(tmp_path)
    engine = create_engine(made.store.url)
    for statement in ("UPDATE event SET actor = 'x'", "DELETE FROM event"):
        with engine.begin() as connection, pytest.raises(SQLAlchemyError, match="append-only"):
            connection.execute(text(statement))

    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER event_no_update"))
        connection.execute(text("UPDATE event SET actor = 'x' WHERE seq = 2"))
    with pytest.raises(ArtifactError, match="line 2"):
        made.store.verify()


def test_an_older_database_is_brought_up_to_date(tmp_path: Path) -> None:
    """A database of version 1 gains what later versions have and keeps its lines; a newer one is refused."""
    made = arena(tmp_path)
    lines = made.store.verify()
    engine = create_engine(made.store.url)
    with engine.begin() as connection:
        for statement in (
            "DROP TRIGGER event_no_update",
            "DROP TRIGGER event_no_delete",
            "DROP INDEX word_player",
            "DELETE FROM schema_version WHERE version > 1",
        ):
            connection.execute(text(statement))

    assert Store(made.store.url).verify() == lines
    with engine.begin() as connection, pytest.raises(SQLAlchemyError, match="append-only"):
        connection.execute(text("DELETE FROM event"))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO schema_version VALUES (99)"))
    with pytest.raises(ArtifactError, match="newer"):
        Store(made.store.url)


def test_a_backup_restores_everything_but_sessions(tmp_path: Path) -> None:
    """A restored arena has the same log, words and accounts; a cut backup or a used database is refused."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "How is the pot charged?")
    hand_in(made, ada, (talk,), {"q1": ALL_OF_Q1})
    grade_all(made, Patience())
    file = tmp_path / "backup.gz"
    rows = backup(made.store, file)

    copy = Store(str(tmp_path / "copy.db"))
    assert restore(copy, file) == rows
    assert copy.entries() == made.store.entries()
    assert copy.words("s1/q1") == ALL_OF_Q1
    assert sign_in(copy, "ada", PASSWORD) == ada
    with pytest.raises(ArtifactError, match="empty"):
        restore(copy, file)

    file.write_bytes(file.read_bytes()[:-40])
    third = Store(str(tmp_path / "third.db"))
    with pytest.raises(ArtifactError, match="whole backup"):
        restore(third, file)
    assert third.entries() == []


def test_a_person_is_fetched_and_erased(tmp_path: Path) -> None:
    """An export holds a player's words; after erasure no word, name or session of theirs is left, but the log is."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")
    turn(made, ada, talk, "a personal secret")
    token = open_session(made.store, ada)
    assert "a personal secret" in str(export_person(made.store, ada))
    lines = made.store.verify()

    erase_person(made.store, ada, actor=ada)

    assert "a personal secret" not in str(export_person(made.store, ada))
    assert find_session(made.store, token) is None
    assert sign_in(made.store, "Ada", PASSWORD) is None
    assert made.store.verify() == lines + 1
    assert b"a personal secret" not in str(made.store.entries()).encode()


def test_sessions_and_passwords(tmp_path: Path) -> None:
    """A session lasts until it is closed or its time is over; a wrong password or name signs nobody in."""
    made = arena(tmp_path)
    ada = player(made)
    assert sign_in(made.store, " ada ", PASSWORD) == ada
    assert sign_in(made.store, "Ada", "wrong password") is None
    assert sign_in(made.store, "Nobody", PASSWORD) is None

    token = open_session(made.store, ada)
    found = find_session(made.store, token)
    assert found is not None
    assert (found.person, found.name, found.role) == (ada, "Ada", "player")
    close_session(made.store, token)
    assert find_session(made.store, token) is None
    assert find_session(made.store, "guess") is None


def test_a_full_disk_says_busy_and_loses_nothing(tmp_path: Path) -> None:
    """When the database can't grow, writers are told to try again; with room, everything that was told is there."""
    made = arena(tmp_path)
    ada = player(made)
    talk = conversation(made, ada, "c1")

    def fill(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    made.store.change("cli", lambda _: [], also=fill)
    with pytest.raises(BusyError, match="full"):
        for _ in range(100):
            made.store.write_words([Words("x/delivered", secrets.randbelow(10**9), ada, "word " * 2000)])
    made.store.close()  # the limit belongs to the connection

    revived = Store(made.store.url)
    assert revived.verify() == made.store.read(lambda s: s.seq)
    revived.change(ada, lambda s: send(s, player=ada, conversation=talk, turn="t", chars=1, now=0.0))
    assert revived.read(lambda s: list(s.turns)) == ["t"]


def test_streams_that_wait_for_one_another_are_all_kept(tmp_path: Path) -> None:
    """Words of many streams at once, written together, are all there when each has been told so."""
    store = Store(str(tmp_path / "a.db"))

    def write(stream: int) -> None:
        for n in range(20):
            store.write_words([Words(f"t{stream}/delivered", n, "p", f"{n} ")])
            assert store.words(f"t{stream}/delivered").endswith(f"{n} ")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(12)))

    whole = "".join(f"{n} " for n in range(20))
    assert set(store.words_of([f"t{stream}/delivered" for stream in range(12)]).values()) == {whole}
