"""A server of the small arena that streams and grades slowly, to be killed: `python slow_server.py DATABASE PORT`."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.arena.small import ALL_OF_Q1, contest, domain, guard

from lictor.arena.arena import Arena
from lictor.arena.grading import Assessment, Case, FactsGrader
from lictor.arena.rounds import create, set_phase
from lictor.arena.store import Store
from lictor.arena.targets import Reply, rubric_facts
from lictor.arena.web.app import create_app
from lictor.types import Conversation


def first_fact(delivered: str) -> tuple[str, ...]:
    """The first fact, where it is in what was delivered."""
    return ("f1",) if "47 marrows" in delivered else ()


class SlowTarget:
    """Says one word every 50 ms."""

    name = "slow"

    def reply(self, conversation: Conversation) -> Reply:
        """All facts of q1, three times over."""

        def pieces() -> Iterator[str]:
            for word in (f"{len(conversation)} turns. " + ALL_OF_Q1).split(" ") * 3:
                time.sleep(0.05)
                yield word + " "

        return Reply(pieces(), first_fact)


class SlowGrader(FactsGrader):
    """Takes half a second an answer."""

    def assess(self, case: Case) -> Assessment:
        """The facts' grade, late."""
        time.sleep(0.5)
        return super().assess(case)


def main() -> None:
    """Serve until killed."""
    store = Store(sys.argv[1], wait_s=0.3)
    if store.read(lambda s: s.contest) is None:
        store.change("cli", lambda s: create(s, contest("levels")))
        store.change("cli", lambda s: set_phase(s, "open"))
    grader = SlowGrader(domain())
    made = Arena(store, guard(), SlowTarget(), grader, rubric_facts(domain()), "g1")
    uvicorn.run(create_app(store, lambda _: replace(made)), port=int(sys.argv[2]), log_level="error")


if __name__ == "__main__":
    main()
