"""Let hundreds of scripted players loose on a served arena, kill it three times, and recount what it reports.

In: a guard folder, or a project whose bag of words guards (or neither); how many players and chats. Out: one JSON
object: what the players did and saw, what the arena reports, and every difference between players, report and raw log;
exit code 1 when there is one. A chat is a conversation in which something was said. The players behave in ten ways
over real HTTP against the worst-case target, round after round until there were enough chats or the time is up. With
`--database` a later run goes on where this one ends, and its figures are of all runs together. With `--record` the
figures go into docs/results.json.

    python benchmarks/arena_players.py --guard demo/guard --players 300 --chats 10000 --minutes 9
    python benchmarks/arena_players.py --bag-of-words demo --players 300 --chats 10000 --minutes 9
"""

import argparse
import json
import queue
import random
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
from arena_baseline import make
from arena_recount import compare, read_log
from arena_script import BEHAVIOURS, PASSWORD, Player, Tally

from lictor.arena.arena import set_up
from lictor.arena.contest import Contest, Limits
from lictor.arena.people import invite
from lictor.arena.rounds import create, set_phase
from lictor.arena.store import Store
from lictor.calibration.intervals import exact
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import load
from lictor.evaluation.results import record
from lictor.starter.folders import resolve

DOMAIN = "starter:emberglass"
GROUP = "arena"


class Served:
    """`lictor arena serve` in a process of its own, on one port; it can be killed and started again.

    With `bag`, a file of arena_baseline.py, that bag of words guards.
    """

    def __init__(self, database: str, bag: Path | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        start = "from lictor.cli.main import app; app()"
        self._command = [sys.executable, "-c", start, "arena", "serve", database, "--port", str(port)]
        self._command += ["--sign-ups", "100000"]
        if bag is not None:
            script = Path(__file__).with_name("arena_baseline.py")
            self._command = [sys.executable, str(script), database, str(port), str(bag)]
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(self._command)  # noqa: S603 - our own command
        for _ in range(1200):
            try:
                httpx.get(f"{self.address}/healthz")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise RuntimeError("the arena did not start within two minutes")

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        self._process.terminate()
        self._process.wait(30)


class Crowd:
    """Players who take turns on a number of connections, each in one round at a time."""

    def __init__(self, players: list[Player], chats: int, seconds: float) -> None:
        self._waiting: queue.SimpleQueue[Player] = queue.SimpleQueue()
        self._players, self._chats, self._seconds = players, max(1, chats), seconds
        self._started = time.monotonic()
        for player in players:
            self._waiting.put(player)
        self.rounds = 0

    def progress(self) -> float:
        """Share of the chats that were had, or of the time that is up, whichever is more."""
        begun = sum(len(player.tally.talks) for player in self._players)
        return max(begun / self._chats, (time.monotonic() - self._started) / self._seconds)

    def is_over(self) -> bool:
        """Whether there were enough chats, or the time is up."""
        return self.progress() >= 1

    def play(self, at_once: int) -> None:
        """Play until it is over."""
        connections = [threading.Thread(target=self._connection) for _ in range(at_once)]
        for one in connections:
            one.start()
        for one in connections:
            one.join()

    def _connection(self) -> None:
        while not self.is_over():
            player = self._waiting.get()
            self.rounds += 1
            try:
                if not player.csrf:
                    player.join()
                BEHAVIOURS[player.tally.behaviour](player)
            except (httpx.HTTPError, KeyError, ValueError, TimeoutError) as error:
                player.tally.failures.append(repr(error))
            self._waiting.put(player)


@dataclass
class Sitting:
    """One run of the players on an arena; several may follow one another on one database."""

    seconds: float
    kills: int
    rounds: int
    """How often a player's turn came; the next sitting begins with whose turn is next."""
    messages: int = 0
    checked: int = 0
    """What players were shown or told, and was looked for in the database."""
    lost: int = 0


def sittings_of(database: Path, last: Sitting | None = None) -> list[Sitting]:
    """All sittings on a database; `last` is noted beside it."""
    notes = database.with_suffix(".sittings.jsonl")
    if last is not None:
        with notes.open("a") as out:
            out.write(json.dumps(asdict(last)) + "\n")
    return [Sitting(**json.loads(line)) for line in notes.read_text().splitlines()] if notes.exists() else []


def messages_in(log: list[Mapping[str, Any]]) -> int:
    """Messages that were taken."""
    return sum(row["kind"] == "sent" for row in log)


def chats_in(log: list[Mapping[str, Any]]) -> int:
    """Conversations in which something was said."""
    return len({row["conversation"] for row in log if row["kind"] == "sent"})


def main() -> int:
    """Run the players, recount, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    behind = parser.add_mutually_exclusive_group()
    behind.add_argument("--guard", default="", help="folder of the guard")
    behind.add_argument("--bag-of-words", type=Path, help="a project that was run; a bag of words of its data guards")
    parser.add_argument("--players", type=int, default=300)
    parser.add_argument("--chats", type=int, default=10_000, help="stop when so many were begun")
    parser.add_argument("--minutes", type=float, default=9.0, help="stop after so long")
    parser.add_argument("--at-once", type=int, default=60, help="players who play at the same time")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--database", type=Path, help="file of an arena to go on with, or to begin; it is kept")
    parser.add_argument("--record", type=Path, help="results file to put the figures into")
    args = parser.parse_args()
    domain = load(resolve(DOMAIN, Path.cwd()))
    with tempfile.TemporaryDirectory() as folder:
        database = args.database or Path(folder) / "arena.db"
        contest, secret = prepare(str(database), args.guard)
        bag = Path(folder) / "bag.pickle" if args.bag_of_words else None
        if bag is not None:
            make(args.bag_of_words, bag)
        served = Served(str(database), bag)
        ways = list(BEHAVIOURS)
        before = read_log(database)
        players = [
            Player(served.address, n, ways[n % len(ways)], domain, contest, seed=len(before))
            for n in range(args.players)
        ]
        first = sum(one.rounds for one in sittings_of(database)) % args.players
        started = time.monotonic()
        crowd = Crowd([*players[first:], *players[:first]], args.chats - chats_in(before), args.minutes * 60)
        killer = threading.Thread(target=kill_now_and_then, args=(served, crowd, args.kills))
        killer.start()
        crowd.play(args.at_once)
        killer.join()
        sitting = Sitting(time.monotonic() - started, args.kills, crowd.rounds)
        report = wait_for_report(served.address, secret)
        served.stop()
        log = read_log(database)
        tallies = [player.tally for player in players]
        wrong = [*compare(log, report), *losses(database, log, tallies)]
        sitting.checked = sum(len(tally.seen) + len(tally.submitted) for tally in tallies)
        sitting.lost, sitting.messages = len(wrong), messages_in(log) - messages_in(before)
        figures = measured(log, report, sittings_of(database, sitting))
        if bag is not None:
            figures = [replace(one, name=one.name.replace(GROUP, f"{GROUP}/bag_of_words", 1)) for one in figures]
        print(json.dumps(summary(tallies, report, figures, wrong), indent=2))
    if args.record and not wrong:
        behind_it = "--bag-of-words demo" if args.bag_of_words else "--guard demo/guard"
        record(args.record, figures, f"python benchmarks/arena_players.py --players {args.players} {behind_it}")
    return 1 if wrong else 0


def prepare(database: str, guard: str, *, messages_per_minute: int = 10) -> tuple[Contest, str]:
    """The bounty arena in `database`, begun there if there is none, and an organiser's invitation."""
    limits = Limits(messages_per_minute=messages_per_minute, submissions_per_hour=1000, reports=1000)
    store = Store(database)
    found = store.read(lambda s: s.contest)
    contest = found or set_up(DOMAIN, title="Scripted players", mode="bounty", guard=guard)
    if found is None:
        contest = contest.model_copy(update={"invited_only": False, "limits": limits})
        store.change("cli", lambda s: create(s, contest))
        store.change("cli", lambda s: set_phase(s, "open"))
    secret = invite(store, role="organiser", label="benchmark", actor="cli")
    store.close()
    return contest, secret


def kill_now_and_then(served: Served, crowd: Crowd, kills: int) -> None:
    """Kill the server whenever another part of the game was played, and start it again."""
    for number in range(1, kills + 1):
        while crowd.progress() < number / (kills + 1):
            time.sleep(0.2)
        time.sleep(random.random())
        served.kill()
        served.start()


def wait_for_report(address: str, secret: str) -> dict[str, Any]:
    """The arena's own report, once every turn has ended and every answer is graded."""
    with httpx.Client(base_url=address, timeout=120, follow_redirects=True) as host:
        page = host.get("/join").text
        csrf = re.search(r'name="csrf" content="([^"]*)"', page)
        form = {"csrf": csrf[1] if csrf else "", "name": f"Host {secret[:8]}", "password": PASSWORD, "terms": "1"}
        host.post("/join", data=form | {"invitation": secret})
        report: dict[str, Any] = {}
        for _ in range(600):
            # The report last: a verdict that comes between the two would be in the log, and not in it.
            counts = re.search(r"Waiting for a verdict</dt><dd>(\d+)", host.get("/host").text)
            report = host.get("/host/report.json").json()
            if counts is not None and counts[1] == "0" and "running" not in report["outcomes"]:
                break
            time.sleep(1)
        return report


def losses(database: Path, log: list[Mapping[str, Any]], tallies: list[Tally]) -> list[str]:
    """What a player was shown or told and the database does not hold, and what it holds twice or without an end."""
    said = dict[str, str]()
    with sqlite3.connect(database) as raw:
        for name, text in raw.execute("SELECT name, text FROM word ORDER BY name, n"):
            said[name] = said.get(name, "") + text
    ends = {row["turn"]: row["outcome"] for row in log if row["kind"] == "answered"}
    sent = [row["turn"] for row in log if row["kind"] == "sent"]
    submitted = {row["submission"]: row for row in log if row["kind"] == "submitted"}
    grades = Counter((row["submission"], row["question"]) for row in log if row["kind"] == "graded")
    wanted = {(name, question) for name, row in submitted.items() for question in row["questions"]}
    found = [f"turn {turn} has no end" for turn in sent if turn not in ends]
    found += [f"{name} {question}: graded {n} times" for (name, question), n in grades.items() if n != 1]
    found += [f"{name} {question}: not graded" for name, question in wanted - set(grades)]
    for tally in tallies:
        found += [f"{tally.name}: {failure}" for failure in tally.failures]
        found += [f"{tally.name}: submission {name} is lost" for name in tally.submitted - set(submitted)]
        for turn, text in tally.seen.items():
            kept = said.get(f"{turn}/delivered", "")
            if not kept.startswith(text) or (turn in tally.ended and kept != text):
                found.append(f"{tally.name}: turn {turn} was shown otherwise than it was kept")
            if turn in tally.ended and ends.get(turn) != tally.ended[turn]:
                found.append(f"{tally.name}: turn {turn} ended otherwise than it was told")
    return found


def measured(
    log: list[Mapping[str, Any]],
    report: Mapping[str, Any],
    sittings: list[Sitting],
) -> list[Figure]:
    """The figures worth keeping."""
    checked, lost = sum(one.checked for one in sittings), sum(one.lost for one in sittings)
    by_name = {row["name"]: row for row in report["figures"]}
    kept = ("active_players", "blocked", "answers/half", "leaked_before_stop/any", "leaked_before_stop/mean")
    kept = (*kept, "high_risk_per_thousand_queries", "universal/half", "most_of_one_report/half")
    figures = [
        Figure(f"{GROUP}/{name}", row["value"], row["low"], row["high"], row["n"], row["unit"])
        for name in kept
        if (row := by_name[name])["high"] is not None
    ]
    messages, kills = messages_in(log), sum(one.kills for one in sittings)
    players = sum(row["kind"] == "joined" and row["role"] == "player" for row in log)
    counts = {"players": players, "chats": chats_in(log), "messages": messages, "server_kills": kills}
    figures += [Figure(f"{GROUP}/{name}", n, n, n, n, "count") for name, n in counts.items()]
    figures.append(Figure(f"{GROUP}/lost_or_different", lost / checked, *exact(lost, checked), checked, "share"))
    rate = sum(one.messages for one in sittings) / sum(one.seconds for one in sittings)
    return [*figures, Figure(f"{GROUP}/messages_per_second", rate, rate, rate, 1, "per second")]


def summary(
    tallies: list[Tally], report: Mapping[str, Any], figures: list[Figure], wrong: list[str]
) -> dict[str, object]:
    """What is printed."""
    declined = sum((tally.declined for tally in tallies), Counter[str]())
    return {
        "figures": {figure.name: [figure.value, figure.low, figure.high, figure.n] for figure in figures},
        "outcomes": report["outcomes"],
        "declined": dict(declined),
        "requests_cut_by_kills": sum(tally.cut for tally in tallies),
        "differences": wrong[:50],
    }


if __name__ == "__main__":
    sys.exit(main())
