"""The same store on PostgreSQL, where `LICTOR_TEST_POSTGRES` names an empty database that may be filled."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from lictor.arena.backup import backup, restore
from lictor.arena.rounds import Declined, create, set_phase
from lictor.arena.store import Store
from lictor.arena.work import Patience, grade_all

from .small import ALL_OF_Q1, arena, contest, conversation, hand_in, player, turn

URL = os.environ.get("LICTOR_TEST_POSTGRES", "")
pytestmark = pytest.mark.skipif(not URL, reason="LICTOR_TEST_POSTGRES names no database")


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in an emptied database."""
    engine = create_engine(URL)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    made = Store(URL)
    yield made
    made.close()


def test_an_arena_is_played_raced_and_moved(store: Store, tmp_path: Path) -> None:
    """Turns, grading, races and the append-only log hold as on SQLite, and a backup moves there."""
    made = replace(arena(tmp_path, "levels"), store=store)
    store.change("cli", lambda s: create(s, contest("levels")))
    store.change("cli", lambda s: set_phase(s, "open"))
    ada = player(made)
    talk = conversation(made, ada, "c1")
    assert turn(made, ada, talk, "How is the pot charged?")[0] == ALL_OF_Q1
    with pytest.raises(Declined, match="taken"):
        player(made, "ADA")
    others = [Store(URL) for _ in range(4)]
    declined: list[str] = []

    def submit(number: int) -> None:
        try:
            hand_in(
                replace(made, store=others[number]), ada, (talk,), {"q1": ALL_OF_Q1}, name=f"s{number}", form="level"
            )
        except Declined as refusal:
            declined.append(refusal.reason)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert grade_all(made, Patience()) == 1

    rows = backup(store, tmp_path / "b.gz")
    copy = Store(str(tmp_path / "copy.db"))
    engine = create_engine(URL)
    with engine.begin() as connection, pytest.raises(SQLAlchemyError, match="append-only"):
        connection.execute(text("DELETE FROM event"))
    engine.dispose()

    assert declined == ["busy"] * 3
    assert restore(copy, tmp_path / "b.gz") == rows
    assert copy.verify() == store.verify()
