"""The chat: a message in, a stream of released text out, and how it ended.

In: a posted message. Out: server-sent events `start` (the turn's id), `text` and `end`; or, without scripts, the page
again when the answer is whole. A turn runs on its own and ends in the log whatever becomes of the connection; when
nobody listens it stops.
"""

import asyncio
import json
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from lictor.arena.arena import Arena
from lictor.arena.rounds import Declined
from lictor.arena.store import BusyError
from lictor.arena.talk import Frame, Taken, run_turn, take
from lictor.arena.web.visit import NOTES, STATUS, Endpoint, Site, Visit, open_visit, turn_away
from lictor.errors import LictorError

HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


def chat(site: Site) -> Endpoint:
    """The endpoint that takes a message."""

    async def endpoint(request: Request) -> Response:
        visit = await open_visit(site, request, "signed in")
        if isinstance(visit, Response):
            return visit
        is_stream = "text/event-stream" in request.headers.get("accept", "")
        try:
            arena = _arena(site)
            text, talk = visit.form.get("text", [""])[0], visit.path("id")
            taken = await asyncio.to_thread(take, site.store, player=visit.me, conversation=talk, text=text)
        except LictorError as error:
            return _declined(error) if is_stream else await asyncio.to_thread(turn_away, visit, error)
        listener = _Listener()
        turn = asyncio.create_task(_turn(site, arena, taken, listener))
        site.turns.add(turn)
        turn.add_done_callback(site.turns.discard)
        if is_stream:
            return StreamingResponse(_frames(taken.turn, listener), media_type="text/event-stream", headers=HEADERS)
        return await _plain(visit, turn)

    return endpoint


class _Listener:
    """Where a turn's frames go, while anybody wants them."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.is_here = True


async def _turn(site: Site, arena: Arena, taken: Taken, listener: _Listener) -> None:
    async with site.streams:
        await run_turn(arena, taken, listener.frames.put_nowait, is_wanted=lambda: listener.is_here)


async def _frames(turn: str, listener: _Listener) -> AsyncGenerator[str]:
    yield _sse("start", {"turn": turn})
    try:
        while True:
            frame = await listener.frames.get()
            if frame.end is None:
                yield _sse("text", {"text": frame.text})
                continue
            outcome = frame.end.outcome
            yield _sse("end", {"outcome": outcome, "note": NOTES.get(outcome, ""), "turn": frame.end.turn})
            return
    finally:
        listener.is_here = False


async def _plain(visit: Visit, turn: "asyncio.Task[None]") -> Response:
    await asyncio.shield(turn)
    return visit.go(f"/talks/{visit.path('id')}#last")


def _arena(site: Site) -> Arena:
    if site.arena is None:
        raise Declined("closed", "This arena has not been set up yet.")
    return site.arena


def _declined(error: LictorError) -> Response:
    reason = error.reason if isinstance(error, Declined) else "failed"
    status = STATUS[error.reason] if isinstance(error, Declined) else 503 if isinstance(error, BusyError) else 400
    text = "The arena is very busy; nothing was lost, send it again." if status == 503 else str(error)
    return JSONResponse({"reason": reason, "message": text}, status)


def _sse(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"
