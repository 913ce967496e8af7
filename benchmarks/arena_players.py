"""Let hundreds of scripted players loose on a served arena, kill it three times, and recount what it reports.

In: a guard folder (or none), how many players and messages. Out: one JSON object: what the players did and saw, what
the arena reports, and every difference between players, report and raw log; exit code 1 when there is one. The players
behave in ten ways over real HTTP against the worst-case target, round after round until enough was said or the time
is up. With `--record` the figures go into docs/results.json.

    python benchmarks/arena_players.py --guard demo/guard --players 300 --messages 10000 --minutes 9
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
from pathlib import Path
from typing import Any

import httpx2 as httpx
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
    """`lictor arena serve` in a process of its own, on one port; it can be killed and started again."""

    def __init__(self, database: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        start = "from lictor.cli.main import app; app()"
        self._command = [sys.executable, "-c", start, "arena", "serve", database, "--port", str(port)]
        self._command += ["--sign-ups", "100000"]
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

    def __init__(self, players: list[Player], messages: int, until: float) -> None:
        self._waiting: queue.SimpleQueue[Player] = queue.SimpleQueue()
        self._players, self._messages, self._until = players, messages, until
        for player in players:
            self._waiting.put(player)
        self._rounds = 0

    def said(self) -> int:
        """Messages that were taken so far."""
        return sum(len(player.tally.seen) for player in self._players)

    def is_over(self) -> bool:
        """Whether every player had a round, and enough was said or the time is up."""
        enough = self.said() >= self._messages or time.monotonic() > self._until
        return enough and self._rounds >= len(self._players)

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
            self._rounds += 1
            try:
                if not player.csrf:
                    player.join()
                BEHAVIOURS[player.tally.behaviour](player)
            except (httpx.HTTPError, KeyError, ValueError, TimeoutError) as error:
                player.tally.failures.append(repr(error))
            self._waiting.put(player)


def main() -> int:
    """Run the players, recount, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--guard", default="", help="folder of the guard; none without it")
    parser.add_argument("--players", type=int, default=300)
    parser.add_argument("--messages", type=int, default=10_000, help="stop when so many were taken")
    parser.add_argument("--minutes", type=float, default=9.0, help="stop after so long")
    parser.add_argument("--at-once", type=int, default=60, help="players who play at the same time")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--record", type=Path, help="results file to put the figures into")
    args = parser.parse_args()
    domain = load(resolve(DOMAIN, Path.cwd()))
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "arena.db"
        contest, secret = prepare(str(database), args.guard)
        served = Served(str(database))
        ways = list(BEHAVIOURS)
        players = [Player(served.address, n, ways[n % len(ways)], domain, contest) for n in range(args.players)]
        started = time.monotonic()
        crowd = Crowd(players, args.messages, started + args.minutes * 60)
        killer = threading.Thread(target=kill_now_and_then, args=(served, crowd, args.kills, args.messages))
        killer.start()
        crowd.play(args.at_once)
        killer.join()
        seconds = time.monotonic() - started
        report = wait_for_report(served.address, secret)
        served.stop()
        log = read_log(database)
        tallies = [player.tally for player in players]
        wrong = [*compare(log, report), *losses(database, log, tallies)]
        figures = measured(log, report, tallies, lost=len(wrong), seconds=seconds, kills=args.kills)
        print(json.dumps(summary(tallies, report, figures, wrong), indent=2))
    if args.record and not wrong:
        record(args.record, figures, f"python benchmarks/arena_players.py --players {args.players} --guard GUARD")
    return 1 if wrong else 0


def prepare(database: str, guard: str, *, messages_per_minute: int = 10) -> tuple[Contest, str]:
    """A bounty arena in `database`, and an organiser's invitation."""
    limits = Limits(messages_per_minute=messages_per_minute, submissions_per_hour=1000, reports=1000)
    contest = set_up(DOMAIN, title="Scripted players", mode="bounty", guard=guard)
    contest = contest.model_copy(update={"invited_only": False, "limits": limits})
    store = Store(database)
    store.change("cli", lambda s: create(s, contest))
    store.change("cli", lambda s: set_phase(s, "open"))
    secret = invite(store, role="organiser", label="benchmark", actor="cli")
    store.close()
    return contest, secret


def kill_now_and_then(served: Served, crowd: Crowd, kills: int, messages: int) -> None:
    """Kill the server whenever another part of the messages was taken, and start it again."""
    for number in range(1, kills + 1):
        while crowd.said() < messages * number / (kills + 1) and not crowd.is_over():
            time.sleep(0.2)
        time.sleep(random.random())
        served.kill()
        served.start()


def wait_for_report(address: str, secret: str) -> dict[str, Any]:
    """The arena's own report, once every turn has ended and every answer is graded."""
    with httpx.Client(base_url=address, timeout=120, follow_redirects=True) as host:
        page = host.get("/join").text
        csrf = re.search(r'name="csrf" content="([^"]*)"', page)
        form = {"csrf": csrf[1] if csrf else "", "name": "Host", "password": PASSWORD, "terms": "1"}
        host.post("/join", data=form | {"invitation": secret})
        report: dict[str, Any] = {}
        for _ in range(600):
            report = host.get("/host/report.json").json()
            counts = re.search(r"Waiting for a verdict</dt><dd>(\d+)", host.get("/host").text)
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
    tallies: list[Tally],
    *,
    lost: int,
    seconds: float,
    kills: int,
) -> list[Figure]:
    """The figures worth keeping."""
    kinds = Counter(row["kind"] for row in log)
    checked = sum(len(tally.seen) + len(tally.submitted) for tally in tallies)
    by_name = {row["name"]: row for row in report["figures"]}
    kept = ("active_players", "blocked", "answers/half", "leaked_before_stop/any", "leaked_before_stop/mean")
    kept = (*kept, "high_risk_per_thousand_queries", "universal/half", "most_of_one_report/half")
    figures = [
        Figure(f"{GROUP}/{name}", row["value"], row["low"], row["high"], row["n"], row["unit"])
        for name in kept
        if (row := by_name[name])["high"] is not None
    ]
    counts = {"players": len(tallies), "chats": kinds["opened"], "messages": kinds["sent"], "server_kills": kills}
    figures += [Figure(f"{GROUP}/{name}", n, n, n, n, "count") for name, n in counts.items()]
    figures.append(Figure(f"{GROUP}/lost_or_different", lost / checked, *exact(lost, checked), checked, "share"))
    rate = kinds["sent"] / seconds
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
