"""The report on its page and as files. In: visits of organisers. Out: what statistics.py measured, now."""

import numpy as np
from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Route

from lictor.arena.report import body, to_csv, to_html, to_json
from lictor.arena.rounds import contest_of
from lictor.arena.statistics import Report, measure
from lictor.arena.web.visit import Handler, Site, Visit, page


def reports(site: Site) -> list[Route]:
    """The addresses of the report."""
    shown: dict[str, Handler] = {
        "/host/report": show,
        "/host/report.json": as_json,
        "/host/report.csv": as_csv,
        "/host/report.html": as_html,
    }
    return [Route(path, page(site, handler, "organiser"), methods=["GET"]) for path, handler in shown.items()]


def show(visit: Visit) -> Response:
    """The report on a page."""
    contest = visit.store.read(contest_of)
    made = Markup(body(_measure(visit), contest))  # noqa: S704 - our own template, which escapes all it is given
    return visit.render("report.html", body=made)


def as_json(visit: Visit) -> Response:
    """The report as JSON."""
    return _file(to_json(_measure(visit)), "json", "application/json")


def as_csv(visit: Visit) -> Response:
    """The report's figures as CSV."""
    return _file(to_csv(_measure(visit)), "csv", "text/csv")


def as_html(visit: Visit) -> Response:
    """The report as one file."""
    return _file(to_html(_measure(visit), visit.store.read(contest_of)), "html", "text/html")


def _measure(visit: Visit) -> Report:
    return visit.store.read(lambda s: measure(s, rng=np.random.default_rng(0)))


def _file(text: str, ending: str, media_type: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="arena-report.{ending}"'}
    return Response(text, media_type=media_type, headers=headers)
