"""Whatever breaks, no restricted text leaves, the protocol ends properly or an error is typed, and nothing leaks."""

import json
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.server.serving import POLICY, Guarded, guarded, keyword_guard

from lictor.errors import ScoringError
from lictor.guard import Guard
from lictor.server.app import create_app
from lictor.server.requests import ChatRequest
from lictor.server.run import make_service
from lictor.server.settings import ServerSettings
from lictor.server.upstream_wire import ChoiceDelta, Chunk, Piece
from lictor.testing import FakeInputScorer, FakeStreamScorer, KeywordInputScorer, PieceTokenizer
from lictor.testing.upstreams import LEAK, SOUP, FakeUpstream, Script, chunk, running, says, sends, wait_until
from lictor.types import Policy, Token

ASK = [{"role": "user", "content": "What is for lunch?"}]
BODY: dict[str, Any] = {"model": "up", "messages": ASK, "stream": True}
ESTABLISHED = b"\x01"
DONE = b"data: [DONE]\n\n"
QUICK = {"connect_s": 1, "first_chunk_s": 0.5, "idle_s": 0.3, "total_s": 5}


def post(server: Guarded, body: Any = None, **options: Any) -> httpx2.Response:
    """The response to a chat request."""
    return httpx2.post(server.url + "/v1/chat/completions", json=body or BODY, timeout=20, **options)


def is_quiet(server: Guarded) -> bool:
    """Whether nothing of any request is left."""
    service = server.service
    return (
        not service.exchanges and service.gate.open == 0 and server.upstream.open == 0 and not service.scoring.waiting
    )


def delivered(text: str) -> str:
    """The content that a stream's frames carry."""
    frames = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    return "".join(c["delta"].get("content", "") for frame in frames for c in frame.get("choices", []))


def error_frames(text: str) -> list[str]:
    """Codes of the error frames of a stream."""
    frames = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    return [frame["error"]["code"] for frame in frames if "error" in frame]


UPSTREAMS: list[tuple[str, Script, str]] = [
    ("garbage", sends(chunk({"content": SOUP}), b"data: {melt\n\n"), "upstream_malformed"),
    ("no object", sends(chunk({"content": SOUP}), b'data: ["melt"]\n\n'), "upstream_malformed"),
    ("deep", sends(chunk({"content": SOUP}), b"data: " + b"[" * 100_000 + b"\n\n"), "upstream_malformed"),
    ("wrong type", sends(chunk({"content": SOUP}), chunk({"content": 7})), "upstream_malformed"),
    ("foreign choice", sends(chunk({"content": SOUP}), chunk({"content": "melt"}, index=3)), "upstream_malformed"),
    ("wrong choice", sends(chunk({"content": SOUP}), b'data: {"choices": [{"index": "a"}]}\n\n'), "upstream_malformed"),
    ("endless frame", sends(chunk({"content": SOUP}), *[b"data: " + b"m" * 300_000] * 5), "upstream_malformed"),
    ("error frame", sends(chunk({"content": SOUP}), b'data: {"error": {"message": "melt"}}\n\n'), "upstream_failed"),
    ("broken off", sends(chunk({"content": SOUP})), "upstream_truncated"),
    ("broken off inside a frame", sends(chunk({"content": SOUP}), b'data: {"choices": ['), "upstream_truncated"),
    ("done without an end", sends(chunk({"content": SOUP}), DONE), "upstream_truncated"),
    ("stalls", sends(chunk({"content": SOUP}), then=3), "upstream_timeout"),
]


@pytest.mark.parametrize(("name", "script", "code"), UPSTREAMS, ids=[name for name, _, _ in UPSTREAMS])
def test_a_faulty_upstream_ends_the_stream_with_a_typed_error(name: str, script: Script, code: str) -> None:
    """Cleared text, one error frame with a code, `[DONE]`; nothing is left behind."""
    del name
    with guarded(FakeUpstream(script), reaching=QUICK) as server:
        text = post(server).text
        wait_until(lambda: is_quiet(server))

    assert "The soup" in text
    assert "melt" not in text
    assert error_frames(text) == [code]
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (sends(b"data: {melt\n\n"), 502, "upstream_malformed"),
        (sends(DONE), 502, "upstream_truncated"),
        (sends(then=2), 504, "upstream_timeout"),
        (sends(b"<html>melt</html>"), 502, "upstream_truncated"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_never_begins_is_an_http_error(
    script: Script, status: int, code: str, *, stream: bool
) -> None:
    """Before the first cleared character a fault is a status and a code."""
    with guarded(FakeUpstream(script), reaching=QUICK) as server:
        answer = post(server, BODY | {"stream": stream})
        wait_until(lambda: is_quiet(server))

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (400, 400, "upstream_refused_request"),
        (401, 502, "upstream_failed"),
        (404, 404, "model_not_found"),
        (429, 429, "upstream_busy"),
        (500, 502, "upstream_failed"),
    ],
)
def test_an_upstreams_own_errors_are_typed_and_their_text_stays_inside(status: int, told: int, code: str) -> None:
    """Nobody guards an upstream's error text, so it is not repeated."""
    with guarded(FakeUpstream(status=status)) as server:
        answer = post(server)

    assert (answer.status_code, answer.json()["error"]["code"]) == (told, code)
    assert "melt" not in answer.text


def test_an_upstream_that_cannot_be_reached_is_told() -> None:
    """HTTP 502 and a code."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with guarded(reaching={"url": url}) as server:
            answer = post(server)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")


def test_an_upstream_that_resets_the_connection_is_told() -> None:
    """The stream ends with a typed error."""

    async def script(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield chunk({"content": SOUP})
        raise ConnectionResetError

    with guarded(FakeUpstream(script)) as server:
        text = post(server).text
        wait_until(lambda: is_quiet(server))

    assert error_frames(text) == ["upstream_reset"]


def test_an_upstream_that_answers_whole_is_guarded_too() -> None:
    """A JSON completion instead of a stream is read as one chunk."""
    message = {"role": "assistant", "content": LEAK}
    body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    with guarded(FakeUpstream(sends(body), content_type="application/json")) as server:
        text = delivered(post(server).text)

    assert text.startswith("First of all")
    assert "melt" not in text


def test_an_end_without_done_is_an_end() -> None:
    """An upstream that closes after its finish reason has said all."""
    with guarded(FakeUpstream(sends(chunk({"content": SOUP}), chunk({}, finish="stop")))) as server:
        text = post(server).text

    assert '"finish_reason": "stop"' in text
    assert text.endswith("data: [DONE]\n\n")


def test_text_after_the_end_is_not_delivered() -> None:
    """What an upstream says of a choice after its finish reason is dropped."""
    frames = [chunk({"content": SOUP}), chunk({}, finish="stop"), chunk({"content": "And more."}), DONE]
    with guarded(FakeUpstream(sends(*frames))) as server:
        assert "And more" not in post(server).text


def test_characters_cut_in_half_arrive_whole() -> None:
    """Bytes of the upstream may be cut anywhere, inside a character or a line ending too."""
    text = "Grüße vom 🔔-Turm: Lauchsuppe für alle. "
    raw = chunk({"content": text}).replace(b"\\u", b"\\u") + chunk({}, finish="stop") + DONE
    raw = json.dumps(json.loads(raw.split(b"\n")[0][6:]), ensure_ascii=False).encode()
    raw = b"data: " + raw + b"\r\n\r\n" + chunk({}, finish="stop") + DONE
    with guarded(FakeUpstream(sends(*[raw[at : at + 1] for at in range(len(raw))]))) as server:
        answer = post(server, BODY | {"stream": False}).json()

    assert answer["choices"][0]["message"]["content"] == text


@pytest.mark.parametrize("error", [RuntimeError("melt"), ScoringError("melt"), MemoryError()])
@pytest.mark.parametrize("fail_at", [0, 2])
def test_a_scorer_that_crashes_ends_the_stream(error: Exception, fail_at: int) -> None:
    """Fail closed: what was cleared stays, nothing more leaves, and the error is typed."""
    scorer = FakeStreamScorer(lambda _text, _place: -10.0, fail_at=fail_at, error=error)
    guard = Guard(KeywordInputScorer("melt"), scorer, POLICY)
    with guarded(guard=guard) as server:
        answer = post(server)
        wait_until(lambda: is_quiet(server))
        assert server.service.results == {"error": 1}

    if fail_at == 0:
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "guard_error")
    else:
        assert len(error_frames(answer.text)) == 1
        assert answer.text.endswith("data: [DONE]\n\n")
        assert answer.text.count("soup") < SOUP.count("soup")
    assert "melt" not in answer.text


class NoLunch(PieceTokenizer):
    """Cannot read the prompt, which is read only to be counted."""

    def encode(self, segment: str) -> list[Token]:
        """Its tokens, but for the prompt's."""
        if "lunch" in segment:
            raise ValueError("melt")
        return super().encode(segment)


def test_a_count_that_fails_is_no_failure_of_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Words are counted instead of tokens, and the log says so."""
    scorer = FakeStreamScorer(lambda _text, _place: -10.0, tokenizer=NoLunch())
    with guarded(FakeUpstream(says(SOUP, usage=False)), guard=Guard(None, scorer, POLICY)) as server:
        answer = post(server, BODY | {"stream": False}).json()

    assert answer["choices"][0]["message"]["content"].strip() == SOUP.strip()
    asked = " ".join(message["content"] for message in BODY["messages"])
    assert answer["usage"]["prompt_tokens"] == len(asked.split())
    assert answer["usage"]["completion_tokens"] == len(SOUP.split())
    assert [row.message for row in caplog.records if row.levelname == "ERROR"] == ["tokens not counted"]


def test_a_scorer_that_fails_open_is_a_bypass() -> None:
    """With `on_error: open` the text passes, and is counted as `bypassed`, never as allowed."""
    scorer = FakeStreamScorer(lambda _text, _place: -10.0, fail_at=1, error=ScoringError("x"))
    guard = Guard(None, scorer, Policy(0.0, 0.0, on_error="open"))
    with guarded(guard=guard) as server:
        answer = post(server, BODY | {"stream": False})
        assert server.service.results == {"bypassed": 1}

    assert answer.json()["choices"][0]["message"]["content"].strip() == SOUP.strip()


def test_a_scorer_that_hangs_is_given_up() -> None:
    """A score that does not come in time is a failure of the guard; the server says it is not ready."""
    guard = Guard(FakeInputScorer(lambda _: time.sleep(2) or -10.0), None, POLICY)
    with guarded(guard=guard, limits={"score_s": 0.2}) as server:
        answer = post(server)
        ready = httpx2.get(server.url + "/readyz")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "scorer_timeout")
    assert (ready.status_code, ready.json()["reason"]) == (503, "scoring")


class _BrokenUpstream:
    """An upstream with a fault of its own that nobody foresaw."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        del request
        yield Chunk((ChoiceDelta(0, (Piece("content", SOUP),)),))
        raise RuntimeError("melt")

    async def models(self) -> list[str]:
        raise RuntimeError("melt")

    async def aclose(self) -> None:
        pass


def test_what_nobody_foresaw_is_a_typed_error() -> None:
    """A crash before the answer is an HTTP 500 with a code, one amid a stream an error frame and `[DONE]`."""
    settings = ServerSettings()
    service = make_service(keyword_guard(), _BrokenUpstream(), settings)
    with running(create_app(service)) as url:
        before = httpx2.get(url + "/v1/models")
        amid = httpx2.post(url + "/v1/chat/completions", json=BODY).text

    assert (before.status_code, before.json()["error"]["code"]) == (500, "internal_error")
    assert error_frames(amid) == ["internal_error"]
    assert amid.endswith("data: [DONE]\n\n")
    assert "melt" not in before.text + amid
    assert service.results == {"allowed": 1}
    assert not service.exchanges


def test_a_client_that_vanishes_ends_its_stream() -> None:
    """The upstream is hung up on, the room is given back, and the record says `abandoned`."""
    with guarded(FakeUpstream(says(SOUP * 100, delay_s=0.01))) as server:
        with httpx2.stream("POST", server.url + "/v1/chat/completions", json=BODY) as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            assert server.service.gate.open == 1
        wait_until(lambda: is_quiet(server))

        assert server.upstream.sent < 300
        assert server.service.results == {"allowed": 1}


def test_a_client_that_vanishes_before_the_first_byte_ends_its_request() -> None:
    """A client that gives up while the upstream is silent leaves nothing behind."""
    with guarded(FakeUpstream(sends(then=30))) as server:
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(server.url + "/v1/chat/completions", json=BODY, timeout=0.3)
        wait_until(lambda: is_quiet(server))


def test_a_client_that_does_not_read_is_given_up() -> None:
    """Back-pressure reaches the upstream, and after `write_s` the stream ends."""
    frames = [chunk({"content": SOUP * 200})] * 1000
    only_input = Guard(KeywordInputScorer("melt"), None, POLICY)
    with guarded(FakeUpstream(sends(*frames)), only_input, limits={"write_s": 0.5}) as server:
        host, port = server.url.removeprefix("http://").split(":")
        body = json.dumps(BODY).encode()
        with socket.create_connection((host, int(port))) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            wait_until(lambda: server.upstream.open == 1)
            wait_until(lambda: is_quiet(server), seconds=20)
            # The connection itself is given up too, though the client still holds its end.
            wait_until(lambda: client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != ESTABLISHED)

    assert server.upstream.sent < len(frames)


def test_a_full_disk_does_not_end_requests(tmp_path: Path) -> None:
    """A decision log that cannot be written is told and counted; with `required` nothing more is taken on."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with guarded(decisions={"folder": blocked / "log"}) as server:
        assert post(server).status_code == 200
        assert "Decision log" in httpx2.get(server.url + "/").text
        assert "lictor_decision_log_errors_total 1.0" in httpx2.get(server.url + "/metrics").text
    with guarded(decisions={"folder": blocked / "log", "required": True}) as server:
        assert post(server).status_code == 200
        assert post(server).json()["error"]["code"] == "not_ready_log"
        blocked.unlink()
        assert post(server).status_code == 200

    rows = [json.loads(line) for line in next((blocked / "log").iterdir()).read_text().splitlines()]
    assert [row.get("event") for row in rows] == ["log_resumed", None]


def test_the_prompts_halt_counts_while_the_upstream_is_silent() -> None:
    """A restricted prompt is refused although the upstream says nothing: after `refusal_wait_ms` at the latest."""
    with guarded(FakeUpstream(sends(then=30))) as server:
        asked_at = time.monotonic()
        answer = post(server, BODY | {"messages": [{"role": "user", "content": "the melt"}]})

        assert answer.json()["error"]["code"] == "content_filter"
        assert time.monotonic() - asked_at < 2
        wait_until(lambda: is_quiet(server))


def test_nothing_leaves_before_the_prompt_passed() -> None:
    """However fast the answer comes, a slow screening holds all of it back."""

    def slow(_: Any) -> float:
        time.sleep(0.3)
        return 10.0

    guard = Guard(FakeInputScorer(slow), keyword_guard().stream_scorer, POLICY)
    with guarded(guard=guard) as server:
        answer = post(server)

    assert answer.status_code == 400
    assert "soup" not in answer.text
