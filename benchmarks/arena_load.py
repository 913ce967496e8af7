"""Find how many players can talk at once before a page or the start of an answer takes more than a second.

In: `sqlite` or `postgres` (Debian's package, started here in a folder of its own), and a guard folder or none. Out: for
every number of players the 95th percentile of a page and of the first word after a message; the highest number at
which both stay under a second. Each player sends a message, reads the answer to its end, loads the first page, thinks
two seconds, and goes on. Server, database and players share the machine.

    python benchmarks/arena_load.py --database postgres --players 20 40 80 160
"""

import argparse
import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import numpy as np
from arena_players import DOMAIN, Served, prepare
from arena_script import STREAMING, Player

from lictor.arena.contest import Contest
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import Domain, load
from lictor.evaluation.results import record
from lictor.starter.folders import resolve

GROUP = "arena_load"
THINK_S, LIMIT_S = 2.0, 1.0
POSTGRES = Path("/usr/lib/postgresql")


@dataclass
class Times:
    """Seconds of one step, of all players."""

    pages: list[float] = field(default_factory=list[float])
    starts: list[float] = field(default_factory=list[float])
    failures: int = 0

    def p95(self, of: list[float]) -> float:
        """The 95th percentile; infinite where nothing was answered."""
        return float(np.quantile(of, 0.95)) if of else float("inf")


def talk_for(player: Player, until: float, times: Times) -> None:
    """One player's messages and pages until the time is up."""
    talk, topics = player.open(), [row.topic for row in player.domain.ordinary]
    while time.monotonic() < until:
        data = {"csrf": player.csrf, "text": f"Tell me about {player.rng.choice(topics)}."}
        sent = time.monotonic()
        try:
            with player.http.stream("POST", f"/talks/{talk}", data=data, headers=STREAMING) as response:
                lines = (line for line in response.iter_lines() if line in ("event: text", "event: end"))
                if response.status_code != 200 or next(lines, None) is None:
                    talk = player.open()
                    continue
                times.starts.append(time.monotonic() - sent)
                for _ in lines:
                    pass
            asked = time.monotonic()
            player.http.get("/").raise_for_status()
            times.pages.append(time.monotonic() - asked)
        except httpx.HTTPError:
            times.failures += 1
        time.sleep(THINK_S)


def step(served: Served, players: list[Player], seconds: float) -> Times:
    """All of `players` at once for some seconds."""
    times, until = Times(), time.monotonic() + seconds
    threads = [threading.Thread(target=talk_for, args=(player, until, times)) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


@contextmanager
def postgres(folder: Path) -> Generator[str]:
    """A new PostgreSQL server on a socket in `folder`, as a user that is not root; gives the address of a database."""
    tools = max(POSTGRES.glob("*/bin"), key=lambda path: int(path.parent.name))
    is_root = os.geteuid() == 0
    as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if is_root else []
    if is_root:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    data = str(folder / "data")
    run = [*as_user, str(tools / "initdb"), "-D", data, "-U", "lictor", "--auth", "trust", "--no-instructions"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - Debian's own tools
    port = str(20_000 + secrets.randbelow(20_000))
    server = subprocess.Popen(  # noqa: S603 - Debian's own tools
        [*as_user, str(tools / "postgres"), "-D", data, "-k", str(folder), "-p", port, "-c", "listen_addresses="]
    )
    try:
        for _ in range(300):
            asked = [str(tools / "pg_isready"), "-q", "-h", str(folder), "-p", port]
            if subprocess.run(asked, check=False).returncode == 0:  # noqa: S603 - Debian's own tools
                break
            time.sleep(0.1)
        yield f"postgresql+psycopg://lictor@/postgres?host={folder}&port={port}"
    finally:
        server.terminate()
        server.wait(30)


def measure(address: str, guard: str, counts: list[int], seconds: float) -> tuple[list[dict[str, float]], int]:
    """Each step's figures, and the highest number of players whose step stayed under the limit."""
    contest, _ = prepare(address, guard, messages_per_minute=1000)
    domain = load(resolve(DOMAIN, Path.cwd()))
    served, rows, best = Served(address), list[dict[str, float]](), 0
    try:
        players = joined(served, max(counts), domain, contest)
        for count in counts:
            times = step(served, players[:count], seconds)
            page, start = times.p95(times.pages), times.p95(times.starts)
            rows.append({
                "players": count, "page_p95_s": page, "start_p95_s": start,
                "messages": len(times.starts), "failures": times.failures,
            })  # fmt: skip
            print(json.dumps(rows[-1]), file=sys.stderr)
            if max(page, start) >= LIMIT_S or times.failures:
                break
            best = count
    finally:
        served.stop()
    return rows, best


def joined(served: Served, count: int, domain: Domain, contest: Contest) -> list[Player]:
    """Players with accounts."""
    players = [Player(served.address, number, "load", domain, contest) for number in range(count)]
    for player in players:
        player.join()
    return players


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--guard", default="", help="folder of the guard; none without it")
    parser.add_argument("--players", type=int, nargs="+", default=[20, 40, 80, 120, 160])
    parser.add_argument("--seconds", type=float, default=20.0, help="of every step")
    parser.add_argument("--record", type=Path, help="results file to put the figures into")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lictor-load-"))
    try:
        if args.database == "postgres":
            with postgres(folder) as address:
                rows, best = measure(address, args.guard, args.players, args.seconds)
        else:
            rows, best = measure(str(folder / "arena.db"), args.guard, args.players, args.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"database": args.database, "steps": rows, "players_under_a_second": best}, indent=2))
    if args.record:
        made = [(f"players_under_a_second/{args.database}", float(best), "players")]
        under = next((row for row in rows if row["players"] == best), rows[0])
        made += [(f"{name}/{args.database}", under[name], "s") for name in ("page_p95_s", "start_p95_s")]
        figures = [Figure(f"{GROUP}/{name}", value, value, value, 1, unit) for name, value, unit in made]
        record(args.record, figures, f"python benchmarks/arena_load.py --database {args.database}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
