"""Put an evaluation's cases before guards from other packages, each in an environment of its own.

In: a project, the folder of its evaluation, the interpreter of an environment with the peers' packages. Out: records
and figures beside the guard's, which `lictor report` then shows. A peer reads prompts, at the threshold it ships with;
it knows no policy, so this measures what it brings to a domain it was not made for.

    python -m venv peers && peers/bin/pip install promptshields aicordon ...
    python benchmarks/peers.py demo --python peers/bin/python --peer promptshields --peer aicordon
"""

import argparse
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lictor.errors import DataError
from lictor.evaluation.evaluate import read_plan, results_path, run_cases, write_figures
from lictor.guard.guard import Guard
from lictor.pipeline.evaluating import Wanted, gather
from lictor.types import Conversation, Policy

WORKER = Path(__file__).with_name("peer_worker.py")
FLAGGED = 1.0


class Peer:
    """An input scorer that asks another package's guard, in a process: 1 where that flags, 0 where it does not."""

    def __init__(self, python: Path, name: str) -> None:
        command = [python, WORKER, name]
        self._process = subprocess.Popen(  # noqa: S603 - the interpreter and the peer that were asked for
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._read()
        self.seconds = 0.0
        self.asked = 0

    def fits(self, conversation: Conversation) -> bool:
        """It takes any text."""
        return bool(conversation)

    def score(self, conversation: Conversation) -> float:
        """Whether the peer flags what the user says."""
        return self.score_many([conversation])[0]

    def score_many(self, conversations: Sequence[Conversation]) -> list[float]:
        """The same of many, one after the other.

        Raises:
            DataError: The peer's process ended.
        """
        started = time.perf_counter()
        found = [self._ask(conversation) for conversation in conversations]
        self.seconds += time.perf_counter() - started
        self.asked += len(found)
        return found

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=10)

    def _ask(self, conversation: Conversation) -> float:
        text = "\n".join(message.content for message in conversation if message.role in ("user", "system"))
        if self._process.stdin:
            self._process.stdin.write(json.dumps({"id": self.asked, "text": text}) + "\n")
            self._process.stdin.flush()
        return FLAGGED if self._read()["flagged"] else 0.0

    def _read(self) -> Mapping[str, object]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise DataError("the peer's process ended; its message stands above")
        return json.loads(line)


def main() -> None:
    """Run each peer over the cases of the evaluation, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("project", type=Path)
    parser.add_argument("--out", type=Path, help="the folder of the evaluation; PROJECT/evaluation")
    parser.add_argument("--python", type=Path, required=True, help="interpreter of the peers' environment")
    parser.add_argument("--peer", action="append", required=True)
    parser.add_argument("--limit", type=int, help="stop after about so many cases")
    options = parser.parse_args()
    folder = options.out or options.project / "evaluation"
    found = gather(options.project, Wanted.read(read_plan(folder)), folder / "answers.sqlite")
    for name in options.peer:
        peer = Peer(options.python, name)
        guard = Guard(peer, None, Policy(FLAGGED, FLAGGED), views={})
        records = run_cases(results_path(folder, name), found.cases, guard, found.answers, limit=options.limit)
        peer.close()
        for figure in write_figures(folder, name, records, guard.policy):
            if figure.name.endswith(("attack_success/pass", "mean_of_sources", "recall/stage/prompt")):
                print(f"{name}/{figure.name}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}), n {figure.n}")
        if peer.asked:
            print(f"{name}: {1000 * peer.seconds / peer.asked:.2f} ms a prompt, n {peer.asked}", flush=True)


if __name__ == "__main__":
    main()
