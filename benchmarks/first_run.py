"""Measure the first run of a fresh clone: minutes of `make demo` by part, and seconds of a second `lictor run`.

In: nothing, or the log of a `make demo` and its project. Out: figures in docs/results.json. The demo is run once, so
its figures have n = 1 and no interval to speak of; the second run is repeated.

    python benchmarks/first_run.py
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record, stamp_now

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--clone", type=Path, help="a clone in which `make demo > demo.log` has run")
    options = parser.parse_args()
    if options.clone:
        figures, stamp = measure(options.clone), stamp_now(options.clone)
    else:
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "lictor"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)  # noqa: S603, S607 -- fixed command
            with (clone / "demo.log").open("w") as log:
                subprocess.run(["make", "demo"], cwd=clone, stdout=log, check=True)  # noqa: S607 -- fixed command
            figures, stamp = measure(clone), stamp_now(clone)
    record(ROOT / "docs" / "results.json", figures, "python benchmarks/first_run.py", stamp)
    for figure in figures:
        print(f"{figure.name}: {figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f}) {figure.unit}, n {figure.n}")


def measure(clone: Path) -> list[Figure]:
    """The parts the demo's log names, and how long `lictor run` takes when nothing is to be done."""
    log = (clone / "demo.log").read_text(encoding="utf-8")
    seconds = {name: float(s) for name, s in re.findall(r"(\w+) ([\d.]+)", _line(log, "seconds: "))}
    install, demo, total = (float(m) for m in re.findall(r"[\d.]+", _line(log, "minutes: ")))
    fresh = {"in_all": total, "install": install} if install else {}  # none where the environment stood already
    parts = {
        **fresh,
        "demo": demo,
        "training_input": seconds["input"] / 60,
        "training_stream": seconds["stream"] / 60,
        "calibration": (seconds["traces"] + seconds["policy"]) / 60,
        "show": seconds["show"] / 60,
    }
    figures = [Figure(f"first_run/{name}", value, value, value, 1, "minutes") for name, value in parts.items()]
    spent = np.asarray([_again(clone) for _ in range(REPEATS)])
    found = bootstrap((spent,), np.median, confidence_level=0.95, rng=np.random.default_rng(0)).confidence_interval
    again = Figure("first_run/run_again", float(np.median(spent)), found.low, found.high, REPEATS, "seconds")
    return [*figures, again]


def _again(clone: Path) -> float:
    started = time.perf_counter()
    command = [".venv/bin/lictor", "run", "demo", "--json"]
    done = subprocess.run(command, cwd=clone, check=True, capture_output=True)  # noqa: S603 -- fixed command
    if any(row["made"] for row in json.loads(done.stdout)):
        sys.exit("expected a second run to do nothing, got stages made anew")
    return time.perf_counter() - started


def _line(log: str, opening: str) -> str:
    found = [line for line in log.splitlines() if line.startswith(opening)]
    if not found:
        sys.exit(f"expected a line that starts with {opening!r} in the demo's log, found none")
    return found[-1].removeprefix(opening)


if __name__ == "__main__":
    main()
