"""The arena as an ASGI application: addresses, headers, and what runs beside the pages.

In: a store, and how to assemble its arena. Out: a Starlette application. Knows no rule.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lictor.arena.arena import Arena, note_start
from lictor.arena.store import Store
from lictor.arena.talk import end_interrupted
from lictor.arena.web import accounts, host, marking, play, setup
from lictor.arena.web.chat import chat
from lictor.arena.web.reports import reports
from lictor.arena.web.visit import Handler, Need, Site, page, templates
from lictor.arena.work import grade_all, run_universal

LOG = logging.getLogger("lictor.arena")
THREADS = 96
IDLE_S = 0.5
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def create_app(
    store: Store,
    assemble: Callable[[Store], Arena],
    *,
    folders: str = ".",
    is_https: bool = False,
    streams: int = 64,
    sign_ups_per_hour: int = 60,
) -> Starlette:
    """The application of one arena; one process at a time serves it.

    Args:
        store: Its database.
        assemble: Makes the arena from the store, once it is set up.
        folders: Where the set-up page looks for guards and domains.
        is_https: Whether players come over HTTPS; cookies then go over nothing else.
        streams: Turns answered at once; more wait.
        sign_ups_per_hour: Accounts from one address.
    """
    is_set_up = store.read(lambda s: s.contest is not None)
    site = Site(
        store, assemble(store) if is_set_up else None, assemble, templates(), folders=folders, is_https=is_https
    )
    site.streams = asyncio.Semaphore(streams)
    site.sign_ups.most = sign_ups_per_hour

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        if site.arena is not None:
            await asyncio.to_thread(end_interrupted, site.arena)
            await asyncio.to_thread(note_start, site.arena)
        worker = asyncio.create_task(_work(site))
        yield
        worker.cancel()
        for turn in list(site.turns):
            turn.cancel()
        await asyncio.gather(worker, *site.turns, return_exceptions=True)

    return Starlette(routes=_routes(site), middleware=[Middleware(_Headers)], lifespan=lifespan)


def _routes(site: Site) -> list[Route | Mount]:
    def at(path: str, handler: Handler, need: Need = "signed in", *, post: bool = False, name: str = "") -> Route:
        verb = "POST" if post else "GET"
        return Route(path, page(site, handler, need), methods=[verb], name=name or None)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return [
        at("/", play.home, "anyone"),
        at("/join", accounts.show_join, "anyone", name="join"),
        at("/join", accounts.do_join, "anyone", post=True),
        at("/in", accounts.show_in, "anyone"),
        at("/in", accounts.do_in, "anyone", post=True),
        at("/out", accounts.do_out, post=True),
        at("/me", accounts.show_me),
        at("/me", accounts.do_me, post=True),
        at("/me/data", accounts.fetch_me),
        at("/me/erase", accounts.do_erase, post=True),
        at("/talks", play.begin_talk, post=True),
        at("/talks/{id}", play.show_talk),
        Route("/talks/{id}", chat(site), methods=["POST"]),
        at("/submit", play.show_submit),
        at("/submit", play.do_submit, post=True),
        at("/universal", play.show_universal),
        at("/universal", play.do_universal, post=True),
        at("/submissions/{id}", play.show_submission),
        at("/board", play.board),
        *_host_routes(at),
        *reports(site),
        Route("/healthz", health),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
    ]


def _host_routes(at: Callable[..., Route]) -> list[Route]:
    shown: dict[str, Handler] = {
        "/host": host.overview,
        "/host/setup": setup.show_setup,
        "/host/players": host.players,
        "/host/watch": host.watch,
        "/host/feed": host.feed,
        "/host/talks/{id}": host.show_talk,
        "/host/submissions": marking.submissions,
        "/host/submissions/{id}": marking.show_submission,
        "/host/grading": marking.grading,
        "/host/audit": host.audit,
        "/host/export": host.export,
    }
    done: dict[str, Handler] = {
        "/host/setup": setup.do_setup,
        "/host/phase": host.do_phase,
        "/host/limits": host.do_limits,
        "/host/invite": host.do_invite,
        "/host/submissions/{id}": marking.do_review,
    }
    return [
        *(at(path, handler, "organiser") for path, handler in shown.items()),
        *(at(path, handler, "organiser", post=True) for path, handler in done.items()),
    ]


async def _work(site: Site) -> None:
    """Universal attempts and grading, for as long as the server runs; what fails is tried again."""
    while True:
        try:
            if site.arena is not None:
                await run_universal(site.arena)
                await asyncio.to_thread(grade_all, site.arena, site.patience)
        except Exception:
            LOG.exception("the arena's worker failed")
        await asyncio.sleep(IDLE_S)


class _Headers:
    """Puts security headers on every response; pages are never cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = CSP
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = (
                    "same-origin"  # with no-referrer a form would say that it comes from nowhere
                )
                headers["cross-origin-opener-policy"] = "same-origin"
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with)
