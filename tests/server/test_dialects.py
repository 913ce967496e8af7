"""The Responses and the Messages protocol, guarded like chat completions."""

import json
from typing import Any

import httpx2
import openai
import pytest
from tests.server.serving import Guarded, guarded
from tests.server.test_chat import call_frames

from lictor.testing.upstreams import LEAK, SOUP, FakeUpstream, chunk, says, sends

ASK = "What is for lunch?"
BAD = "Tell me about the melt"
TOOLS: Any = [{"type": "function", "name": "look_up", "parameters": {"type": "object"}, "strict": False}]


def client_of(server: Guarded) -> openai.OpenAI:
    """The official client, without retries."""
    return openai.OpenAI(base_url=server.url + "/v1", api_key="k", max_retries=0, timeout=20)


def message(server: Guarded, body: dict[str, Any] | None = None, **extra: Any) -> httpx2.Response:
    """The response to a Messages request."""
    asked = {"model": "up", "max_tokens": 99, "messages": [{"role": "user", "content": ASK}]} | (body or {}) | extra
    return httpx2.post(server.url + "/v1/messages", json=asked, timeout=20)


def events_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    """The data of a stream's events; each is named by its type."""
    frames = [frame.split("\n") for frame in answer.text.strip().split("\n\n")]
    found = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name for name, _ in frames] == [f"event: {event['type']}" for event in found]
    return found


def test_responses_arrive_whole() -> None:
    """Text, status and usage."""
    with guarded() as server, client_of(server) as client:
        answer = client.responses.create(model="up", input=ASK, instructions="Be brief.")

    assert answer.output_text.strip() == SOUP.strip()
    assert answer.status == "completed"
    assert answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 11)
    assert server.upstream.asked[0]["messages"][0] == {"role": "system", "content": "Be brief."}


def test_responses_stream() -> None:
    """The SDK accumulates the stream to the response it would have got whole; numbers run on."""
    with guarded() as server, client_of(server) as client, client.responses.stream(model="up", input=ASK) as stream:
        events = list(stream)
        final = stream.get_final_response()

    assert final.output_text.strip() == SOUP.strip()
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == sorted(
        event.sequence_number for event in events
    )
    assert events[-1].type == "response.completed"


def test_a_restricted_response_is_incomplete() -> None:
    """Streamed: what was cleared, then `incomplete` with the reason; whole: a refusal."""
    with guarded(FakeUpstream(says(LEAK))) as server, client_of(server) as client:
        events = list(client.responses.create(model="up", input=ASK, stream=True))
        whole = client.responses.create(model="up", input=ASK)

    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text and LEAK.startswith(text) and "melt" not in text
    last: Any = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "content_filter"
    assert whole.status == "incomplete"
    assert "melt" not in whole.model_dump_json()
    assert whole.output_text == ""


def test_a_response_can_be_handed_back_as_it_came() -> None:
    """The client's own items, or what they are made of, are the input of the next request."""
    frames = [chunk({"reasoning_content": "They are hungry."}), chunk({"content": "Let me see. "})]
    with (
        guarded(FakeUpstream(sends(*frames, *call_frames('{"dish": "soup"}')))) as server,
        client_of(server) as client,
    ):
        said = client.responses.create(model="up", input=ASK, tools=TOOLS).output
        result = {"type": "function_call_output", "call_id": "call_9", "output": "ready"}
        for items in (said, [item.to_dict() for item in said]):
            given: Any = [{"role": "user", "content": ASK}, *items, result]
            client.responses.create(model="up", input=given, tools=TOOLS)

    (turns,) = {json.dumps(body["messages"]) for body in server.upstream.asked[1:]}
    assert [turn["role"] for turn in json.loads(turns)] == ["user", "assistant", "assistant", "tool"]


def test_a_message_can_be_handed_back_as_it_came() -> None:
    """The official client's own blocks are a turn of the next request."""
    frames = [chunk({"reasoning_content": "They are hungry."}), chunk({"content": "Let me see. "})]
    tools = [{"name": "look_up", "input_schema": {"type": "object"}}]
    with guarded(FakeUpstream(sends(*frames, *call_frames('{"dish": "soup"}')))) as server:
        said = message(server, tools=tools).json()["content"]
        result = {"type": "tool_result", "tool_use_id": "call_9", "content": "ready"}
        turns = [
            {"role": "user", "content": ASK},
            {"role": "assistant", "content": said},
            {"role": "user", "content": [result]},
        ]
        again = message(server, tools=tools, messages=turns)

    assert again.status_code == 200
    assert [turn["role"] for turn in server.upstream.asked[1]["messages"]] == ["user", "assistant", "tool"]


def test_half_a_call_is_told_as_incomplete() -> None:
    """A call that was cut off is no `completed` item, and its arguments are never said to be done."""
    arguments = '{"steps": "First of all you take a pot and warm it slowly over the fire. Then the melt"}'
    with guarded(FakeUpstream(sends(*call_frames(arguments)))) as server:
        body = {"model": "up", "input": ASK, "stream": True, "tools": TOOLS}
        events = events_of(httpx2.post(server.url + "/v1/responses", json=body))

    (done,) = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert (done["type"], done["status"]) == ("function_call", "incomplete")
    assert done["arguments"] and arguments.startswith(done["arguments"])
    assert "response.function_call_arguments.done" not in {event["type"] for event in events}
    assert events[-1]["response"]["output"] == [done]


def test_calls_that_take_turns_are_told_one_after_the_other() -> None:
    """Whatever order their pieces come in, a block ends before the next begins, as both protocols want it."""
    calls = [{"index": at, "id": f"call_{at}", "function": {"name": f"tool_{at}", "arguments": ""}} for at in (0, 1)]
    pieces = [{"index": at, "function": {"arguments": piece}} for piece in ('{"a"', ": 1}") for at in (0, 1)]
    frames = [chunk({"tool_calls": [call]}) for call in [*calls, *pieces]]
    with guarded(FakeUpstream(sends(*frames, chunk({}, finish="tool_calls"), b"data: [DONE]\n\n"))) as server:
        said = events_of(message(server, stream=True))
        body = {"model": "up", "input": ASK, "stream": True}
        responded = events_of(httpx2.post(server.url + "/v1/responses", json=body))

    order = [(e["type"], e["index"]) for e in said if e["type"] in {"content_block_start", "content_block_stop"}]
    assert order == [(f"content_block_{what}", at) for at in (0, 1) for what in ("start", "stop")]
    order = [(e["type"], e["output_index"]) for e in responded if "output_item" in e["type"]]
    assert order == [(f"response.output_item.{what}", at) for at in (0, 1) for what in ("added", "done")]
    assert [item["arguments"] for item in responded[-1]["response"]["output"]] == ['{"a": 1}'] * 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_restricted_prompt_is_an_error_in_responses(*, stream: bool) -> None:
    """HTTP 400 with the code that chat completions have, wherever in the input it stands."""
    inputs: list[Any] = [
        BAD,
        [{"role": "user", "content": [{"type": "input_text", "text": BAD}]}],
        [{"role": "user", "content": ASK}, {"type": "function_call_output", "call_id": "c", "output": BAD}],
    ]
    with guarded() as server, client_of(server) as client:
        for asked in inputs:
            with pytest.raises(openai.BadRequestError) as caught:
                client.responses.create(model="up", input=asked, stream=stream)
            assert caught.value.code == "content_filter"


def test_tool_calls_of_responses() -> None:
    """A call arrives streamed and whole; a restricted one does not."""
    arguments = json.dumps({"dish": "leek soup"})
    with guarded(FakeUpstream(sends(*call_frames(arguments)))) as server, client_of(server) as client:
        whole: Any = client.responses.create(model="up", input=ASK, tools=TOOLS).output[0]
        with client.responses.stream(model="up", input=ASK, tools=TOOLS) as stream:
            streamed: Any = stream.get_final_response().output[0]
    for call in (whole, streamed):
        assert (call.type, call.call_id, call.name, call.arguments) == ("function_call", "call_9", "look_up", arguments)
    assert server.upstream.asked[0]["tools"][0]["function"]["name"] == "look_up"

    bad = [chunk({"content": "Let me look that up for you in the old book. "}), *call_frames('{"x": "the melt now"}')]
    with guarded(FakeUpstream(sends(*bad))) as server:
        body = {"model": "up", "input": ASK, "stream": True, "tools": TOOLS}
        assert "melt" not in httpx2.post(server.url + "/v1/responses", json=body).text


@pytest.mark.parametrize(
    "extra",
    [
        {"include": ["reasoning.encrypted_content"], "store": False},
        {"previous_response_id": None, "background": False},
        {"reasoning": {"effort": "low", "summary": "auto"}},
        {"stream_options": {"include_obfuscation": False}},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "ok"}]}]},
    ],
)
def test_responses_take_what_clients_send_unasked(extra: dict[str, Any]) -> None:
    """What asks for nothing this service has is no error: agents and evaluators send it with every request."""
    with guarded() as server:
        answer = httpx2.post(server.url + "/v1/responses", json={"model": "up", "input": ASK} | extra)

    assert (answer.status_code, answer.json().get("status")) == (200, "completed")


@pytest.mark.parametrize(
    "extra",
    [
        {"previous_response_id": "r"},
        {"tools": [{"type": "web_search"}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        {"background": True},
        {"input": [{"type": "secret_kind", "id": "x"}]},
        {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "secret_kind": 1}]},
        {"include": ["file_search_call.results"]},
    ],
)
def test_responses_refuse_what_is_not_guarded(extra: dict[str, Any]) -> None:
    """State kept elsewhere, hosted tools and images are typed errors; the upstream is not asked."""
    with guarded() as server:
        answer = httpx2.post(server.url + "/v1/responses", json={"model": "up", "input": ASK} | extra)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "MessageItem" not in answer.text
    assert "secret_kind' " not in answer.text
    assert server.upstream.asked == []


def test_messages_arrive_whole() -> None:
    """Content, stop reason and usage; system and stop sequences reach the model."""
    with guarded() as server:
        answer = message(server, system="Be brief.", stop_sequences=["END"]).json()

    assert answer["content"][0]["text"].strip() == SOUP.strip()
    assert (answer["type"], answer["role"], answer["stop_reason"]) == ("message", "assistant", "end_turn")
    assert answer["usage"] == {"input_tokens": 7, "output_tokens": 11}
    asked = server.upstream.asked[0]
    assert (asked["messages"][0]["content"], asked["stop"], asked["max_tokens"]) == ("Be brief.", ["END"], 99)


def test_messages_stream() -> None:
    """One start, blocks one after the other, one delta with reason and usage, one stop."""
    script = sends(
        chunk({"reasoning_content": "They are hungry. "}),
        chunk({"content": SOUP}),
        chunk({}, finish="stop"),
    )
    with guarded(FakeUpstream(script)) as server:
        events = events_of(message(server, stream=True))

    kinds = [event["type"] for event in events if event["type"] != "content_block_delta"]
    block = ["content_block_start", "content_block_stop"]
    assert kinds == ["message_start", *block, *block, "message_delta", "message_stop"]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(d.get("thinking", "") for d in deltas) == "They are hungry. "
    assert "".join(d.get("text", "") for d in deltas) == SOUP
    assert events[-2]["delta"]["stop_reason"] == "end_turn"
    assert events[-2]["usage"]["output_tokens"] > 0


def test_a_restricted_message_ends_with_refusal() -> None:
    """Streamed and whole the stop reason is `refusal`, and the word is not there."""
    with guarded(FakeUpstream(says(LEAK))) as server:
        streamed, whole = message(server, stream=True), message(server)

    events = events_of(streamed)
    assert [e["type"] for e in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == whole.json()["stop_reason"] == "refusal"
    assert "First" in streamed.text
    assert "melt" not in streamed.text + whole.text


def test_a_restricted_prompt_is_an_error_in_messages() -> None:
    """HTTP 400 in this protocol's shape, wherever in the input it stands."""
    turns: list[Any] = [
        [{"role": "user", "content": BAD}],
        [{"role": "user", "content": [{"type": "text", "text": BAD}]}],
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "x", "input": {"q": BAD}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "ok"}]},
        ],
    ]
    with guarded() as server:
        answers = [message(server, messages=m, stream=stream) for m in turns for stream in (False, True)]
        system = message(server, system=BAD)

    for answer in (*answers, system):
        body = answer.json()
        assert (answer.status_code, body["type"]) == (400, "error")
        assert (body["error"]["type"], body["error"]["code"]) == ("invalid_request_error", "content_filter")


def test_every_error_of_messages_has_its_shape() -> None:
    """Too large, not served, not allowed, no room: `type: error`, whichever layer says so; rejections are counted."""
    limits = {"streams": 1, "body_bytes": 1000}
    with guarded(FakeUpstream(says(SOUP, delay_s=0.05)), limits=limits) as server:
        body = {"model": "up", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": ASK}]}
        with httpx2.stream("POST", server.url + "/v1/messages", json=body) as first:
            pieces = first.iter_bytes()
            next(pieces)
            busy = message(server, thinking={"type": "disabled"})
        answers = [
            busy,
            message(server, system="x" * 2000),
            httpx2.get(server.url + "/v1/messages"),
            httpx2.post(server.url + "/v1/messages/count_tokens", json={}),
        ]
        metrics = httpx2.get(server.url + "/metrics").text

    assert [(a.status_code, a.json()["type"], a.json()["error"]["type"]) for a in answers] == [
        (429, "error", "rate_limit_error"),
        (413, "error", "request_too_large"),
        (405, "error", "invalid_request_error"),
        (404, "error", "not_found_error"),
    ]
    assert "guardrails_stream_rejections_total 1.0" in metrics


def test_tool_calls_of_messages() -> None:
    """A call arrives as a `tool_use` block, its input in pieces when streamed."""
    arguments = {"dish": "leek soup"}
    tools = [{"name": "look_up", "input_schema": {"type": "object"}, "description": "looks up"}]
    with guarded(FakeUpstream(sends(*call_frames(json.dumps(arguments))))) as server:
        whole = message(server, tools=tools, tool_choice={"type": "any"}).json()
        events = events_of(message(server, tools=tools, stream=True))

    assert whole["content"] == [{"type": "tool_use", "id": "call_9", "name": "look_up", "input": arguments}]
    assert whole["stop_reason"] == "tool_use"
    parts = [e["delta"]["partial_json"] for e in events if e["type"] == "content_block_delta"]
    assert json.loads("".join(parts)) == arguments
    assert server.upstream.asked[0]["tool_choice"] == "required"


@pytest.mark.parametrize(
    "extra",
    [
        {"thinking": {"type": "enabled", "budget_tokens": 9}},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"max_tokens": 0},
    ],
)
def test_messages_refuse_what_is_not_guarded(extra: dict[str, Any]) -> None:
    """Unknown fields, images and hosted tools are typed errors; the upstream is not asked."""
    with guarded() as server:
        answer = message(server, extra)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert server.upstream.asked == []


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
def test_a_fault_in_mid_stream_is_an_error_event(path: str) -> None:
    """A broken-off answer ends with the protocol's error event, and nothing after it."""
    body = {"model": "up", "stream": True} | (
        {"input": ASK} if "resp" in path else {"max_tokens": 9, "messages": [{"role": "user", "content": ASK}]}
    )
    with guarded(FakeUpstream(sends(chunk({"content": SOUP})))) as server:
        events = events_of(httpx2.post(server.url + path, json=body))

    assert events[-1]["type"] == "error"
    assert "upstream_truncated" in json.dumps(events[-1])
