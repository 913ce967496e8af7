"""One request: who makes it, what they sent, and whether they may.

In: a Starlette request. Out: a `Visit` for a handler that runs in a thread, and its response. Checks the session, the
role, the CSRF token, the origin and the size before a handler sees anything; turns what the rules decline into a page.
Knows no rule of the arena.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lictor.arena.arena import Arena
from lictor.arena.people import Session, find_session
from lictor.arena.rounds import Declined, Reason
from lictor.arena.store import BusyError, Store
from lictor.arena.work import Patience
from lictor.errors import LictorError

COOKIE, BEFORE = "lictor_session", "lictor_before"
MOST_BYTES = 2_000_000
MOST_FIELDS = 200
Need = Literal["anyone", "signed in", "organiser"]
Handler = Callable[["Visit"], Response]
Endpoint = Callable[[Request], Awaitable[Response]]
NOTES: dict[str, str] = {
    "refused": "The guard refused this message.",
    "halted": "The guard stopped the answer here.",
    "error": "Something failed, and nothing more was let through.",
    "left": "The answer was cut off when the page was left.",
    "interrupted": "The answer was cut off when the server stopped.",
}
"""What a page says under a turn that was not answered whole."""
STATUS: dict[Reason, int] = {
    "closed": 409,
    "unknown": 404,
    "not_yours": 404,
    "limit": 429,
    "busy": 409,
    "order": 409,
    "already": 409,
    "invalid": 422,
    "invitation": 403,
}


@dataclass
class Attempts:
    """How often something was tried from somewhere of late; kept in memory, for this process alone."""

    most: int
    window_s: float
    _times: dict[str, deque[float]] = field(default_factory=dict[str, deque[float]])

    def note(self, key: str, now: float) -> bool:
        """Count an attempt; False when there were too many."""
        if len(self._times) > 50_000:
            self._times = {k: times for k, times in self._times.items() if times[-1] > now - self.window_s}
        times = self._times.setdefault(key, deque(maxlen=self.most))
        is_allowed = len(times) < self.most or times[0] < now - self.window_s
        if is_allowed:
            times.append(now)
        return is_allowed


@dataclass
class Site:
    """What all pages share."""

    store: Store
    arena: Arena | None
    """None until an organiser has set the arena up."""
    assemble: Callable[[Store], Arena]
    templates: Environment
    folders: str = "."
    """Where the set-up page looks for guards and domains."""
    is_https: bool = False
    streams: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(64))
    """Turns answered at once."""
    sign_ins: Attempts = field(default_factory=lambda: Attempts(10, 600))
    """By address and name."""
    sign_ups: Attempts = field(default_factory=lambda: Attempts(60, 3600))
    """By address."""
    patience: Patience = field(default_factory=Patience)
    """With a grader that can't be reached."""
    turns: set[asyncio.Task[object]] = field(default_factory=set[asyncio.Task[object]])


@dataclass(frozen=True)
class Visit:
    """A request that was let in."""

    site: Site
    request: Request
    session: Session | None
    form: Mapping[str, list[str]]
    csrf: str

    @property
    def store(self) -> Store:
        """The arena's store."""
        return self.site.store

    @property
    def me(self) -> str:
        """Id of who is signed in; handlers that need nobody must not ask."""
        assert self.session is not None, "a page for the signed-in was shown to nobody"  # noqa: S101 - our invariant
        return self.session.person

    @property
    def address(self) -> str:
        """Where the request came from."""
        return self.request.client.host if self.request.client else "unknown"

    def text(self, name: str) -> str:
        """A form's field without surrounding space; empty when missing."""
        return self.form.get(name, [""])[0].strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a form's field."""
        return tuple(self.form.get(name, []))

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])

    def render(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A page."""
        state = self.store.read(lambda s: (s.contest, s.phase))
        shared = {"session": self.session, "csrf": self.csrf, "contest": state[0], "phase": state[1]}
        shared["here"] = self.request.url.path
        html = self.site.templates.get_template(template).render(shared | values)
        return HTMLResponse(html, status)

    def go(self, path: str) -> RedirectResponse:
        """A redirect after a form."""
        return RedirectResponse(path, 303)


def templates() -> Environment:
    """The pages' templates; everything they are given is escaped."""
    made = Environment(
        loader=PackageLoader("lictor.arena.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters |= {"when": when, "note": _note}
    return made


def _note(outcome: str) -> str:
    return NOTES.get(outcome, "")


def when(at: float) -> Markup:
    """A time as pages show it, UTC; its day is never broken into two lines."""
    day, minute = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M").split()
    return Markup('<time datetime="{0}T{1}Z"><span>{0}</span> {1}</time>').format(day, minute)


def page(site: Site, handler: Handler, need: Need = "signed in") -> Endpoint:
    """An endpoint that lets `handler` see a request only where all checks passed."""

    async def endpoint(request: Request) -> Response:
        visit = await open_visit(site, request, need)
        if isinstance(visit, Response):
            return visit
        return with_cookie(visit, await asyncio.to_thread(_answer, visit, handler))

    return endpoint


async def open_visit(site: Site, request: Request, need: Need) -> Visit | Response:
    """The visit, or the response that turns it away."""
    token = request.cookies.get(COOKIE)
    try:
        session = await asyncio.to_thread(find_session, site.store, token) if token else None
    except BusyError as error:
        return turn_away(Visit(site, request, None, {}, ""), error)
    csrf = session.csrf if session else request.cookies.get(BEFORE) or secrets.token_urlsafe(24)
    visit = Visit(site, request, session, {}, csrf)
    if need != "anyone" and session is None:
        return visit.go("/in")
    if need == "organiser" and session is not None and session.role != "organiser":
        return await asyncio.to_thread(_message, visit, 404, "There is no such page.")
    if request.method != "POST":
        return visit
    return await _read_post(visit)


async def _read_post(visit: Visit) -> Visit | Response:
    request = visit.request
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return await asyncio.to_thread(_message, visit, 413, "That is too long to be sent in one piece.")
    try:
        form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return await asyncio.to_thread(_message, visit, 400, "The form could not be read.")
    sent = form.pop("csrf", [request.headers.get("x-csrf-token", "")])[0]
    known = visit.session is not None or BEFORE in request.cookies
    if not known or not _is_same_origin(request) or not secrets.compare_digest(sent.encode(), visit.csrf.encode()):
        return await asyncio.to_thread(
            _message, visit, 403, "This form is out of date. Go back, reload the page and send it again."
        )
    return Visit(visit.site, request, visit.session, form, visit.csrf)


def turn_away(visit: Visit, error: LictorError) -> Response:
    """The page that says why something was not done."""
    match error:
        case Declined():
            return _message(visit, STATUS[error.reason], str(error))
        case BusyError():
            text = "The arena is very busy just now. Nothing was lost: go back and send it again in a moment."
            return HTMLResponse(text, 503, headers={"retry-after": "2"})
        case _:
            return _message(visit, 400, str(error))


def with_cookie(visit: Visit, response: Response) -> Response:
    """The response, with the CSRF cookie of those who are not signed in."""
    if visit.session is None and BEFORE not in visit.request.cookies:
        response.set_cookie(BEFORE, visit.csrf, httponly=True, samesite="lax", secure=visit.site.is_https, path="/")
    return response


def _answer(visit: Visit, handler: Handler) -> Response:
    try:
        return handler(visit)
    except LictorError as error:
        return turn_away(visit, error)


def _message(visit: Visit, status: int, text: str) -> Response:
    return visit.render("message.html", status, message=text)


def _is_same_origin(request: Request) -> bool:
    """Whether the browser says the form is from here; clients that say nothing are held by the token alone."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
