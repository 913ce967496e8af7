"""Serve an arena behind a bag of words, as `lictor arena serve` does behind a trained guard: a guard that costs little.

In: an arena's database, a port, and a file that `make` wrote. Out: a server, until it is killed. The bag of words is
made of a project's own data and fitted to its budget; it is made once, so that a killed server is soon back.

    python benchmarks/arena_baseline.py arena.db 8100 bag.pickle
"""

import gc
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import uvicorn

from lictor.arena.arena import Arena, assemble
from lictor.arena.store import Store
from lictor.arena.web.app import create_app
from lictor.assemble import read_policy
from lictor.dataset.store import read_dataset
from lictor.guard.guard import Guard
from lictor.pipeline.baselines import baseline_guard
from lictor.pipeline.config import load_project

VERSION = "bag-of-words"


def make(project: Path, file: Path) -> None:
    """Make the bag of words of a project that `lictor run` has run, and write it to `file`."""
    examples = read_dataset(next(project.glob("runs/data-*")))
    guard = baseline_guard("bag_of_words", load_project(project), examples, read_policy(project / "guard/policy.json"))
    file.write_bytes(pickle.dumps((guard.input_scorer, guard.stream_scorer, guard.policy)))


def main() -> None:
    """Serve."""
    database, port, file = sys.argv[1:]
    guard = Guard(*pickle.loads(Path(file).read_bytes()), version=VERSION)  # noqa: S301 - our own file, of this run

    def behind_it(store: Store) -> Arena:
        return replace(assemble(store), guard=guard, guard_version=VERSION)

    app = create_app(Store(database), behind_it, sign_ups_per_hour=100_000)
    gc.freeze()  # as `lictor arena serve` does
    uvicorn.run(app, port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
