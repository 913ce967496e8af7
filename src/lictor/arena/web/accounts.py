"""Pages to sign up, in and out, and to see, fetch and erase what is kept of oneself.

In: visits. Out: pages, cookies, files. Decides nothing: people.py and rounds.py do.
"""

import json

from starlette.responses import Response

from lictor.arena.people import (
    SESSION_S,
    close_session,
    erase_person,
    export_person,
    open_session,
    sign_in,
    sign_up,
)
from lictor.arena.rounds import Declined, set_consent, survey
from lictor.arena.web.visit import COOKIE, Visit


def show_join(visit: Visit) -> Response:
    """The sign-up form, with the terms."""
    invitation = visit.request.query_params.get("invitation", "")
    return visit.render("join.html", invitation=invitation, error="", name="", consent=False)


def do_join(visit: Visit) -> Response:
    """Sign up, and in."""
    if not visit.site.sign_ups.note(visit.address, visit.store.now()):
        raise Declined("limit", "Too many accounts were made from your address; try again later.")
    filled = {
        "invitation": visit.text("invitation"),
        "name": visit.text("name"),
        "consent": bool(visit.text("consent")),
    }
    try:
        if not visit.text("terms"):
            raise Declined("invalid", "Please accept the terms first.")
        player = sign_up(
            visit.store,
            name=visit.text("name"),
            password=visit.text("password"),
            consent=bool(visit.text("consent")),
            invitation=visit.text("invitation") or None,
        )
    except Declined as declined:
        return visit.render("join.html", 422, error=str(declined), **filled)
    return _signed_in(visit, player)


def show_in(visit: Visit) -> Response:
    """The sign-in form."""
    return visit.render("in.html", error="", name="")


def do_in(visit: Visit) -> Response:
    """Sign in."""
    name = visit.text("name")
    if not visit.site.sign_ins.note(f"{visit.address} {name.casefold()}", visit.store.now()):
        return visit.render("in.html", 429, error="Too many attempts; wait ten minutes and try again.", name=name)
    player = sign_in(visit.store, name, visit.text("password"))
    if player is None:
        return visit.render("in.html", 403, error="The name or the password is wrong.", name=name)
    return _signed_in(visit, player)


def do_out(visit: Visit) -> Response:
    """Sign out."""
    close_session(visit.store, visit.request.cookies.get(COOKIE, ""))
    response = visit.go("/")
    response.delete_cookie(COOKIE)
    return response


def show_me(visit: Visit) -> Response:
    """What is kept of oneself, and what one can do about it."""
    player = visit.store.read(lambda s: s.players[visit.me])
    return visit.render("me.html", player=player)


def do_me(visit: Visit) -> Response:
    """Change one's consent, or say how many hours one spent."""
    hours = visit.text("hours")
    if hours:
        try:
            spent = float(hours.replace(",", "."))
        except ValueError as error:
            raise Declined("invalid", f"Hours are a number, such as 2.5; got {hours!r}.") from error
        visit.store.change(visit.me, lambda s: survey(s, visit.me, spent))
    else:
        visit.store.change(visit.me, lambda s: set_consent(s, visit.me, bool(visit.text("consent"))))
    return visit.go("/me")


def fetch_me(visit: Visit) -> Response:
    """All that is kept of oneself, as a file."""
    text = json.dumps(export_person(visit.store, visit.me), indent=2)
    return Response(
        text, media_type="application/json", headers={"content-disposition": 'attachment; filename="arena-me.json"'}
    )


def do_erase(visit: Visit) -> Response:
    """Erase one's account and words."""
    if visit.session is None or visit.text("name").casefold() != visit.session.name.casefold():
        raise Declined("invalid", "Write your name into the field to erase your account.")
    erase_person(visit.store, visit.me, actor=visit.me)
    response = visit.go("/")
    response.delete_cookie(COOKIE)
    return response


def _signed_in(visit: Visit, player: str) -> Response:
    """To the first page, with a new session; the old one ends, so that none is taken over."""
    old = visit.request.cookies.get(COOKIE)
    if old:
        close_session(visit.store, old)
    token = open_session(visit.store, player)
    response = visit.go("/")
    response.set_cookie(
        COOKIE, token, max_age=SESSION_S, httponly=True, samesite="lax", secure=visit.site.is_https, path="/"
    )
    return response
