"""Requests on a local Ray cluster of two workers: the same answers, also when a worker is killed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pipeline.small import Generator

from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.load import load_chat_model
from lictor.llm.pacing import Limits
from lictor.testing import ask
from lictor.types import Sampling

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
ray = pytest.importorskip("ray")
REQUESTS = [ask(f"How do I warm soup number {at}?") for at in range(60)]
HOW = [Sampling(seed=at) for at in range(60)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two processors on this machine."""
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.fixture
def server() -> Iterator[Generator]:
    """A generator behind a real endpoint."""
    with Generator() as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield made
        made.shutdown()


def workers() -> list[int]:
    """Processes of actors of this user that answer batches."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::") and b"MapWorker" in title and _is_ours(int(folder.name)):
            found.append(int(folder.name))
    return found


def _is_ours(pid: int) -> bool:
    """Whether a process descends from this one."""
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_answers_are_those_of_this_machine(cluster: None, server: Generator, tmp_path: Path) -> None:
    """In the order asked, and under the same name: what one of them paid for, the other knows."""
    from lictor.llm.ray_model import RayModel

    spread = RayModel(server.reference, "auto", "NO_KEY", Limits(), workers=2, batch=8)
    here = load_chat_model(server.reference)
    store = CompletionStore(tmp_path / "c.sqlite")
    answers = CachedModel(spread, store).complete(REQUESTS, HOW)
    known = CachedModel(here, store)

    assert answers == here.complete(REQUESTS, HOW)
    assert known.complete(REQUESTS, HOW) == answers
    assert known.paid == 0


def test_a_killed_worker_loses_nothing(cluster: None, server: Generator) -> None:
    """It is started again, and the answers are the same."""
    from lictor.llm.ray_model import RayModel

    expected = load_chat_model(server.reference).complete(REQUESTS, HOW)
    server.asked.clear()
    killed: list[int] = []

    def kill() -> None:
        while len(server.asked) < 8:
            time.sleep(0.002)
        for pid in workers()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    spread = RayModel(server.reference, "auto", "NO_KEY", Limits(concurrency=1), workers=2, batch=4)
    answers = spread.complete(REQUESTS, HOW)
    thread.join()

    assert killed
    assert answers == expected
