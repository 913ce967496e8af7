"""Faults of clients: bodies that are no request, too large, too deep, too slow; clients that do not read, or vanish.

In: a try. Out: what came of it, and the endings that fit. Knows no process.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import replace

from fault_tries import ANSWERED, HALTED, Came, Fits, Try, answered_by, say, tell
from fault_wire import PATHS, Ending, Plan, Reply, Wire, connect, hang_up, head_of, read_reply

BAD_REQUEST = frozenset({"invalid_json", "invalid_value", "missing_field", "unknown_field", "unsupported_modality"})
MALFORMED: Fits = frozenset({"upstream_malformed"})
_ESTABLISHED = 1
"""A state of TCP_INFO."""


async def malformed_json(attempt: Try) -> Came:
    """A body with bytes changed, lost or added, or values of the wrong type."""
    attempt = replace(attempt, choices=1)
    rng, data = attempt.rng, json.dumps(attempt.body()).encode()
    match rng.randrange(5):
        case 0:
            data = data[: rng.randrange(len(data))]
        case 1:
            at = rng.randrange(len(data))
            data = data[:at] + bytes(rng.randrange(256) for _ in range(rng.randint(1, 4))) + data[at + 1 :]
        case 2:
            data = data + rng.choice([b"}", b",", b"\x00", b"\xff", b"{}", b"melt"])
        case 3:
            wrong = rng.choice([None, 1, -1.5, True, [], {}, "x", [[]], [{}], [{"role": {}}], {"role": "user"}])
            field = rng.choice(["messages", "input", "model", "stream", "n", "tools", "response_format", "extra"])
            data = json.dumps(attempt.body() | {field: wrong}).encode()
        case _:
            data = rng.choice([b"", b"null", b"[]", b'"x"', b"\xff\xfe{\x00", b"{" * 500, b'{"model": "\\ud800"}'])
    # What is still a request after all is answered, or stopped for the word that was added to it.
    return Came(await attempt.ask(data), BAD_REQUEST | ANSWERED | HALTED)


async def large_prompt(attempt: Try) -> Came:
    """Ten megabytes in one message."""
    text = "melt " * 2_000_000
    return Came(await attempt.ask(_with_text(attempt, text)), frozenset({"request_too_large"}))


def _with_text(attempt: Try, text: str) -> bytes:
    field = "input" if attempt.dialect == "responses" else "messages"
    return json.dumps(attempt.body() | {field: [{"role": "user", "content": text}]}).encode()


async def many_messages(attempt: Try) -> Came:
    """Ten thousand messages."""
    field = "input" if attempt.dialect == "responses" else "messages"
    body = attempt.body() | {field: [{"role": "user", "content": "melt"}] * 10_000}
    return Came(await attempt.ask(json.dumps(body).encode()), frozenset({"too_many_messages"}))


async def deep_nesting(attempt: Try) -> Came:
    """Lists and objects in one another, where any value is taken and where none is; in the upstream's frames too."""
    attempt = replace(attempt, choices=1)
    rng, depth = attempt.rng, attempt.rng.choice([50, 150, 190, 220, 900, 5_000, 100_000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    inner = opening * depth + b"1" + closing * depth
    if rng.random() < 0.3:
        frame = b'data: {"choices": ' + inner + b"}\n\n"
        story = tell(attempt)

        async def plan(wire: Wire) -> None:
            await wire.begin()
            await wire.send(*story.before, frame, *story.after)

        return await answered_by(attempt, plan, story.may_halt(MALFORMED))
    field = rng.choice(["messages", "input", "tool_choice", "response_format", "metadata", "extra", "tools"])
    data = json.dumps(attempt.body() | {field: "NEST"}).encode().replace(b'"NEST"', inner)
    return Came(await attempt.ask(data), BAD_REQUEST | ANSWERED)


async def slow_sender(attempt: Try) -> Came:
    """A request that trickles in, or stops in its head or its body."""
    rng, reply = attempt.rng, Reply()
    body = json.dumps(attempt.body()).encode()
    whole = head_of(PATHS[attempt.dialect], len(body), attempt.id) + body
    stop = rng.randrange(0, len(whole) - 60)
    reader, writer = await connect(attempt.url)

    async def trickle() -> None:
        writer.write(whole[:stop])
        for at in range(stop, stop + rng.choice([0, 10, 50])):
            await asyncio.sleep(0.2)
            writer.write(whole[at : at + 1])

    sending = asyncio.create_task(trickle())
    await read_reply(reader, reply, limit_s=20)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    hang_up(writer)
    return Came(attempt.ending(reply), frozenset({"request_timeout", "closed"}))


async def slow_reader(attempt: Try) -> Came:
    """A client that takes no more of a long answer: it is given up, and so is the model."""
    attempt.wire.plans[attempt.id] = _endless(attempt)
    body = json.dumps(attempt.body() | {"stream": True}).encode()
    reader, writer = await connect(attempt.url, room=4_096)
    writer.write(head_of(PATHS[attempt.dialect], len(body), attempt.id) + body)
    reply = Reply()
    await read_reply(reader, reply, limit_s=10, most_bytes=1)
    is_over = await _comes_true(lambda: _is_over(writer))
    is_given_up = await _comes_true(lambda: attempt.id not in attempt.wire.answering)
    await read_reply(reader, reply, limit_s=5)
    hang_up(writer, rudely=True)
    ending = attempt.ending(reply)
    if (
        is_given_up and reply.is_whole
    ):  # all that came before the upstream's time was up fitted into the system's buffers
        return Came(ending, frozenset({"upstream_timeout"}))
    kind = "still served" if not is_given_up else "closed" if is_over else "still connected"
    return Came(Ending(kind, ending.text), frozenset({"closed"}))


async def _comes_true(is_so: Callable[[], bool]) -> bool:
    """Whether it is so within 20 s."""
    for _ in range(400):
        if is_so():
            return True
        await asyncio.sleep(0.05)
    return False


def _is_over(writer: asyncio.StreamWriter) -> bool:
    """Whether the other side has given the connection up, though there may be more to be read."""
    state = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != _ESTABLISHED


def _endless(attempt: Try) -> Plan:
    async def plan(wire: Wire) -> None:
        await wire.begin()
        while True:
            await wire.send(*say([attempt.plant.benign] * 20, "content", attempt.choices))

    return plan


async def vanishing_client(attempt: Try) -> Came:
    """A client that hangs up: in its request, while nothing has come yet, in mid-stream; politely or by a reset."""
    rng, reply = attempt.rng, Reply()
    story = tell(attempt)

    async def plan(wire: Wire) -> None:
        await wire.begin()
        for frame in [*story.before, *story.after]:
            await wire.send(frame)
            await asyncio.sleep(0.003)

    attempt.wire.plans[attempt.id] = plan
    body = json.dumps(attempt.body()).encode()
    whole = head_of(PATHS[attempt.dialect], len(body), attempt.id) + body
    reader, writer = await connect(attempt.url)
    if rng.random() < 0.2:
        writer.write(whole[: rng.randrange(len(whole))])
        await asyncio.sleep(rng.random() / 20)
    else:
        writer.write(whole)
        await read_reply(reader, reply, limit_s=rng.random() / 5, most_bytes=rng.choice([1, 200, 2_000, 1 << 40]))
    hang_up(writer, rudely=rng.random() < 0.5)
    await asyncio.sleep(0.05)
    ending = attempt.ending(reply)
    kind = "closed" if ending.kind == "silent" or not reply.is_whole else ending.kind
    return Came(Ending(kind, ending.text), story.may_halt(frozenset({"closed", "content_filter", "answered"})))
