"""A real server is killed, raced and locked out: nothing is lost, graded twice or skipped."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from lictor.arena.standing import level_of
from lictor.arena.state import State
from lictor.arena.store import Store

from .served import Browser, Place
from .small import ALL_OF_Q1, PASSWORD

KILLED = 0
SCRIPT = Path(__file__).parent / "slow_server.py"


@contextmanager
def killable(database: Path) -> Generator[tuple[Place, Callable[[], None]]]:
    """A server in a process of its own, and what kills it at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(database), str(port)])  # noqa: S603 - our own script
    place = Place(f"http://127.0.0.1:{port}")

    def kill() -> None:
        process.kill()
        process.wait()

    try:
        for _ in range(200):
            try:
                httpx.get(f"{place.address}/healthz")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield place, kill
    finally:
        for client in place.clients:
            client.close()
        kill()


def look(database: Path) -> tuple[State, list[str]]:
    """Where the log stands, and the kinds of its lines; the chain is checked."""
    store = Store(str(database))
    store.verify()
    state, kinds = store.read(lambda s: s), [entry.event.kind for entry in store.entries()]
    store.close()
    return state, kinds


def listen(place: Place, ada: Browser, talk: str, then: Callable[[], None]) -> str:
    """What was streamed of an answer until its first fact, whereupon `then` happens and the connection is dropped."""
    csrf = re.findall(r'name="csrf" content="([^"]*)"', ada.get("/"))[0]
    form = {"csrf": csrf, "text": "How is it charged?"}
    seen = ""
    with (
        httpx.Client(base_url=place.address, cookies=dict(ada.http.cookies)) as tab,
        tab.stream("POST", f"/talks/{talk}", data=form, headers={"accept": "text/event-stream"}) as response,
    ):
        for line in response.iter_lines():
            if line.startswith("data: "):
                seen += httpx.Response(200, content=line[6:]).json().get("text", "")
            if "47 marrows" in seen:
                then()
                break
    return seen


def race(place: Place, ada: Browser, talk: str) -> list[int]:
    """Status codes of six submissions of one level at once; `KILLED` where the server died."""
    csrf = re.findall(r'name="csrf" content="([^"]*)"', ada.get("/"))[0]
    codes: list[int] = []

    def submit(number: int) -> None:
        form = {"csrf": csrf, "submission": f"s{number}", "talk": talk, "answer-q1": ALL_OF_Q1}
        with httpx.Client(base_url=place.address, cookies=dict(ada.http.cookies), timeout=30) as tab:
            try:
                codes.append(tab.post("/submit", data=form).status_code)
            except httpx.TransportError:
                codes.append(KILLED)

    tabs = [threading.Thread(target=submit, args=(number,)) for number in range(6)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    return sorted(codes)


def ended(database: Path, talk: str) -> State:
    """The state once a conversation's last turn has ended."""
    for _ in range(200):
        state, _ = look(database)
        if state.conversations[talk].turns[-1].answer is not None:
            return state
        time.sleep(0.05)
    raise AssertionError("the turn never ended")


def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed while it streams and grades: every word seen is kept, one submission of six is taken and graded once."""
    database = tmp_path / "a.db"
    with killable(database) as (place, kill):
        ada = Browser(place)
        ada.join("Ada")
        first, second = ada.talk(), ada.talk()
        listen(place, ada, first, lambda: None)
        ended(database, first)
        codes = race(place, ada, first)
        seen = listen(place, ada, second, kill)
    assert codes == [303, *[409] * 5]

    with killable(database) as (place, _):
        ada = Browser(place)
        ada.post("/in", "/in", name="Ada", password=PASSWORD)
        page = ada.get(f"/talks/{second}")
        name = re.findall(r'href="/submissions/(\w+)"', ada.get("/"))[0]
        ada.wait(f"/submissions/{name}")
        listen(place, ada, second, lambda: None)
        state, kinds = look(database)

    assert seen.strip() in page
    assert "The answer was cut off when the server stopped." in page
    assert next(turn.answer.facts for turn in state.conversations[second].turns if turn.answer) == ("f1",)
    assert (kinds.count("submitted"), kinds.count("graded")) == (1, 1)
    assert [level_of(state, player) for player in state.players] == [0]  # one fact of four was delivered


@pytest.mark.slow
def test_a_server_killed_while_it_takes_submissions(tmp_path: Path) -> None:
    """Killed among six submissions of one level: what a player was told is kept, and one is graded, once."""
    database = tmp_path / "a.db"
    with killable(database) as (place, kill):
        ada = Browser(place)
        ada.join("Ada")
        talk = ada.talk()
        listen(place, ada, talk, lambda: None)
        ended(database, talk)
        killer = threading.Timer(0.03, kill)
        killer.start()
        told = race(place, ada, talk)
        killer.join()

    with killable(database) as (place, _):
        ada = Browser(place)
        ada.post("/in", "/in", name="Ada", password=PASSWORD)
        again = race(place, ada, talk)
        name = re.findall(r'href="/submissions/(\w+)"', ada.get("/"))[0]
        ada.wait(f"/submissions/{name}")
        _, kinds = look(database)

    assert told.count(303) + again.count(303) <= 2  # the same submission, sent again, leads to its page
    assert again.count(303) == 1
    assert (kinds.count("submitted"), kinds.count("graded")) == (1, 1)


def test_two_tabs_and_a_locked_database(tmp_path: Path) -> None:
    """A second tab is told to wait; while the database is locked players are told to try again, and then can."""
    database = tmp_path / "a.db"
    with killable(database) as (place, _):
        ada = Browser(place)
        ada.join("Ada")
        talk = ada.talk()
        csrf = re.findall(r'name="csrf" content="([^"]*)"', ada.get("/"))[0]
        form = {"csrf": csrf, "text": "How is it charged?"}
        streaming = {"accept": "text/event-stream"}
        with ada.http.stream("POST", f"/talks/{talk}", data=form, headers=streaming) as response:
            next(response.iter_lines())
            second = ada.http.post(f"/talks/{talk}", data=form, headers=streaming)
        holder = Store(str(database))
        with holder.transaction(write=True):
            locked = ada.http.post("/talks", data={"csrf": csrf})
        holder.close()
        freed = ada.http.post("/talks", data={"csrf": csrf})
        state, _kinds = look(database)
        for _ in range(100):
            if all(turn.answer for turn in state.turns.values()):
                break
            time.sleep(0.1)
            state, _kinds = look(database)

    assert (second.status_code, second.json()["reason"]) == (409, "busy")
    assert (locked.status_code, freed.status_code) == (503, 200)
    assert [turn.answer.outcome for turn in state.turns.values() if turn.answer] == ["left"]
    assert len(state.conversations) == 2
