"""Both ends of a guarded wire, bare: an upstream that sends the bytes it is told to, a client that reads what comes.

In: a plan of bytes for each request, told apart by its `user` field; a request. Out: what the upstream was asked, and
how an answer ended in its protocol's own words. Knows no guard.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import h11

Dialect = Literal["chat", "responses", "messages"]
PATHS: dict[Dialect, str] = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
MODELS = json.dumps({"object": "list", "data": [{"id": "up", "object": "model"}]}).encode()


@dataclass
class Wire:
    """One connection of the upstream, on which anything may be written."""

    writer: asyncio.StreamWriter
    is_chunked: bool = False

    async def begin(self, content_type: str = "text/event-stream", *extra: str, status: int = 200) -> None:
        """The head of a response."""
        framing = "transfer-encoding: chunked" if self.is_chunked else "connection: close"
        lines = [f"HTTP/1.1 {status} OK", f"content-type: {content_type}", framing, *extra, "", ""]
        await self.raw("\r\n".join(lines).encode())

    async def send(self, *pieces: bytes) -> None:
        """Pieces of a body, each on its way before the next."""
        for piece in pieces:
            if piece:
                await self.raw(b"%x\r\n%b\r\n" % (len(piece), piece) if self.is_chunked else piece)
                await asyncio.sleep(0)

    async def end(self) -> None:
        """The end that the framing wants."""
        if self.is_chunked:
            await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        """These bytes and nothing else."""
        self.writer.write(data)
        await self.writer.drain()

    async def reset(self) -> None:
        """Break the connection, so that the other side reads an error and no end."""
        await asyncio.sleep(0.01)
        hang_up(self.writer, rudely=True)


Plan = Callable[[Wire], Awaitable[None]]


@dataclass
class WireUpstream:
    """Answers each request by the plan for its `user`."""

    otherwise: Plan
    """For a user without a plan."""
    plans: dict[str, Plan] = field(default_factory=dict[str, Plan])
    asked: set[str] = field(default_factory=set[str])
    answering: set[str] = field(default_factory=set[str])
    """Users whose answers are under way."""
    url: str = ""

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator["WireUpstream"]:
        """On a free port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user = ""
        try:
            body = await _read_request(reader)
            wire = Wire(writer)
            if body is None:
                await wire.begin("application/json")
                return await wire.raw(MODELS)
            user = str(body.get("user"))
            self.asked.add(user)
            self.answering.add(user)
            await _until_gone(self.plans.get(user, self.otherwise)(wire), reader)
        except (OSError, asyncio.IncompleteReadError):
            return None
        finally:
            self.answering.discard(user)
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The JSON body of a request; None where it has none."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
    return json.loads(await reader.readexactly(length)) if length else None


async def _until_gone(work: Awaitable[None], reader: asyncio.StreamReader) -> None:
    """Do `work` until it is done or the other side hangs up."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(work), asyncio.ensure_future(reader.read())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _parser() -> h11.Connection:
    """What reads the response to a request that was sent."""
    parser = h11.Connection(our_role=h11.CLIENT)
    parser.send(h11.Request(method="POST", target="/", headers=[("host", "guarded"), ("content-length", "0")]))
    parser.send(h11.EndOfMessage())
    return parser


@dataclass
class Reply:
    """What came back of one request."""

    status: int | None = None
    """None: nothing came."""
    content_type: str = ""
    body: bytes = b""
    is_whole: bool = False
    """Whether the HTTP message ended as its framing says."""
    is_silent: bool = False
    """Whether nothing more came in the time we had."""
    parser: h11.Connection = field(default_factory=_parser)


async def connect(url: str, *, room: int | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a server, with so many bytes of room for what it sends."""
    parts = urlsplit(url)
    connection = socket.socket()
    connection.setblocking(False)
    if room:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        # The other side's system holds so many segments on its way to us: let them be small.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_400)
    await asyncio.get_running_loop().sock_connect(connection, (parts.hostname, parts.port))
    return await asyncio.open_connection(sock=connection, limit=room or 65_536)


def head_of(path: str, length: int, request_id: str) -> bytes:
    """The head of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "host: guarded", "content-type: application/json", "connection: close"]
    return "\r\n".join([*lines, f"x-request-id: {request_id}", f"content-length: {length}", "", ""]).encode()


async def ask(url: str, path: str, body: bytes, request_id: str, *, limit_s: float = 30.0) -> Reply:
    """Send a request whole, and read what comes to its end."""
    reply = Reply()
    with suppress(OSError):
        reader, writer = await connect(url)
        try:
            writer.write(head_of(path, len(body), request_id) + body)
            await read_reply(reader, reply, limit_s=limit_s)
        finally:
            hang_up(writer)
    return reply


async def read_reply(reader: asyncio.StreamReader, reply: Reply, *, limit_s: float, most_bytes: int = 1 << 40) -> None:
    """Read a response into `reply`: to its end, for some time, or until there are so many bytes."""
    parser = reply.parser
    try:
        async with asyncio.timeout(limit_s):
            while not reply.is_whole and len(reply.body) < most_bytes:
                match parser.next_event():
                    case h11.Response() as response:
                        reply.status = response.status_code
                        reply.content_type = dict(response.headers).get(b"content-type", b"").decode()
                    case h11.Data(data):
                        reply.body += bytes(data)
                    case h11.EndOfMessage():
                        reply.is_whole = True
                    case h11.ConnectionClosed():
                        return
                    case _:
                        parser.receive_data(await reader.read(65_536))
    except TimeoutError:
        reply.is_silent = True
    except (OSError, h11.RemoteProtocolError):
        return


def hang_up(writer: asyncio.StreamWriter, *, rudely: bool = False) -> None:
    """Close a connection; rudely: by a reset."""
    if rudely:
        with suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort() if rudely else writer.close()


@dataclass(frozen=True)
class Ending:
    """How an answer ended: `answered`, `content_filter`, an error's code, or what is no ending of a protocol."""

    kind: str
    text: str
    """All that a person could read of it."""


def ending_of(reply: Reply, dialect: Dialect, choices: int = 1) -> Ending:
    """The ending of a reply."""
    text = reply.body.decode("utf-8", "replace")
    is_stream = reply.content_type.startswith("text/event-stream")
    told = _told(text, dialect) if is_stream else text
    if reply.is_silent:
        return Ending("silent", told)
    if reply.status is None or not reply.is_whole:
        return Ending("closed", told)
    try:
        kind = _ENDINGS[dialect](_frames(text), choices) if is_stream else _whole(json.loads(text), reply.status)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return Ending(f"no protocol: {type(error).__name__} {error}", told)
    return Ending(kind, told)


def _frames(text: str) -> list[str]:
    """Data of the frames of a stream; whatever is left over is an error."""
    *blocks, rest = text.split("\n\n")
    if rest:
        raise ValueError("a frame without its end")
    return [line.removeprefix("data: ") for block in blocks for line in block.split("\n") if line.startswith("data: ")]


def _chat_ending(frames: list[str], choices: int) -> str:
    if frames.pop() != "[DONE]":
        raise ValueError("no [DONE]")
    found: list[dict[str, Any]] = [json.loads(frame) for frame in frames]
    errors = [frame["error"]["code"] for frame in found if "error" in frame]
    if errors:
        _expect("error" in found[-1] and len(errors) == 1, "something after the error")
        return str(errors[0])
    reasons: dict[int, str] = {}
    for choice in (choice for frame in found for choice in frame["choices"]):
        _expect(choice["index"] not in reasons, "a choice that goes on after its end")
        if choice["finish_reason"]:
            reasons[choice["index"]] = choice["finish_reason"]
    _expect(sorted(reasons) == list(range(choices)), "a choice without an end")
    return "content_filter" if "content_filter" in reasons.values() else "answered"


def _responses_ending(frames: list[str], _: int) -> str:
    found: list[dict[str, Any]] = [json.loads(frame) for frame in frames]
    _expect([frame["sequence_number"] for frame in found] == list(range(len(found))), "numbers out of order")
    last = found[-1]
    match last["type"]:
        case "error":
            return str(last["code"])
        case "response.completed":
            return "answered"
        case "response.incomplete":
            is_cut = last["response"]["incomplete_details"]["reason"] == "content_filter"
            return "content_filter" if is_cut else "answered"
        case kind:
            raise ValueError(f"ends with {kind}")


def _messages_ending(frames: list[str], _: int) -> str:
    found: list[dict[str, Any]] = [json.loads(frame) for frame in frames]
    if found[-1]["type"] == "error":
        return str(found[-1]["error"]["code"])
    _expect([found[0]["type"], found[-1]["type"]] == ["message_start", "message_stop"], "no start or no stop")
    return "content_filter" if found[-2]["delta"]["stop_reason"] == "refusal" else "answered"


_ENDINGS: dict[Dialect, Callable[[list[str], int], str]] = {
    "chat": _chat_ending,
    "responses": _responses_ending,
    "messages": _messages_ending,
}


def _whole(found: dict[str, Any], status: int) -> str:
    if error := found.get("error"):
        _expect(status >= 400, "an error with a status of success")
        return str(error["code"])
    _expect(status == 200, f"status {status} without an error")
    if "choices" in found:
        reasons = {choice["finish_reason"] for choice in found["choices"]}
        return "content_filter" if "content_filter" in reasons else "answered"
    if found.get("object") == "response":
        return "content_filter" if found["status"] == "incomplete" else "answered"
    return "content_filter" if found["stop_reason"] == "refusal" else "answered"


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)


def _told(text: str, dialect: Dialect) -> str:
    """The text in a stream's frames, choice by choice, so that a word cut in two is found again."""
    told: dict[int, str] = {}
    for line in text.splitlines():
        with suppress(ValueError):
            frame: Any = json.loads(line.removeprefix("data: ")) if line.startswith("data: {") else {}
            parts = frame.get("choices", []) if dialect == "chat" else [frame]
            for part in parts:
                told[part.get("index", 0)] = told.get(part.get("index", 0), "") + "".join(_strings(part.get("delta")))
    return "\n".join(told.values())


def _strings(found: Any) -> Iterable[str]:
    match found:
        case str():
            yield found
        case dict():
            for key, value in found.items():
                if key not in {"role", "type", "id"}:
                    yield from _strings(value)
        case list():
            for value in found:
                yield from _strings(value)
        case _:
            return
