"""Provoke every fault, many times over, against a real `lictor serve`, and count what comes out.

In: a guard folder. Out: for each fault how often it was tried; tries in which restricted text left (a marker stands
where none may); endings that fit, in the protocol or as a typed error; whether streams, tasks, files and memory are
back; whether the decision log has one row a request. Most tries are of a guard that minds one word, so that there can
be thousands and its scorers can be made to fail (fault_server.py); the rest are of the guard in the folder. Dialect,
streamed or whole, choices, channel, cuts and the place of the fault are drawn anew for every try (fault_cases.py).
With --record the figures go into docs/results.json.

    python benchmarks/faults.py demo/guard --tries 300 --guard-tries 0 --record
    python benchmarks/faults.py demo/guard --tries 0 --guard-tries 8 --record
"""

import argparse
import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import fault_machine as machine
from fault_bench import Row, serving
from fault_cases import CASES, Case

from lictor.calibration.intervals import exact
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record

RESULTS = Path(__file__).parents[1] / "docs" / "results.json"
KILLS = 3
GUARD_SETTINGS = {"LIMITS__SCORE_S": "60", "UPSTREAM__TOTAL_S": "20", "LIMITS__WRITE_S": "2"}
HEAD = "fault", "guard", "tries", "fitting", "leaks", "log wrong", "log torn", "left open", "MB grown", "other endings"


def main() -> None:
    """Run it; exit with 1 where anything leaked, did not fit, or was left."""
    options = _options()
    rows = asyncio.run(_collect(options))
    if options.record:
        command = f"python benchmarks/faults.py GUARD --tries {options.tries} --guard-tries {options.guard_tries}"
        command += f" --only {shlex.join(options.only)}" if options.only else ""
        found = [figure for figure in figures(rows) if not (options.only and figure.name.startswith("faults/all,"))]
        record(RESULTS, found, f"{command} --seed {options.seed}")
    if options.json:
        shown = [{k: v for k, v in asdict(row).items() if k not in {"endings", "begun"}} for row in rows]
        print(json.dumps(shown, indent=2))
    sys.exit(0 if all(is_clean(row) for row in rows) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guard", type=Path, help="guard folder")
    parser.add_argument("--tries", type=int, default=300, help="of each fault, of the guard of one word; 0: none")
    parser.add_argument(
        "--guard-tries", type=int, default=20, help="of each fault, of the guard in the folder; 0: none"
    )
    parser.add_argument("--only", nargs="*", default=[], help="first words of faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--record", action="store_true", help="put the figures into docs/results.json")
    return parser.parse_args()


async def _collect(options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    if not options.json:
        print(_line(HEAD))
    async for row in _run(options):
        rows.append(row)
        if not options.json:
            print(_line(_cells(row)), flush=True)
    return rows


async def _run(options: argparse.Namespace) -> AsyncIterator[Row]:
    """Every row: first of the guard of one word, then of the one in the folder."""
    if options.tries:
        async for row in _of_guard(None, options.tries, options, {}):
            yield row
        if _is_wanted("full disk", options.only):
            for is_required in (False, True):
                yield await machine.full_disk(options.seed, options.tries, is_required=is_required)
        if _is_wanted("clock jumps", options.only):
            yield await machine.jumping_clock(options.seed, options.tries)
    if options.guard_tries:
        async for row in _of_guard(options.guard, options.guard_tries, options, GUARD_SETTINGS):
            yield row


async def _of_guard(
    guard: Path | None, tries: int, options: argparse.Namespace, settings: Mapping[str, str]
) -> AsyncIterator[Row]:
    """The rows that either guard can have."""
    cases = [case for case in CASES if _is_wanted(case.name, options.only) and not (guard and case.needs_words)]
    if cases:
        async with serving(guard, options.seed, settings) as bench:
            for case in cases:
                yield await bench.run(case, _share(tries, case))
    if _is_wanted("no memory", options.only):
        yield await machine.no_memory(guard, options.seed, tries, settings)
    if _is_wanted("SIGKILL", options.only):
        streams, kills = (tries, KILLS) if guard is None else (5 * tries, 1)
        yield await machine.killed(guard, options.seed, streams, kills, settings)


def _is_wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(name.startswith(wanted) for wanted in only)


def _share(tries: int, case: Case) -> int:
    return max(4, round(tries * case.weight))


def is_clean(row: Row) -> bool:
    """Whether nothing leaked, everything ended as it should, and nothing was left."""
    return row.fitting == row.tries and not (row.leaks or row.log_wrong or row.log_torn or row.left_open)


def figures(rows: Sequence[Row]) -> list[Figure]:
    """Fitting endings of each fault; and over all faults of a guard what must never be."""
    found = [_share_of(f"{row.fault}, {row.guard}: fitting endings", row.fitting, row.tries) for row in rows]
    for row in rows:
        if row.open_at_kill:
            count = float(row.open_at_kill)
            name = f"faults/{row.fault}, {row.guard}: streams open when killed"
            found.append(Figure(name, count, count, count, 1, "streams"))
    for guard in sorted({row.guard for row in rows}):
        mine = [row for row in rows if row.guard == guard]
        tries = sum(row.tries for row in mine)
        never = {
            "tries in which restricted text left": (sum(row.leaks for row in mine), tries),
            "requests without their one row in the decision log": (sum(row.log_wrong for row in mine), tries),
            "faults that left streams or files open": (sum(row.left_open > 0 for row in mine), len(mine)),
        }
        found += [_share_of(f"all, {guard}: {name}", *counts) for name, counts in never.items()]
    return found


def _share_of(name: str, hits: int, n: int) -> Figure:
    return Figure(f"faults/{name}", hits / n, *exact(hits, n), n, "share")


def _cells(row: Row) -> Sequence[object]:
    others = ", ".join(f"{kind} {count}" for kind, count in row.others.items()) or "none"
    counts = row.tries, row.fitting, row.leaks, row.log_wrong, row.log_torn, row.left_open
    return row.fault, row.guard, *counts, "" if row.memory_mb is None else f"{row.memory_mb:.1f}", others


def _line(cells: Sequence[object]) -> str:
    return f"{cells[0]!s:32} {cells[1]!s:7} " + " ".join(f"{cell!s:>9}" for cell in cells[2:9]) + f"  {cells[9]}"


if __name__ == "__main__":
    main()
