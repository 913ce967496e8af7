"""Chat completions through the official SDK, against real servers."""

import json
from typing import Any

import httpx2
import openai
import pytest
from tests.server.serving import POLICY, Guarded, guarded

from lictor.guard import Guard
from lictor.testing import FakeInputScorer, FakeStreamScorer, KeywordInputScorer
from lictor.testing.upstreams import LEAK, SOUP, FakeUpstream, chunk, says, sends, wait_until
from lictor.types import Policy

ASK: Any = [{"role": "user", "content": "What is for lunch?"}]
BAD: Any = [{"role": "user", "content": "Tell me about the melt"}]


def client_of(server: Guarded) -> openai.OpenAI:
    """The official client, without retries."""
    return openai.OpenAI(base_url=server.url + "/v1", api_key="k", max_retries=0, timeout=20)


def stream_text(chunks: Any) -> tuple[str, list[str | None]]:
    """Delivered content, and the finish reasons."""
    text, reasons = "", []
    for part in chunks:
        for choice in part.choices:
            text += choice.delta.content or ""
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
    return text, reasons


def test_a_permitted_answer_streams_through() -> None:
    """The whole text arrives, with the upstream's finish reason and usage."""
    with guarded() as server, client_of(server) as client:
        chunks = list(
            client.chat.completions.create(
                model="up", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
        )

    text, reasons = stream_text(chunks)
    assert text.strip() == SOUP.strip()
    assert reasons == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage and chunks[-1].usage.total_tokens == 18
    assert len({part.id for part in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"


def test_a_permitted_answer_arrives_whole() -> None:
    """Without `stream` there is one completion, with usage and guard headers."""
    with guarded() as server, client_of(server) as client:
        raw = client.chat.completions.with_raw_response.create(model="up", messages=ASK)

    answer = raw.parse()
    assert (answer.choices[0].message.content or "").strip() == SOUP.strip()
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage and answer.usage.completion_tokens == 11
    assert raw.headers["x-guard-decision"] == "allow"
    assert raw.headers["x-guard-policy-version"] == "v1"
    assert raw.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("stream", [False, True])
def test_a_restricted_prompt_is_an_error(stream: bool) -> None:
    """HTTP 400 in the shape that Azure's clients know, streamed or not."""
    with guarded() as server, client_of(server) as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="up", messages=BAD, stream=stream)

    body: Any = caught.value.body
    assert caught.value.code == "content_filter"
    assert body["innererror"]["content_filter_result"] == {"emberglass": {"filtered": True, "severity": "high"}}


def test_a_restricted_stream_ends_as_the_protocol_wants() -> None:
    """The cleared part was delivered, nothing of the word; then finish reason, usage, end."""
    with guarded(FakeUpstream(says(LEAK * 3))) as server, client_of(server) as client:
        chunks = list(
            client.chat.completions.create(
                model="up", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
        )

    text, reasons = stream_text(chunks)
    assert text and LEAK.startswith(text)
    assert "melt" not in text
    assert reasons == ["content_filter"]
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 0


def test_a_blocked_stream_hangs_up_on_the_upstream() -> None:
    """The upstream's answer is cancelled, not read to its end."""
    upstream = FakeUpstream(says(LEAK + SOUP * 50, delay_s=0.01))
    with guarded(upstream) as server, client_of(server) as client:
        list(client.chat.completions.create(model="up", messages=ASK, stream=True))
        wait_until(lambda: upstream.open == 0)

    assert upstream.sent < 100


def test_a_restricted_answer_is_told_whole() -> None:
    """Without `stream`: HTTP 200, no content, a refusal, and `content_filter`."""
    with guarded(FakeUpstream(says(LEAK))) as server, client_of(server) as client:
        choice = client.chat.completions.create(model="up", messages=ASK).choices[0]

    assert choice.finish_reason == "content_filter"
    assert choice.message.content is None
    assert "sorry" in (choice.message.refusal or "")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_the_model_filtered_is_not_told_as_ours(stream: bool) -> None:
    """Where the endpoint itself ends with `content_filter`, its text stands, and no category of the guard is named."""
    with guarded(FakeUpstream(says(SOUP, finish="content_filter"))) as server:
        body = {"model": "up", "messages": ASK, "stream": stream}
        answer = httpx2.post(server.url + "/v1/chat/completions", json=body).text

    assert "content_filter" in answer
    assert "leeks" in answer
    assert "content_filter_results" not in answer


@pytest.mark.parametrize("stream", [False, True])
def test_a_block_before_the_first_character_looks_the_same_from_either_stage(stream: bool) -> None:
    """Status, body and headers but for ids and times are equal, whichever stage spoke."""
    body = {"model": "up", "stream": stream}
    loud = Guard(KeywordInputScorer("melt"), FakeStreamScorer(lambda _text, _place: 10.0), POLICY, version="v1")
    with guarded(guard=loud) as server:
        answers = [httpx2.post(server.url + "/v1/chat/completions", json=body | {"messages": m}) for m in (ASK, BAD)]

    of_output, of_input = answers
    assert of_output.status_code == of_input.status_code == 400
    assert of_output.json() == of_input.json()
    assert set(of_output.headers) == set(of_input.headers)
    assert of_output.headers["x-guard-decision"] == of_input.headers["x-guard-decision"] == "block"


@pytest.mark.parametrize("stream", [False, True])
def test_a_block_can_be_told_as_a_refusal(stream: bool) -> None:
    """With `on_input_block: refusal` it is an HTTP 200 whose finish reason is `content_filter`."""
    with guarded(blocking={"on_input_block": "refusal"}) as server, client_of(server) as client:
        answer: Any = client.chat.completions.create(model="up", messages=BAD, stream=stream)
        if stream:
            text, reasons = stream_text(answer)
        else:
            text, reasons = answer.choices[0].message.refusal, [answer.choices[0].finish_reason]

    assert "sorry" in text
    assert reasons == ["content_filter"]


def test_a_block_can_be_told_as_an_error_frame() -> None:
    """With `stream_block_style: error` the client raises on it."""
    with (
        guarded(FakeUpstream(says(LEAK)), blocking={"stream_block_style": "error"}) as server,
        client_of(server) as client,
        pytest.raises(openai.APIError) as caught,
    ):
        list(client.chat.completions.create(model="up", messages=ASK, stream=True))

    assert caught.value.code == "content_filter"


@pytest.mark.parametrize(("prompt_score", "is_halted"), [(-5.0, False), (-1.0, True)])
def test_a_suspicious_prompt_counts_in_its_answer(prompt_score: float, *, is_halted: bool) -> None:
    """An answer that passes by itself is halted after a prompt that was nearly refused."""
    policy = Policy(0.0, 0.0, prompt_weight=0.5, prompt_floor=-5.0)
    stream = FakeStreamScorer(lambda _text, place: -1.0 if place > 40 else -9.0)
    guard = Guard(FakeInputScorer(lambda _: prompt_score), stream, policy)
    with guarded(guard=guard) as server, client_of(server) as client:
        _, reasons = stream_text(client.chat.completions.create(model="up", messages=ASK, stream=True))

    assert reasons == ["content_filter" if is_halted else "stop"]


def test_every_choice_is_guarded() -> None:
    """One restricted choice ends them all with `content_filter`, and none delivers the word."""

    def script(index: int) -> list[bytes]:
        text = LEAK if index == 1 else SOUP
        return [chunk({"content": text[at : at + 3]}, index=index) for at in range(0, len(LEAK), 3)]

    frames = [frame for pair in zip(*(script(i) for i in range(3)), strict=False) for frame in pair]
    with guarded(FakeUpstream(sends(*frames))) as server, client_of(server) as client:
        chunks = list(client.chat.completions.create(model="up", messages=ASK, stream=True, n=3))

    reasons = {c.index: c.finish_reason for part in chunks for c in part.choices if c.finish_reason}
    assert reasons == dict.fromkeys(range(3), "content_filter")
    assert "melt" not in "".join(c.delta.content or "" for part in chunks for c in part.choices if c.index == 1)


@pytest.mark.parametrize("channel", ["reasoning_content", "reasoning", "refusal"])
def test_every_channel_of_text_is_guarded(channel: str) -> None:
    """What a client can read besides content halts the stream too."""
    with guarded(FakeUpstream(says(LEAK, channel=channel))) as server:
        body = {"model": "up", "messages": ASK, "stream": True}
        raw = httpx2.post(server.url + "/v1/chat/completions", json=body).text

    assert f'"{channel}": "First' in raw
    assert "melt" not in raw
    assert '"finish_reason": "content_filter"' in raw


def call_frames(arguments: str, name: str = "look_up") -> list[bytes]:
    """A tool call, its arguments in pieces of three characters."""
    head = {"index": 0, "id": "call_9", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [arguments[at : at + 3] for at in range(0, len(arguments), 3)]
    return [
        chunk({"tool_calls": [head]}),
        *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces),
        chunk({}, finish="tool_calls"),
        b"data: [DONE]\n\n",
    ]


TOOLS: Any = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]


def test_an_answer_can_be_handed_back_as_it_came() -> None:
    """The client's own objects, dumped whole, are a turn of the next request; the model gets what they say."""
    arguments = json.dumps({"dish": "leek soup"})
    with guarded(FakeUpstream(sends(*call_frames(arguments)))) as server, client_of(server) as client:
        said = client.chat.completions.create(model="up", messages=ASK, tools=TOOLS).choices[0].message
        result: Any = {"role": "tool", "tool_call_id": "call_9", "content": "ready"}
        for turn in (said, said.model_dump(), said.to_dict()):
            turns: Any = [*ASK, turn, result]
            client.chat.completions.create(model="up", messages=turns, tools=TOOLS)

    (asked,) = {json.dumps(body["messages"][1]["tool_calls"]) for body in server.upstream.asked[1:]}
    assert "leek soup" in asked
    assert "function_call" not in server.upstream.asked[2]["messages"][1]


@pytest.mark.parametrize("stream", [False, True])
def test_a_permitted_tool_call_passes_unchanged(stream: bool) -> None:
    """Id, name and arguments are the upstream's; the arguments are valid JSON."""
    arguments = json.dumps({"dish": "leek soup", "guests": list(range(30))})
    with guarded(FakeUpstream(sends(*call_frames(arguments)))) as server, client_of(server) as client:
        answer: Any
        if stream:
            with client.chat.completions.stream(model="up", messages=ASK, tools=TOOLS) as events:
                answer = events.get_final_completion()
        else:
            answer = client.chat.completions.create(model="up", messages=ASK, tools=TOOLS)

    call = answer.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_9", "look_up", arguments)
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(("arguments", "name"), [('{"how": "warm it well, then the melt"}', "look_up"), ("{}", "melt")])
def test_tool_calls_are_guarded(arguments: str, name: str) -> None:
    """A restricted word in the name or the arguments of a call is not delivered."""
    frames = [chunk({"content": "Let me look that up for you in the old book. "}), *call_frames(arguments, name)]
    with guarded(FakeUpstream(sends(*frames))) as server:
        body = {"model": "up", "messages": ASK, "stream": True, "tools": TOOLS}
        raw = httpx2.post(server.url + "/v1/chat/completions", json=body).text

    assert "Let me" in raw
    assert "melt" not in raw
    assert '"finish_reason": "content_filter"' in raw


def test_what_is_asked_reaches_the_upstream() -> None:
    """Sampling, stops, seeds, tools and forms are passed on as given; the client's key is not."""
    asked = {
        "max_tokens": 9,
        "seed": 3,
        "stop": ["END"],
        "temperature": 0.1,
        "n": 2,
        "response_format": {"type": "json_object"},
    }
    with guarded() as server, client_of(server) as client:
        client.chat.completions.create(model="up", messages=ASK, tools=TOOLS, **asked)  # pyright: ignore

    (body,) = server.upstream.asked
    assert {name: body[name] for name in asked} == asked
    assert body["tools"] == TOOLS
    assert body["messages"] == ASK
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert server.upstream.headers[0]["authorization"] == "Bearer secret"


def test_models_are_listed() -> None:
    """The upstream's models, by id."""
    with guarded() as server, client_of(server) as client:
        assert [model.id for model in client.models.list()] == ["up"]


def test_monitoring_changes_nothing_but_the_record() -> None:
    """In monitor mode a restricted answer passes whole, and counts as `would_block`."""
    with guarded(FakeUpstream(says(LEAK)), enforcement="monitor") as server, client_of(server) as client:
        answer = client.chat.completions.create(model="up", messages=BAD)
        assert (answer.choices[0].message.content or "").strip() == LEAK
        assert server.service.results == {"would_block": 1}
