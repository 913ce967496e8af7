"""Limits of an endpoint: how long a request waits, what is asked for again, and that nothing that came is lost."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lictor.errors import GenerationError
from lictor.llm.openai_api import OpenAIModel
from lictor.llm.pacing import BURST_S, Limits, Pace
from lictor.testing import ask
from lictor.types import Sampling


def test_requests_are_spread_over_the_minute() -> None:
    """After a first burst, each waits its turn; a pause earns no more than a burst."""
    pace = Pace(per_minute=60)
    waits = [pace.book(1, now=0.0) for _ in range(10)]
    later = [pace.book(1, now=1000.0) for _ in range(7)]

    assert waits == [max(0.0, at - BURST_S) for at in range(10)]
    assert later == [0, 0, 0, 0, 0, 0, 1]


def test_a_heavy_request_makes_the_next_one_wait() -> None:
    """Tokens are weighed, not counted as requests."""
    pace = Pace(per_minute=6000)

    assert [pace.book(1000, now=0.0), pace.book(1, now=0.0)] == [0.0, 10.0 - BURST_S]


class Shaky(ThreadingHTTPServer):
    """An endpoint that fails as often as a message says: `2x429 hello` twice with 429, then it answers."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def model(self, **limits: Any) -> OpenAIModel:
        """A client of it."""
        return OpenAIModel("m", f"http://127.0.0.1:{self.server_port}/v1", limits=Limits(**limits))


class _Handler(BaseHTTPRequestHandler):
    server: Shaky  # pyright: ignore[reportIncompatibleVariableOverride] -- only ever served by it

    def do_POST(self) -> None:
        """A completion, or the failure that is due."""
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = body["messages"][-1]["content"]
        with self.server.lock:
            self.server.asked[said] += 1
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        threading.Event().wait(0.03)
        times, _, status = said.split()[0].partition("x")
        with self.server.lock:
            self.server.at_once -= 1
        if status == "hang" and self.server.asked[said] <= int(times):
            threading.Event().wait(1.5)
        if status.isdigit() and self.server.asked[said] <= int(times):
            self._send(int(status), {"error": {"message": "not now"}})
        else:
            usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said[::-1]}}
            shell = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "usage": usage}
            self._send(200, shell | {"choices": [choice]})

    def _send(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Retry-After", "0.2")
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            return  # the client gave up waiting

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        """Say nothing."""


@pytest.fixture
def shaky() -> Iterator[Shaky]:
    """The endpoint in a thread."""
    with Shaky() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def test_passing_failures_are_asked_for_again(shaky: Shaky) -> None:
    """Too many requests, a fault of the server, no answer in time: the answers come, and what was spent is counted."""
    model = shaky.model(timeout_s=1.0)
    texts = ["2x429 a", "1x503 b", "1xhang c", "fine d"]

    assert model.complete([ask(t) for t in texts], [Sampling()] * 4) == [t[::-1] for t in texts]
    assert [shaky.asked[t] for t in texts] == [3, 2, 2, 1]
    assert (model.spent.requests, model.spent.retries) == (4, 4)
    assert (model.spent.prompt_tokens, model.spent.completion_tokens) == (44, 28)
    assert model.spent.cost(2.0, 10.0) == pytest.approx((44 * 2 + 28 * 10) / 1e6)


def test_what_will_not_pass_is_not_asked_for_again(shaky: Shaky) -> None:
    """A wrong request fails at once, and the endpoint's words are told."""
    with pytest.raises(GenerationError, match="not now"):
        shaky.model().complete([ask("9x400 a")], [Sampling()])

    assert shaky.asked["9x400 a"] == 1


def test_attempts_end_and_what_came_before_is_told(shaky: Shaky) -> None:
    """A request that fails each time ends the call; answers that had come were handed over."""
    told: list[str] = []
    with pytest.raises(GenerationError, match="the endpoint failed"):
        shaky.model(attempts=2, concurrency=1).complete(
            [ask("fine"), ask("9x500 a")], [Sampling()] * 2, on_answer=lambda _, text: told.append(text)
        )

    assert told == ["enif"]
    assert shaky.asked["9x500 a"] == 2


def test_no_more_at_once_than_allowed(shaky: Shaky) -> None:
    """Concurrency is a ceiling, and is reached."""
    shaky.model(concurrency=3).complete([ask(f"fine {i}") for i in range(12)], [Sampling()] * 12)

    assert shaky.most_at_once == 3


def test_an_error_of_the_listener_comes_through_as_it_is(shaky: Shaky) -> None:
    """A full disk where answers are kept is told as that, not as a group of tasks."""

    def refuse(_index: int, _text: str) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        shaky.model().complete([ask(f"fine {i}") for i in range(3)], [Sampling()] * 3, on_answer=refuse)
