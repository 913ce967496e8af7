"""The page that sets an arena up. In: an organiser's visit. Out: a contest in the log, and the arena it describes."""

from pathlib import Path
from typing import cast, get_args

from starlette.responses import Response

from lictor.arena.arena import RUBRICS, check, note_start, set_up
from lictor.arena.contest import TERMS, Contest, Payout
from lictor.arena.rounds import Declined, create
from lictor.arena.web.visit import Visit
from lictor.errors import LictorError
from lictor.evaluation.rubric import Mark
from lictor.starter.folders import PREFIX

DEEPEST = 3
FIELDS = ("title", "guard", "domain", "mode", "mark", "target", "judge", "judge_fallback", "payout", "unit", "terms")


def show_setup(visit: Visit, error: str = "") -> Response:
    """The form that sets the arena up from a guard and a domain."""
    guards = _folders(visit.site.folders, "guard.json")
    filled = {name: visit.text(name) for name in FIELDS} | {"terms": visit.text("terms") or TERMS}
    boxes = {name: bool(visit.text(name)) for name in ("everybody", "system_prompt")}
    domains = _domains(visit.site.folders)
    offered = {"guards": _pairs(guards), "domains": _pairs(domains), "rubrics": RUBRICS, "root": visit.site.folders}
    return visit.render("setup.html", 422 if error else 200, error=error, filled=filled, boxes=boxes, **offered)


def do_setup(visit: Visit) -> Response:
    """Set the arena up, once all parts of it are there; only folders the form offered are taken."""
    try:
        contest = _read(visit)
        check(contest)
    except (LictorError, ValueError) as error:
        return show_setup(visit, str(error))
    visit.store.change(visit.me, lambda s: create(s, contest))
    visit.site.arena = visit.site.assemble(visit.store)
    note_start(visit.site.arena)
    return visit.go("/host")


def _read(visit: Visit) -> Contest:
    guard, domain, mode, mark = (visit.text(name) for name in ("guard", "domain", "mode", "mark"))
    if guard and guard not in _folders(visit.site.folders, "guard.json"):
        raise Declined("invalid", "Choose a guard from the list.")
    if domain not in _domains(visit.site.folders):
        raise Declined("invalid", "Choose the questions from the list.")
    if mode not in ("bounty", "levels") or mark not in get_args(Mark):
        raise Declined("invalid", "Choose a mode and a pass mark from the lists.")
    contest = set_up(
        domain,
        title=visit.text("title") or "Arena",
        mode=mode,
        guard=guard,
        mark=cast(Mark, mark),
        target=visit.text("target") or "worst-case",
        judge=visit.text("judge"),
        judge_fallback=visit.text("judge_fallback"),
    )
    paid = visit.text("payout") or "0"
    if not paid.replace(".", "", 1).isdecimal():
        raise Declined("invalid", f"A payout is a number, such as 1000; got {paid!r}.")
    payout = Payout(most=float(paid), unit=visit.text("unit") or "points")
    chosen = {"invited_only": not visit.text("everybody"), "system_prompt": bool(visit.text("system_prompt"))}
    return contest.model_copy(update={**chosen, "payout": payout, "terms": visit.text("terms") or contest.terms})


def _pairs(folders: list[str]) -> list[tuple[str, str]]:
    """Values and labels of a choice of folders."""
    return [(folder, folder) for folder in folders]


def _domains(root: str) -> list[str]:
    return [f"{PREFIX}emberglass", *_folders(root, "questions.yaml")]


def _folders(root: str, file: str) -> list[str]:
    """Folders under `root`, at most three deep, that hold `file`."""
    found: list[str] = []
    for depth in range(DEEPEST):
        found += [str(path.parent) for path in sorted(Path(root).glob("*/" * (depth + 1) + file))]
    return found
