"""Running the server: many streams, keys, metrics, records, other guards."""

import asyncio
import hashlib
import json
import re
import resource
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.conftest import SaveGuard
from tests.server.serving import POLICY, Guarded, guarded, keyword_guard, kitchen_namer

from lictor.guard import Guard
from lictor.server.record import DecisionLog
from lictor.server.settings import ServerSettings
from lictor.server.shelf import Shelf
from lictor.testing import FakeSession, KeywordStreamScorer
from lictor.testing.upstreams import LEAK, SOUP, FakeUpstream, chunk, says, wait_until
from lictor.types import Conversation

ASK: Any = [{"role": "user", "content": "What is for lunch?"}]
BAD: Any = [{"role": "user", "content": "the melt"}]
BODY: dict[str, Any] = {"model": "up", "messages": ASK}


def post(server: Guarded, body: dict[str, Any] | None = None, **headers: str) -> httpx2.Response:
    """The response to a chat request."""
    return httpx2.post(server.url + "/v1/chat/completions", json=body or BODY, headers=headers, timeout=20)


def test_many_streams_at_once_keep_apart() -> None:
    """Forty clients at once: each gets its own text and verdict, and nothing is left behind."""

    async def script(body: dict[str, Any]) -> AsyncIterator[bytes]:
        name = body["messages"][0]["content"]
        async for piece in says(LEAK if name.endswith("3") else f"{name} has soup. " * 10, delay_s=0.001)(body):
            yield piece

    async def ask(client: openai.AsyncOpenAI, name: str) -> tuple[str, str | None]:
        text, reason = "", None
        messages: Any = [{"role": "user", "content": name}]
        async for part in await client.chat.completions.create(model="up", messages=messages, stream=True):
            for choice in part.choices:
                text += choice.delta.content or ""
                reason = choice.finish_reason or reason
        return text, reason

    async def ask_all(url: str) -> list[tuple[str, str | None]]:
        async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="k", max_retries=0) as client:
            return await asyncio.gather(*(ask(client, f"guest {n}") for n in range(40)))

    with guarded(FakeUpstream(script)) as server:
        answers = asyncio.run(ask_all(server.url))
        wait_until(lambda: not server.service.exchanges)

    for n, (text, reason) in enumerate(answers):
        if str(n).endswith("3"):
            assert reason == "content_filter"
            assert "melt" not in text
        else:
            assert (text.strip(), reason) == ((f"guest {n} has soup. " * 10).strip(), "stop")
    assert server.service.results == {"allowed": 36, "blocked": 4}


def test_a_full_server_says_when_to_come_back() -> None:
    """HTTP 429 with Retry-After; once there is room again, requests pass."""
    with guarded(FakeUpstream(says(SOUP, delay_s=0.02)), limits={"streams": 1, "retry_after_s": 3}) as server:
        with httpx2.stream("POST", server.url + "/v1/chat/completions", json=BODY | {"stream": True}) as first:
            pieces = first.iter_bytes()
            next(pieces)
            refused = post(server)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
            assert refused.json()["error"]["code"] == "overloaded"
            assert "guardrails_stream_rejections_total 1.0" in httpx2.get(server.url + "/metrics").text
        wait_until(lambda: server.service.gate.open == 0)
        server.upstream.script = says(SOUP)
        assert post(server).status_code == 200


def test_a_server_whose_scores_come_late_takes_fewer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores wait longer than `limits.wait_s`: of many answers at once some get HTTP 429, the others come whole."""
    guard = keyword_guard()
    assert isinstance(guard.stream_scorer, KeywordStreamScorer)
    monkeypatch.setattr(guard.stream_scorer, "open", _slowly(guard.stream_scorer.open, 0.03))

    async def ask_all(url: str) -> list[int]:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            asked = [client.post("/v1/chat/completions", json=BODY) for _ in range(8)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    with guarded(FakeUpstream(says(SOUP)), guard, limits={"wait_s": 0.05}) as server:
        assert asyncio.run(ask_all(server.url)) == [200] * 8
        late = asyncio.run(ask_all(server.url))
        capacity = re.search(r"lictor_stream_capacity ([\d.]+)", httpx2.get(server.url + "/metrics").text)

    assert {200, 429} == set(late)
    assert capacity is not None
    assert 1 <= float(capacity[1]) < 8


def _slowly(opened: Callable[[Conversation], FakeSession], seconds: float) -> Callable[[Conversation], FakeSession]:
    """Sessions that take their time over every batch."""

    def open_slowly(conversation: Conversation) -> FakeSession:
        session = opened(conversation)
        score = session.score

        def slow(token_ids: Sequence[int]) -> list[float]:
            time.sleep(seconds)
            return score(token_ids)

        session.score = slow
        return session

    return open_slowly


def test_a_server_short_of_memory_takes_no_second_answer() -> None:
    """While less memory is free than `limits.free_bytes`, HTTP 429; the answer under way goes on."""
    with (
        guarded(FakeUpstream(says(SOUP, delay_s=0.02)), limits={"free_bytes": 10**15}) as server,
        httpx2.stream("POST", server.url + "/v1/chat/completions", json=BODY | {"stream": True}) as first,
    ):
        pieces = first.iter_text()
        text = next(pieces)
        refused = post(server)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
        assert "memory" in refused.json()["error"]["message"]
        assert (text + "".join(pieces)).endswith("data: [DONE]\n\n")


def test_keys_are_asked_for() -> None:
    """With keys listed, every endpoint of the API wants one; health, metrics and the page do not."""
    key = {"name": "app", "sha256": hashlib.sha256(b"sesame").hexdigest(), "requests_per_minute": 1}
    with guarded(keys=[key]) as server:
        assert post(server).status_code == 401
        assert httpx2.get(server.url + "/v1/models").status_code == 401
        assert post(server, authorization="Bearer sesame").status_code == 200
        spent = post(server, authorization="Bearer sesame")
        assert (spent.status_code, int(spent.headers["retry-after"]) > 30) == (429, True)
        assert httpx2.get(server.url + "/healthz").status_code == 200


def test_numbers_and_readiness() -> None:
    """Blocks are counted by stage, thresholds shown, and the page says what is going on."""
    with guarded(FakeUpstream(says(LEAK))) as server:
        post(server)
        post(server, BODY | {"messages": BAD})
        metrics = httpx2.get(server.url + "/metrics").text
        page = httpx2.get(server.url + "/").text
        assert httpx2.get(server.url + "/readyz").json() == {"ready": True, "reason": None}

    assert 'guardrails_requests_blocked_total{rail_type="output"} 1.0' in metrics
    assert 'guardrails_requests_blocked_total{rail_type="input"} 1.0' in metrics
    assert 'lictor_threshold{policy_version="v1",stage="input"} 0.0' in metrics
    assert "lictor_tokens_to_detection_count 1.0" in metrics
    tasks = re.search(r"^lictor_tasks ([\d.]+)", metrics, re.MULTILINE)
    assert tasks and float(tasks[1]) >= 1
    gaps = re.search(r"gen_ai_client_operation_time_per_output_chunk_seconds_count ([\d.]+)", metrics)
    assert gaps and float(gaps[1]) > 10
    assert "Requests blocked" in page
    assert "Ready" in page


def test_decisions_are_recorded_without_content(tmp_path: Path) -> None:
    """One line a request: who, what, why, when, which guard; the text only as a hash."""
    with guarded(FakeUpstream(says(LEAK)), decisions={"folder": tmp_path}) as server:
        answer = post(server, {**BODY, "stream": True}, **{"x-request-id": "mine-1"})
        assert answer.headers["x-request-id"] == "mine-1"
        wait_until(lambda: bool(list(tmp_path.glob("*.jsonl"))))

    (path,) = tmp_path.glob("decisions-*.jsonl")
    (row,) = map(json.loads, path.read_text().splitlines())
    assert row["request_id"] == "mine-1"
    assert (row["outcome"], row["result"], row["client"]) == ("blocked", "blocked", "anonymous")
    assert row["decision"]["stage"] == "output"
    assert (row["guard"], row["decision"]["guard_version"]) == ("emberglass", "v1")
    assert len(row["prompt_sha256"]) == 64
    assert not {"lunch", "pot"} & set(path.read_text().replace('"', " ").split())


def test_content_is_recorded_where_asked(tmp_path: Path) -> None:
    """With `content` the messages and the delivered text are kept."""
    with guarded(decisions={"folder": tmp_path, "content": True}) as server:
        post(server)

    (row,) = map(json.loads, next(tmp_path.glob("*.jsonl")).read_text().splitlines())
    assert row["messages"] == ASK
    assert row["delivered"].strip() == SOUP.strip()


def test_old_decisions_are_forgotten(tmp_path: Path) -> None:
    """Days beyond the retention are deleted when a new day begins."""
    now = datetime(2026, 5, 20, tzinfo=UTC)
    log = DecisionLog(tmp_path, keep_days=3)
    for age in range(6, -1, -1):
        log.append({"age": age}, now - timedelta(days=age), -86_400.0 * age)

    assert sorted(p.name[-7:-6] for p in tmp_path.glob("*.jsonl")) == ["0", "7", "8", "9"]


def test_a_clock_that_jumps_forgets_nothing(tmp_path: Path) -> None:
    """A year ahead and back again within a second: every row is still there."""
    now = datetime(2026, 5, 20, tzinfo=UTC)
    log = DecisionLog(tmp_path, keep_days=3)
    for second, days in enumerate((0, 400, 0, -400, 401, 0)):
        log.append({"n": second}, now + timedelta(days=days), float(second))

    rows = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(row["n"] for row in rows) == [0, 1, 2, 3, 4, 5]


def test_a_disk_that_fills_up_leaves_no_torn_row(tmp_path: Path) -> None:
    """A row that fits only in part is taken back, told as an error, and the next one that fits is whole."""
    now = datetime(2026, 5, 20, tzinfo=UTC)
    log = DecisionLog(tmp_path, keep_days=3)
    log.append({"n": 1}, now, 0.0)
    soft, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12, most))
    try:
        log.append({"n": 2}, now, 1.0)
        assert log.error == "the row was cut short"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, most))
    log.append({"n": 3}, now, 2.0)

    assert log.error is None
    assert next(tmp_path.glob("*.jsonl")).read_text() == '{"n": 1}\n{"n": 3}\n'


def test_a_row_that_a_killed_process_left_torn_stays_a_line_of_its_own(tmp_path: Path) -> None:
    """The first row of the next process is whole."""
    now = datetime(2026, 5, 20, tzinfo=UTC)
    (tmp_path / "decisions-2026-05-20.jsonl").write_text('{"n": 1}\n{"n')

    DecisionLog(tmp_path, keep_days=3).append({"n": 2}, now, 0.0)

    assert (tmp_path / "decisions-2026-05-20.jsonl").read_text() == '{"n": 1}\n{"n\n{"n": 2}\n'


def test_another_guard_takes_over_while_streams_go_on() -> None:
    """A stream keeps the guard it began with; the next request gets the new one, and each record says which."""
    gate = asyncio.Event()

    async def script(_: dict[str, Any]) -> AsyncIterator[bytes]:
        yield chunk({"content": SOUP})
        while not gate.is_set():
            await asyncio.sleep(0.01)
        yield chunk({"content": " and then the melt " + SOUP})
        yield chunk({}, finish="stop")

    with guarded(FakeUpstream(script)) as server:
        with httpx2.stream("POST", server.url + "/v1/chat/completions", json=BODY | {"stream": True}) as answer:
            pieces = answer.iter_text()
            text = next(pieces)
            server.service.shelf.put(keyword_guard(words=("soup",), version="v2"), "other")
            gate.set()
            text += "".join(pieces)
        assert answer.headers["x-guard-policy-version"] == "v1"
        assert '"finish_reason": "content_filter"' in text
        after = post(server)

    assert after.headers["x-guard-policy-version"] == "v2"
    assert after.status_code == 200
    assert after.json()["choices"][0]["finish_reason"] == "content_filter"


def test_a_guard_folder_is_looked_at_again(save_tiny_guard: SaveGuard, tmp_path: Path) -> None:
    """Another guard in the folder is loaded; one that cannot be is told, and the one in use stays."""
    folder = save_tiny_guard(tmp_path / "guard", replace(POLICY, input_threshold=3.0))
    loads: list[Path] = []

    def load(path: Path) -> Any:
        loads.append(path)
        return keyword_guard(version=f"v{len(loads)}")

    shelf = Shelf(ServerSettings(guard=folder, enforcement="monitor"), load)
    shelf.load()

    async def look() -> None:
        await shelf.look()
        await shelf.look()
        assert len(loads) == 1
        save_tiny_guard(folder, replace(POLICY, input_threshold=4.0))
        await shelf.look()
        assert len(loads) == 2
        (folder / "manifest.json").write_text("{")
        await shelf.look()

    asyncio.run(look())

    assert shelf.served and shelf.served.guard.version == "v2"
    assert shelf.served.guard.policy.enforcement == "monitor"
    assert shelf.reload_error and "manifest" in shelf.reload_error


def test_a_guard_that_breaks_while_it_is_loaded_is_told(save_tiny_guard: SaveGuard, tmp_path: Path) -> None:
    """Whatever goes wrong, the guard in use stays, and the folder is looked at again."""
    folder = save_tiny_guard(tmp_path / "guard", POLICY)
    found: list[Guard | OSError] = [keyword_guard(version="v1"), OSError("no files left"), keyword_guard(version="v2")]

    def load(_: Path) -> Guard:
        guard = found.pop(0)
        if isinstance(guard, OSError):
            raise guard
        return guard

    async def look_twice() -> None:
        await shelf.look()
        assert (shelf.served and shelf.served.guard.version, shelf.reload_error) == ("v1", "no files left")
        await shelf.look()

    shelf = Shelf(ServerSettings(guard=folder), load)
    shelf.load()
    save_tiny_guard(folder, replace(POLICY, input_threshold=4.0))
    asyncio.run(look_twice())

    assert (shelf.served and shelf.served.guard.version, shelf.reload_error) == ("v2", None)


def test_checks_moderations_and_the_gateway_judge_without_a_model() -> None:
    """Three shapes of one verdict; the upstream is never asked."""
    with guarded() as server, openai.OpenAI(base_url=server.url + "/v1", api_key="k") as client:
        moderated = client.moderations.create(input=["soup", "the melt"])
        bad_answer = [*ASK, {"role": "assistant", "content": LEAK}]
        answers = [httpx2.post(server.url + "/v1/checks", json={"messages": m}) for m in (ASK, BAD, bad_answer)]
        gateway = [
            httpx2.post(server.url + "/beta/litellm_basic_guardrail_api", json=body).json()
            for body in (
                {"texts": ["soup"], "input_type": "request", "request_data": {"x": 1}},
                {"texts": ["soup", LEAK], "input_type": "response"},
                {"texts": ["soup"], "images": ["x"], "input_type": "request"},
                {"texts": None, "tool_calls": [{"function": {"arguments": "melt"}}], "input_type": "response"},
                {"texts": ["soup"], "tools": [{"function": {"description": "the melt"}}], "input_type": "request"},
                {"structured_messages": [{"role": "tool", "content": [{"text": "melt"}]}], "input_type": "request"},
                {"structured_messages": [{"role": "assistant", "content": "the melt"}], "input_type": "request"},
                {"texts": None, "images": None, "tools": None, "input_type": "request"},
            )
        ]

    checked = [answer.json() for answer in answers]
    assert [r.flagged for r in moderated.results] == [False, True]
    assert moderated.results[1].model_dump()["categories"]["emberglass"] is True
    assert [(c["status"], c["stage"], c["category"]) for c in checked] == [
        ("passed", None, None),
        ("blocked", "input", "emberglass"),
        ("blocked", "output", "emberglass"),
    ]
    assert checked[2]["token_index"] > 0
    assert [(c["score"] >= c["threshold"], c["categories"][0]["severity"]) for c in checked] == [
        (False, "safe"),
        (True, "high"),
        (True, "high"),
    ]
    for answer, action in zip(answers, ("allow", "block", "block"), strict=True):
        assert (answer.headers["x-guard-decision"], answer.headers["x-guard-policy-version"]) == (action, "v1")
        assert int(answer.headers["x-guard-duration-ms"]) <= answer.json()["latency_ms"] + 1
    assert [g["action"] for g in gateway] == ["NONE", *["BLOCKED"] * 6, "NONE"]
    assert server.upstream.asked == []


@pytest.mark.parametrize("body", [{"input": [{"type": "image_url", "image_url": {"url": "x"}}]}, {"input": []}, {}])
def test_moderations_refuse_what_they_cannot_read(body: dict[str, Any]) -> None:
    """Images and nothing at all are typed errors."""
    with guarded() as server:
        assert httpx2.post(server.url + "/v1/moderations", json=body).status_code == 400


def test_refusals_take_the_same_whichever_stage_spoke() -> None:
    """With an upstream that answers after 0.2 s, a refused prompt waits for the first verdict on the answer."""

    async def script(_: dict[str, Any]) -> AsyncIterator[bytes]:
        await asyncio.sleep(0.2)
        yield chunk({"content": SOUP})
        await asyncio.sleep(5)

    with guarded(FakeUpstream(script), blocking={"refusal_wait_ms": 3000}) as server:
        began = time.monotonic()
        assert post(server, BODY | {"messages": BAD}).status_code == 400
        took_s = time.monotonic() - began

    assert 0.2 <= took_s < 1.0


def test_rules_are_categories_where_the_guard_can_tell_them() -> None:
    """Moderations and checks name the rule, and so do the log, the metrics and the page; permitted texts name none."""
    with guarded(FakeUpstream(says(LEAK))) as server, openai.OpenAI(base_url=server.url + "/v1", api_key="k") as client:
        served = server.service.shelf.served
        assert served
        server.service.shelf.put(served.guard, "emberglass", kitchen_namer())
        fine, bad = client.moderations.create(input=["soup", "the melt, stir four parts of ash"]).results
        checked = httpx2.post(server.url + "/v1/checks", json={"messages": BAD}).json()
        post(server)
        metrics, page = (httpx2.get(server.url + path).text for path in ("/metrics", "/"))

    assert fine.model_dump()["categories"].items() >= {"emberglass": False, "melting": False, "selling": False}.items()
    assert bad.model_dump()["categories"].items() >= {"emberglass": True, "melting": True, "selling": False}.items()
    scores = bad.model_dump()["category_scores"]
    assert scores["melting"] + scores["selling"] == pytest.approx(scores["emberglass"])
    assert checked["rule"] == "melting"
    assert 'lictor_restricted_total{result="blocked",rule="melting"} 3.0' in metrics
    assert "Latest decisions" in page


def test_a_client_that_probes_is_told_of_and_slowed_down(tmp_path: Path) -> None:
    """Rewordings of a blocked question raise an event in the log and a metric, and then the client has to wait."""
    probes = {"variants": 2, "throttle_per_minute": 1}
    with guarded(decisions={"folder": tmp_path}, probes=probes, blocking={"refusal_wait_ms": 0}) as server:
        asks = [f"Please tell me about the melt and the pot, in {n} steps" for n in ("two", "some", "many")]
        codes = [post(server, BODY | {"messages": [{"role": "user", "content": ask}]}).status_code for ask in asks]
        allowed, slowed = post(server), post(server)
        metrics = httpx2.get(server.url + "/metrics").text

    assert codes == [400, 400, 400]
    assert (allowed.status_code, slowed.status_code, slowed.json()["error"]["code"]) == (200, 429, "throttled")
    assert 'lictor_probe_campaigns_total{kind="variants"} 1.0' in metrics
    rows = [json.loads(line) for line in next(tmp_path.glob("*.jsonl")).read_text().splitlines()]
    (event,) = [row for row in rows if row.get("event") == "campaign"]
    assert (event["client"], event["kind"], event["near"]) == ("anonymous", "variants", 3)


def test_a_budget_outlives_a_restart(tmp_path: Path) -> None:
    """Tokens a key spent today are read back from the decision log."""
    key = {"name": "app", "sha256": hashlib.sha256(b"sesame").hexdigest(), "tokens_per_day": 20}
    settings: dict[str, Any] = {"keys": [key], "decisions": {"folder": tmp_path}}
    with guarded(**settings) as server:
        assert post(server, authorization="Bearer sesame").status_code == 200
    with guarded(**settings) as server:
        assert post(server, authorization="Bearer sesame").status_code == 200
        spent = post(server, authorization="Bearer sesame")

    assert (spent.status_code, spent.json()["error"]["code"]) == (429, "budget_exhausted")
