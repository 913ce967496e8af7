"""What cannot be served is refused by a typed error, and nothing of it reaches the model."""

import socket
from typing import Any

import httpx2
import pytest
from tests.server.serving import Guarded, guarded

ASK = [{"role": "user", "content": "What is for lunch?"}]
BODY: dict[str, Any] = {"model": "up", "messages": ASK, "stream": True}
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
HALF = b"POST /v1/chat/comp"


def post(server: Guarded, body: dict[str, Any]) -> httpx2.Response:
    """The response to a chat request."""
    return httpx2.post(server.url + "/v1/chat/completions", json=body, timeout=20)


PART = "messages.0.content.0"
NESTED = b'{"model": "m", "messages": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_json", ""),
        (b"\xff\xfe", 400, "invalid_json", ""),
        (b"[]", 400, "invalid_value", ""),
        (b'{"model": "m"}', 400, "missing_field", "messages"),
        (b'{"model": "m", "messages": []}', 400, "invalid_value", "messages"),
        (NESTED, 400, "invalid_json", ""),
        (b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}', 400, "invalid_json", ""),
        (b'{"model": "m", "messages": [{"role": "user", "content": [{"type": {}}]}]}', 400, "invalid_value", PART),
    ],
)
def test_bodies_that_cannot_be_read_are_typed_errors(body: bytes, status: int, code: str, param: str) -> None:
    """HTTP 400 with a code and the field."""
    with guarded() as server:
        answer = httpx2.post(server.url + "/v1/chat/completions", content=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"] or "") == (status, code, param)


@pytest.mark.parametrize(
    ("extra", "code", "param"),
    [
        ({"guardrails": {}}, "unknown_field", "guardrails"),
        ({"functions": []}, "unknown_field", "functions"),
        ({"logprobs": True}, "unsupported_modality", "logprobs"),
        ({"modalities": ["text", "audio"]}, "unsupported_modality", "modalities.1"),
        ({"n": 0}, "invalid_value", "n"),
        ({"n": 99}, "invalid_value", "n"),
        ({"stream_options": {"x": 1}}, "unknown_field", "stream_options.x"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "invalid_value", "messages.0"),
        ({"messages": [{"role": "user", "content": "x", "audio": {}}]}, "unknown_field", "messages.0.audio"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
            "unsupported_modality",
            "messages.0.content.0",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "unsupported_modality",
            "messages.0.content.0",
        ),
    ],
)
def test_what_is_not_guarded_is_refused_by_name(extra: dict[str, Any], code: str, param: str) -> None:
    """Unknown fields, audio, images and log probabilities are typed errors, and the upstream is never asked."""
    with guarded() as server:
        answer = post(server, BODY | extra)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
    assert server.upstream.asked == []


def test_large_requests_are_refused_by_size() -> None:
    """Ten megabytes are 413; ten thousand messages are 400; neither reaches the upstream."""
    with guarded() as server:
        large = post(server, BODY | {"messages": [{"role": "user", "content": "x" * 10_000_000}]})
        many = post(server, BODY | {"messages": ASK * 10_000})

    assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
    assert (many.status_code, many.json()["error"]["code"]) == (400, "too_many_messages")
    assert server.upstream.asked == []


def test_a_request_that_trickles_in_is_refused() -> None:
    """HTTP 408 after `body_s`."""
    with guarded(limits={"body_s": 0.2}) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{")
            assert b"408" in client.recv(100)


def test_paths_that_are_not_guarded_are_not_served() -> None:
    """Nothing is passed on unread: an unknown path or method is a typed 404 or 405."""
    with guarded() as server:
        answers = [httpx2.post(server.url + path, json={}) for path in ("/v1/completions", "/v1/embeddings", "/x")]
        wrong = httpx2.get(server.url + "/v1/chat/completions")

    assert [a.status_code for a in answers] == [404, 404, 404]
    assert {a.json()["error"]["code"] for a in (*answers, wrong)} == {"unknown_endpoint"}
    assert wrong.status_code == 405


@pytest.mark.parametrize(("first", "rest"), [(b"", b""), (b"", HALF), (HEALTH, HALF)])
def test_a_connection_without_a_whole_request_is_closed(first: bytes, rest: bytes) -> None:
    """Nobody keeps a connection by sending nothing, or never the end of a head, be it the first or the second."""
    with guarded(limits={"body_s": 0.3}) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=7) as client:
            client.sendall(first)
            answer = b""
            while first and b"ok" not in answer:
                answer += client.recv(1000)
            client.sendall(rest)
            while client.recv(1000):
                pass
