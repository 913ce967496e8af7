"""Requests, read strictly."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lictor.server.errors import RequestError
from lictor.server.gateway import GatewayRequest
from lictor.server.messages_requests import MessagesRequest
from lictor.server.requests import ChatRequest, conversation_of, read_request
from lictor.server.responses_requests import ResponsesRequest
from lictor.types import Message

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_turn = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "robot"]) | _json},
    optional=dict.fromkeys(("content", "tool_calls", "name", "tool_call_id", "audio", "refusal"), _json),
)
_body = st.fixed_dictionaries(
    {"model": st.just("m") | _json, "messages": st.lists(_turn | _json, max_size=3) | _json},
    optional=dict.fromkeys(("n", "stream", "tools", "stop", "logprobs", "x", "response_format"), _json),
)


@settings(max_examples=150)
@given(body=_body | _json)
def test_any_body_is_a_request_or_a_typed_error(body: object) -> None:
    """Whatever JSON a client sends: a request whose conversation can be read, or a RequestError with a code."""
    try:
        request = read_request(ChatRequest, json.dumps(body).encode())
    except RequestError as error:
        assert error.status == 400
        assert error.code
        return

    assert len(conversation_of(request.messages)) == len(request.messages)


_part = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "input_text", "tool_use", "tool_result", "thinking", "function_call", "image"])},
    optional=dict.fromkeys(("text", "id", "name", "input", "content", "call_id", "arguments", "output", "role"), _json),
)
_turns = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]) | _json},
        optional={"content": st.text(max_size=8) | st.lists(_part, max_size=3) | _json},
    )
    | _part
    | _json,
    max_size=3,
)
_other = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": _turns, "max_tokens": st.just(5)},
    optional=dict.fromkeys(("system", "tools", "tool_choice", "stream", "x"), _json),
) | st.fixed_dictionaries(
    {"model": st.just("m"), "input": st.text(max_size=8) | _turns},
    optional=dict.fromkeys(("instructions", "tools", "text", "reasoning", "stream", "x"), _json),
)


@settings(max_examples=200, deadline=None)
@given(model=st.sampled_from([MessagesRequest, ResponsesRequest]), body=_other)
def test_any_body_of_the_other_protocols_too(model: type[MessagesRequest | ResponsesRequest], body: object) -> None:
    """Messages and responses become a chat request whose conversation can be read, or a RequestError with a code."""
    try:
        chat = read_request(model, json.dumps(body).encode()).chat()
    except RequestError as error:
        assert error.status == 400
        assert error.code
        return

    assert conversation_of(chat.messages, chat.tools, chat.response_format)


@settings(max_examples=100, deadline=None)
@given(
    body=st.fixed_dictionaries(
        {"input_type": st.sampled_from(["request", "response"])},
        optional={
            "texts": st.none() | st.lists(st.text(max_size=8), max_size=3),
            "structured_messages": st.lists(st.dictionaries(st.sampled_from(["role", "content", "x"]), _json)),
            **dict.fromkeys(("tools", "tool_calls", "images"), st.none() | st.lists(_json, max_size=2)),
        },
    )
)
def test_a_gateways_request_leaves_nothing_out(body: dict[str, Any]) -> None:
    """Every text that a gateway hands over is in a conversation to be judged."""
    conversations = read_request(GatewayRequest, json.dumps(body).encode()).conversations()

    told = "\n".join(message.content for conversation in conversations for message in conversation)
    assert all(text in told for text in body.get("texts") or ())
    assert all(conversations)


@given(raw=st.binary(max_size=60))
def test_any_bytes_are_a_typed_error(raw: bytes) -> None:
    """Bytes that are no request are a RequestError."""
    try:
        read_request(ChatRequest, raw)
    except RequestError as error:
        assert error.code


def test_a_guard_reads_all_that_the_model_reads() -> None:
    """Tool definitions, forms, parts, names, reasoning, calls and results are all in the conversation."""
    body: dict[str, Any] = {
        "model": "m",
        "tools": [{"type": "function", "function": {"name": "find", "description": "finds the ALPHA"}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"title": "BETA"}}},
        "messages": [
            {"role": "developer", "content": "be GAMMA", "name": "ETA"},
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "DELTA",
                "tool_calls": [{"id": "c1", "function": {"name": "find", "arguments": '{"q": "EPSILON"}'}}],
            },
            {"role": "tool", "content": "ZETA", "tool_call_id": "c1"},
        ],
    }
    request = read_request(ChatRequest, json.dumps(body).encode())

    conversation = conversation_of(request.messages, request.tools, request.response_format)

    assert [m.role for m in conversation] == ["system", "system", "user", "assistant", "tool"]
    assert conversation[2] == Message("user", "one\ntwo")
    text = "\n".join(m.content for m in conversation)
    assert [w for w in ("ALPHA", "BETA", "GAMMA", "DELTA", "EPSILON", "ZETA", "ETA:") if w not in text] == []


def test_errors_do_not_repeat_what_was_sent() -> None:
    """A message names the field and what was expected, never the value."""
    try:
        read_request(ChatRequest, b'{"model": "m", "messages": [{"role": "user", "content": 7}], "n": "melt"}')
    except RequestError as error:
        assert "melt" not in str(error)
        assert "7" not in str(error)
