"""Faults of upstreams: silence, resets, noise, lies, repetition, no end; and of scorers that fail on a word.

In: a try. Out: what came of it, and the endings that fit. Knows no process.
"""

import asyncio
import json
from collections.abc import Callable

from fault_tries import ANSWERED, HALTED, Came, Case, Fault, Fits, Try, answered_by, cut, end, framed, say, tell
from fault_wire import Ending, Wire

TRUNCATED: Fits = frozenset({"upstream_truncated"})
MALFORMED: Fits = frozenset({"upstream_malformed"})
BROKEN: Fits = TRUNCATED | MALFORMED | {"upstream_reset"}


async def no_fault(attempt: Try) -> Came:
    """Nothing is wrong: a permitted answer passes whole, a restricted one is halted before its marker."""
    story = tell(attempt)

    async def plan(wire: Wire) -> None:
        await framed(attempt, wire).begin()
        await wire.send(*story.before, *(story.after if story.has_marker else end(attempt.choices)))
        await wire.end()

    return await answered_by(attempt, plan, HALTED if story.has_marker else ANSWERED)


async def trickling(attempt: Try) -> Came:
    """A stream of a few words a second, restricted ones among them; it may be cut off at any time."""
    story = tell(attempt)

    async def plan(wire: Wire) -> None:
        await wire.begin()
        for frame in [*story.before, *story.after]:
            await wire.send(frame)
            await asyncio.sleep(0.25)

    return await answered_by(attempt, plan, frozenset({"closed", "content_filter", "answered"}))


async def malformed_sse(attempt: Try) -> Came:
    """Frames that are not as they should be; odd ones that the format allows are read."""
    story, rng = tell(attempt), attempt.rng
    legal: list[Callable[[bytes], bytes]] = [
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.replace(b"\n", b"\r"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b"data: ", b": a comment\nevent: x\nid: 7\ndata:"),
        lambda raw: raw.replace(b'"choices"', b'\ndata: "choices"'),
    ]
    broken: list[tuple[bytes, Fits]] = [
        (b"data: {melt\n\n", MALFORMED),
        (b"data: \n\n", MALFORMED),
        (b"data: [DONE\n\n", MALFORMED),
        (b'data: {"choices": {"index": 0}}\n\n', MALFORMED),
        (b'data: {"choices": [{"index": 77, "delta": {"content": "melt"}}]}\n\n', MALFORMED),
        (b'data: {"choices": [{"index": 0, "delta": {"content": ["melt"]}}]}\n\n', MALFORMED),
        (b'data: {"error": {"message": "melt"}}\n\n', frozenset({"upstream_failed"})),
        (b"data: " + b"[" * 100_000 + b"\n\n", MALFORMED),
        (b"data: " + b"m" * 1_200_000, MALFORMED),
    ]
    if rng.random() < 0.4:
        dressed = rng.choice(legal)(b"".join(story.before + end(attempt.choices)))
        pieces, fits = cut(rng, dressed, 80), ANSWERED
        if story.has_marker:
            fits = HALTED
    else:
        fault, fits = rng.choice(broken)
        pieces, fits = [*story.before, fault, *story.after], story.may_halt(fits)

    async def plan(wire: Wire) -> None:
        await framed(attempt, wire).begin()
        await wire.send(*pieces)
        await wire.end()

    return await answered_by(attempt, plan, fits)


async def half_characters(attempt: Try) -> Came:
    """A few bytes at a time, so that characters are cut in half; the last one for good, at times."""
    rng = attempt.rng
    has_marker, is_torn = rng.random() < 0.5, rng.random() < 0.3
    spoken = [rng.choice(["Lauchsüppchen", "🔔", "слово", "汤", "नमस्ते", "é"]) for _ in range(rng.randint(5, 20))]
    told = [*spoken, *(attempt.plant.restricted.split() if has_marker else []), *["汤"] * 20]
    raw = b"".join(_unescaped(frame) for frame in say(told, "content", attempt.choices))
    raw = raw[: raw.rindex("汤".encode()) + 1] if is_torn else raw + b"".join(end(attempt.choices))

    async def plan(wire: Wire) -> None:
        await framed(attempt, wire).begin()
        await wire.send(*cut(rng, raw, 3))
        await wire.end()

    fits = HALTED if has_marker else TRUNCATED if is_torn else ANSWERED
    came = await answered_by(attempt, plan, fits)
    if came.ending.kind == "answered" and any(word not in came.ending.text for word in spoken):
        return Came(Ending("no protocol: a character was lost", came.ending.text), came.fits)
    return came


def _unescaped(frame: bytes) -> bytes:
    """A frame whose characters are bytes of UTF-8."""
    return b"data: " + json.dumps(json.loads(frame[6:]), ensure_ascii=False).encode() + b"\n\n"


async def stalling(attempt: Try) -> Came:
    """An upstream that goes silent: before its head, after it, in mid-stream, inside a frame."""
    story, where = tell(attempt), attempt.rng.randrange(4)

    async def plan(wire: Wire) -> None:
        if where > 0:
            await framed(attempt, wire).begin()
        if where > 1:
            await wire.send(*story.before)
        if where > 2:
            await wire.send(story.after[0][:-9])
        await asyncio.sleep(60)

    return await answered_by(attempt, plan, story.may_halt(frozenset({"upstream_timeout"})))


async def resetting(attempt: Try) -> Came:
    """An upstream that breaks the connection: at once, after its head, in mid-stream, inside a frame or a chunk."""
    story, where = tell(attempt), attempt.rng.randrange(5)

    async def plan(wire: Wire) -> None:
        if where > 0:
            await framed(attempt, wire).begin()
        if where > 1:
            await wire.send(*story.before)
        if where > 2:
            await wire.send(story.after[0][:-9])
        if where > 3 and wire.is_chunked:
            await wire.raw(b"ff\r\ndata: ")
        await wire.reset()

    return await answered_by(attempt, plan, story.may_halt(frozenset({"upstream_reset"})))


async def lying(attempt: Try) -> Came:
    """A head that says what the body is not: its type, its length, its coding, its status."""
    story, rng = tell(attempt), attempt.rng
    after = story.after if story.has_marker else end(attempt.choices)
    right: Fits = HALTED if story.has_marker else ANSWERED
    lies: list[tuple[str, tuple[str, ...], int, Fits]] = [
        ("text/html", (), 200, right),
        ("application/octet-stream", (), 200, right),
        ("", (), 200, right),
        ("application/json", (), 200, MALFORMED),
        ("application/json; charset=utf-16", (), 200, MALFORMED),
        ("text/event-stream", ("content-encoding: gzip",), 200, frozenset({"upstream_reset"})),
        ("text/event-stream", ("content-encoding: br",), 200, right | BROKEN),
        ("text/event-stream", ("content-length: 40",), 200, story.may_halt(BROKEN)),
        ("text/event-stream", ("content-length: 9999999",), 200, right | BROKEN),
        ("text/event-stream", ("content-length: -1",), 200, frozenset({"upstream_reset"})),
        ("text/event-stream", ("content-length: 1", "content-length: 2"), 200, frozenset({"upstream_reset"})),
        ("text/event-stream", ("transfer-encoding: chunked",), 200, frozenset({"upstream_reset"})),
        ("text/event-stream", ("location: http://127.0.0.1:9/",), 302, frozenset({"upstream_failed"})),
        ("text/event-stream", (), 204, frozenset({"upstream_failed"})),
        ("text/event-stream", (), 500, frozenset({"upstream_failed"})),
        ("text/event-stream", (), 429, frozenset({"upstream_busy"})),
    ]
    content_type, extra, status, fits = rng.choice(lies)

    async def plan(wire: Wire) -> None:
        await wire.begin(content_type, *extra, status=status)
        await wire.send(*story.before, *after)

    return await answered_by(attempt, plan, fits)


async def garbage(attempt: Try) -> Came:
    """An upstream that sends noise: instead of a response, instead of frames, between them."""
    story, rng = tell(attempt), attempt.rng
    noise = rng.randbytes(rng.randint(1, 20_000)) + rng.choice(
        [b"", b"\n\n", b"melt\n\n", b"<html>melt</html>\r\n\r\n"]
    )
    where = rng.randrange(3)
    fits = [frozenset({"upstream_reset"}), TRUNCATED | MALFORMED, story.may_halt(TRUNCATED | MALFORMED)][where]

    async def plan(wire: Wire) -> None:
        if where > 0:
            await framed(attempt, wire).begin()
        if where > 1:
            await wire.send(*story.before)
        await wire.send(*cut(rng, noise, 5_000), b"\n\ndata: " + noise[:100].hex().encode() + b"\n\n")
        await wire.end()

    return await answered_by(attempt, plan, fits)


async def repeating(attempt: Try) -> Came:
    """An upstream that says things twice, or one thing for ever."""
    story, rng = tell(attempt), attempt.rng
    tail = end(attempt.choices)
    right: Fits = HALTED if story.has_marker else ANSWERED
    once = story.before
    match rng.randrange(5):
        case 0:
            # Restricted words said twice each are another text, and whether a guard knows it another question.
            frames = [*once, *tail] * 2 if story.has_marker else [frame for frame in [*once, *tail] for _ in range(2)]
        case 1:
            frames = [*once, *tail[:-1], *once, *story.after]
        case 2:
            frames = [*once, *tail, *once, *story.after]
        case 3:
            frames = [*once, *tail[:-1], *tail[:-1], *story.after]
        case _:
            frames = []

    async def plan(wire: Wire) -> None:
        await framed(attempt, wire).begin()
        await wire.send(*(frames or once))
        while not frames:
            await wire.send(*once)
            await asyncio.sleep(0.2)
        await wire.end()

    endless = story.may_halt(frozenset({"upstream_timeout", "answer_too_long"}))
    return await answered_by(attempt, plan, right if frames else endless)


async def no_done(attempt: Try) -> Came:
    """An answer without `[DONE]`: with its finish reasons it is whole, without them it broke off."""
    story, rng = tell(attempt), attempt.rng
    has_end = rng.random() < 0.5
    fits = ANSWERED if has_end else TRUNCATED
    torn = rng.choice([b"", b"data: ", b'data: {"choices": [{"index": 0, "delta": {"content": "melt'])

    async def plan(wire: Wire) -> None:
        await framed(attempt, wire).begin()
        await wire.send(*story.before, *(end(attempt.choices)[:-1] if has_end else []), torn)
        await wire.end()

    fits = HALTED if story.has_marker and has_end else story.may_halt(fits)
    return await answered_by(attempt, plan, fits)


def crashing(*words: str) -> Fault:
    """A scorer that fails in mid-stream, on one of these words."""

    async def fault(attempt: Try) -> Came:
        story, word = tell(attempt), attempt.rng.choice(words)
        fatal = say([word], "content", attempt.choices)
        codes = frozenset({"crashed", "scorer_failed", "out_of_memory"})

        async def plan(wire: Wire) -> None:
            await framed(attempt, wire).begin()
            await wire.send(*story.before, *fatal, *story.after)
            await wire.end()

        return await answered_by(attempt, plan, story.may_halt(codes))

    return fault


CONTROL = Case("no fault", no_fault)
