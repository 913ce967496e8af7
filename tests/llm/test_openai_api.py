"""Endpoints: the official SDK against a real server on this host that speaks the chat-completions wire."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lictor.errors import GenerationError
from lictor.llm.load import load_chat_model
from lictor.testing import ask
from lictor.types import Message, Sampling

PIECES = ["Bells ", "ring", "", " 🔔 twice."]


class Endpoint(ThreadingHTTPServer):
    """Answers every request with its last message and PIECES, and records what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.hung_up = threading.Event()
        """Set when the caller left an endless stream."""

    @property
    def url(self) -> str:
        """Base URL of the endpoint."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint  # pyright: ignore[reportIncompatibleVariableOverride] -- only ever served by it

    def do_POST(self) -> None:
        """One chat completion, whole or streamed; a message `fail` gets a 400."""
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers["Authorization"])
        said = body["messages"][-1]["content"]
        if self.path != "/v1/chat/completions" or said == "fail":
            self._send(400, "application/json", json.dumps({"error": {"message": "no such model here"}}))
        elif said == "endless":
            self._send_for_ever()
        elif body.get("stream"):
            chunks = [_chunk({"role": "assistant"}), *(_chunk({"content": p}) for p in PIECES), _chunk({}, "stop")]
            self._send(200, "text/event-stream", "".join(f"data: {c}\n\n" for c in [*chunks, "[DONE]"]))
        else:
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said[::-1]}}
            self._send(200, "application/json", json.dumps(_shell("chat.completion", choice)))

    def _send_for_ever(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            while True:
                self.wfile.write(f"data: {_chunk({'content': 'more '})}\n\n".encode())
        except OSError:
            self.server.hung_up.set()

    def _send(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        """Say nothing."""


def _chunk(delta: dict[str, str], reason: str | None = None) -> str:
    return json.dumps(_shell("chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": reason}))


def _shell(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "x", "object": kind, "created": 0, "model": "m", "choices": [choice]}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A server in a thread of its own."""
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_whole_answers_come_in_the_order_asked(endpoint: Endpoint) -> None:
    """Many requests at once, each with its own sampling, and the answers in order."""
    model = load_chat_model(f"openai:m@{endpoint.url}")
    answers = model.complete([ask(f"request {i}") for i in range(20)], [Sampling(seed=i) for i in range(20)])

    assert answers == [f"request {i}"[::-1] for i in range(20)]
    assert {(body["messages"][-1]["content"], body["seed"]) for body in endpoint.asked} == {
        (f"request {i}", i) for i in range(20)
    }


def test_a_stream_gives_its_pieces(endpoint: Endpoint) -> None:
    """Content deltas as they were sent, without the empty ones."""
    model = load_chat_model(f"openai:m@{endpoint.url}")

    assert list(model.stream(ask("x"), Sampling())) == ["Bells ", "ring", " 🔔 twice."]


def test_a_stream_that_is_left_is_hung_up(endpoint: Endpoint) -> None:
    """Who stops reading, as a guard does that halts, stops the endpoint from generating on."""
    pieces = load_chat_model(f"openai:m@{endpoint.url}").stream(ask("endless"), Sampling())
    assert next(pieces) == "more "
    del pieces

    assert endpoint.hung_up.wait(5)


def test_roles_sampling_and_key_go_over_the_wire(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the endpoint hears is the conversation, the sampling, and the key from the variable named."""
    monkeypatch.setenv("MY_KEY", "secret")
    model = load_chat_model(f"openai:m@{endpoint.url}", api_key_env="MY_KEY")
    talk = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"), Message("user", "v"))
    model.complete([talk], [Sampling(max_tokens=7, temperature=0.25, top_p=0.5, seed=3)])
    (body,) = endpoint.asked

    assert [(m["role"], m["content"]) for m in body["messages"]] == [(m.role, m.content) for m in talk]
    assert (body["model"], body["max_tokens"], body["temperature"], body["top_p"]) == ("m", 7, 0.25, 0.5)
    assert endpoint.keys == ["Bearer secret"]
    assert "secret" not in model.name


def test_a_failing_endpoint_is_a_generation_error(endpoint: Endpoint) -> None:
    """The endpoint's own words are in the message, streamed or not."""
    model = load_chat_model(f"openai:m@{endpoint.url}")

    with pytest.raises(GenerationError, match=r"the endpoint failed: .*no such model here"):
        model.complete([ask("fine"), ask("fail")], [Sampling()] * 2)
    with pytest.raises(GenerationError, match="no such model here"):
        list(model.stream(ask("fail"), Sampling()))


def test_a_name_says_model_and_endpoint(endpoint: Endpoint) -> None:
    """Caches tell endpoints apart."""
    assert load_chat_model(f"openai:m@{endpoint.url}").name == f"openai:m@{endpoint.url}"
