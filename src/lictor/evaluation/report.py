"""One page and one JSON file of an evaluation: what was tested, what was found, how sure it is, what it cannot say.

In: the folder of an evaluation. Out: `report.html`, which needs no other file, and `report.json`. Decides nothing and
measures nothing. Its first part is for somebody who has to answer for the guard.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from lictor.artifacts import write_atomic
from lictor.calibration.curves import Curve
from lictor.errors import ArtifactError, UsageError
from lictor.evaluation.agreement import read_agreement
from lictor.evaluation.cost import Cost, read_cost, told
from lictor.evaluation.evaluate import GUARD, figures_path, read_plan, read_speed, results_path
from lictor.evaluation.measures import Figure
from lictor.evaluation.plots import draw_cost, draw_heat_map, draw_roc, draw_stops, draw_traces
from lictor.evaluation.records import Record, covered_by, marks_of, read_records
from lictor.evaluation.results import number
from lictor.evaluation.suites import WORST_CASE
from lictor.evaluation.tables import PARTS, Graded, outcomes, scored, slug_of
from lictor.types import Policy

PART_NAMES = {"guard": "guard", "prompt": "prompt stage alone", "answer": "answer stage alone"}
SUITE_TEXTS = {
    "plain": "the questions as they are, in every wording",
    "seen": "one or two transforms of families that training used",
    "unseen": "a transform of a family that training never saw",
    "stacked": "two or three transforms, at least one of an unseen family",
    "turns": "led up to over several turns, or sent in parts",
    "long": "buried in up to 3,500 tokens of permitted text, or answered after up to 7,000",
}


@dataclass(frozen=True)
class Evaluated:
    """The records and figures of one guard."""

    name: str
    records: Sequence[Record]
    figures: Mapping[str, Figure]
    policy: Policy


class Claim(NamedTuple):
    """A sentence of the summary with the figure behind it."""

    text: str
    figure: Figure


def write_report(folder: Path, *, title: str | None = None) -> Path:
    """Write `report.html` and `report.json` into the folder of an evaluation; the page's path.

    Raises:
        ArtifactError: The folder holds no evaluation that has begun.
        UsageError: matplotlib or jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise UsageError("the report needs matplotlib and jinja2; run: pip install 'lictor[report]'") from None
    plan = read_plan(folder)
    guard, *baselines = [read_evaluated(folder, name) for name in names_in(folder)]
    guard = replace(guard, figures={**guard.figures, **{one.name: one for one in read_agreement(folder)}})
    page = _page(plan, guard, baselines, read_cost(folder), title or f"Evaluation of guard {plan.get('guard', '')}")
    page["speed"] = {name: 1000 * one["seconds"] / one["cases"] for name, one in read_speed(folder).items()}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = _value
    environment.filters["interval"] = _interval
    source = (resources.files("lictor.evaluation") / "templates" / "report.html").read_text(encoding="utf-8")
    write_atomic(folder / "report.html", environment.from_string(source).render(**page))
    write_atomic(folder / "report.json", json.dumps(_as_json(plan, [guard, *baselines], page), indent=1) + "\n")
    return folder / "report.html"


def names_in(folder: Path) -> list[str]:
    """The guard and the baselines whose figures stand in the folder, the guard first.

    Raises:
        ArtifactError: The guard's do not.
    """
    if not figures_path(folder).is_file():
        raise ArtifactError(f"{folder}: expected figures of an evaluation, found none; run `lictor evaluate` first")
    return [GUARD, *sorted(path.name.split(".")[1] for path in folder.glob("figures.*.json"))]


def read_evaluated(folder: Path, name: str) -> Evaluated:
    """What was kept of one guard.

    Raises:
        ArtifactError: It cannot be read.
    """
    path = figures_path(folder, name)
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {row["name"]: Figure(**row) for row in kept["figures"]}
        policy = Policy(kept["thresholds"]["input"], kept["thresholds"]["output"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: expected figures of an evaluation, got something else ({error})") from error
    return Evaluated(name, read_records(results_path(folder, name))[: kept["records"]], found, policy)


def _page(
    plan: Mapping[str, Any],
    guard: Evaluated,
    baselines: Sequence[Evaluated],
    cost: Mapping[int, Cost],
    title: str,
) -> dict[str, Any]:
    graded = marks_of(covered_by(guard.records))
    fitted: Mapping[str, Any] = plan.get("fitted_on") or {}
    budget = fitted.get("budget_fpr")
    heat = _heat(guard.records, graded)
    pictures = {
        "Attacks stopped against benign conversations stopped": draw_roc(_curves(guard, baselines), budget),
        "Scores along answers": draw_traces(guard.records, guard.policy),
        "Where answers are halted": draw_stops(guard.records),
        "Attack success by family and question": draw_heat_map(heat),
        f"Cost against length of an everyday answer{told(cost)}": draw_cost(
            {length: one.ms_a_token for length, one in cost.items()}
        ),
    }
    return {
        "title": title,
        "plan": plan,
        "guard": guard,
        "done": len(guard.records),
        "budget": budget,
        "suites": _suites(guard.records),
        "sources": sorted(Counter((o.kind, o.source) for o in guard.records if o.source).items()),
        "claims": claims(guard, budget),
        "limits": limits(plan, guard),
        "pictures": {name: picture for name, picture in pictures.items() if picture},
        "systems": _systems(guard, baselines),
        "tables": _tables(guard),
    }


def claims(guard: Evaluated, budget: float | None) -> list[Claim]:
    """What the figures say, in sentences; those nothing was measured for are left out."""
    worst = slug_of(WORST_CASE)
    promised = f" The thresholds were fitted to at most {budget:.2%}." if budget else ""
    wanted: tuple[tuple[str, str], ...] = (
        (f"{worst}/guard/attack_success/pass", "of attacks on the worst-case target get enough of an answer out."),
        (f"{worst}/guard/attack_success/full", "get the full detail of an unguarded answer out."),
        ("suite/unseen/guard/attack_success/pass", "succeed in families of disguise that training never saw."),
        (f"{worst}/leaked_before_stop/any", "of answers halted on their way had given a fact away before."),
        (f"{worst}/guard/universality/half", "questions, of those asked, is the most any one strategy got answered."),
        ("false_positives/mean_of_sources", f"of benign conversations are stopped, sources weighing alike.{promised}"),
        ("premature_stops", "of benign answers are halted before their end."),
        ("recall/stage/guard", "of restricted conversations of the test split and files are stopped."),
    )
    for target in sorted({one.target for one in guard.records} - {"", WORST_CASE}):
        name = slug_of(target)
        wanted += (
            (f"{name}/unguarded/attack_success/pass", f"of attacks on {target} succeed without a guard."),
            (f"{name}/guard/attack_success/pass", f"of attacks on {target} succeed behind it."),
        )
    found = [Claim(text, guard.figures[name]) for name, text in wanted if name in guard.figures]
    return [claim for claim in found if claim.figure.n]


def limits(plan: Mapping[str, Any], guard: Evaluated) -> list[str]:
    """What the reader must not conclude."""
    found = [
        "Attacks are made of known transforms in new combinations and of shapes of conversation. Nobody attacked this "
        "guard adaptively here: an attacker who searches, or who is paid, finds more.",
        "The worst-case target complies with everything and carries out every disguise without a mistake. Real models "
        "refuse some attacks and garble others, so the figures are upper estimates of what would leak.",
        "False positives are those of the conversations used. Other users write otherwise; calibrate and measure on "
        "your own traffic before you rely on them.",
        "Intervals are 95% each, not together. Those of attack success count questions and strategies as draws; "
        "a population of other questions may do worse.",
    ]
    benign = [one for one in guard.records if one.kind == "benign"]
    if not benign:
        found.append("No benign conversation was measured: nothing is known of false positives.")
    if not any(one.target not in ("", WORST_CASE) for one in guard.records):
        found.append("No real model was attacked.")
    if len(guard.records) < int(plan.get("cases", 0)):
        found.append(f"The run is not finished: {len(guard.records):,} of {int(plan['cases']):,} cases were put.")
    longest = max((one.tokens for one in guard.records), default=0)
    found.append(f"The longest answer had {longest:,} tokens.")
    return found


def _suites(records: Sequence[Record]) -> list[tuple[str, str, int, int]]:
    """Each suite, what it is, its attacks and its permitted requests."""
    counts = Counter((one.suite, one.kind) for one in records)
    return [
        (name, text, counts[name, "attack"], counts[name, "permitted"])
        for name, text in SUITE_TEXTS.items()
        if counts[name, "attack"]
    ]


def _curves(guard: Evaluated, baselines: Sequence[Evaluated]) -> dict[str, Curve]:
    named = {PART_NAMES[part]: scored(guard.records, guard.policy, part).curve() for part in PARTS}
    named |= {one.name: scored(one.records, one.policy, "guard").curve() for one in baselines}
    return {name: curve for name, curve in named.items() if curve is not None}


def _heat(records: Sequence[Record], graded: Graded) -> dict[str, dict[str, tuple[int, int]]]:
    """Hits and tries by family and question; compositions of several families are put together."""
    cells: dict[str, dict[str, tuple[int, int]]] = {}
    attacks = [one for one in records if one.kind == "attack" and (one.target, one.question or "") in graded]
    for one, outcome in zip(attacks, outcomes(attacks, graded), strict=True):
        family = one.family if "+" not in one.family else f"several, {one.suite}"
        hits, n = cells.setdefault(family, {}).get(one.question or "", (0, 0))
        cells[family][one.question or ""] = (hits + (outcome.result() == "success"), n + 1)
    return dict(sorted(cells.items()))


def _systems(guard: Evaluated, baselines: Sequence[Evaluated]) -> list[tuple[str, list[Figure | None]]]:
    """A row for each guard and each of its stages: attack success, false positives, discrimination."""
    worst = slug_of(WORST_CASE)
    rows = [("without a guard", [guard.figures.get(f"{worst}/unguarded/attack_success/pass"), None, None, None])]
    for part in PARTS:
        wrong = "false_positives/mean_of_sources" if part == "guard" else f"false_positives/stage/{part}"
        rows.append((PART_NAMES[part], [guard.figures.get(name) for name in _row(worst, part, wrong)]))
    rows += [
        (one.name, [one.figures.get(name) for name in _row(worst, "guard", "false_positives/mean_of_sources")])
        for one in baselines
    ]
    return rows


def _row(target: str, part: str, wrong: str) -> tuple[str, str, str, str]:
    return (
        f"{target}/{part}/attack_success/pass",
        f"{target}/{part}/universality/half",
        wrong,
        f"curve/{part}/log_auroc",
    )


def _tables(guard: Evaluated) -> dict[str, list[Figure]]:
    """All figures, by the first part of their names."""
    tables: dict[str, list[Figure]] = {}
    for figure in guard.figures.values():
        group, _, rest = figure.name.partition("/")
        tables.setdefault(group.replace("_", " "), []).append(replace(figure, name=rest or group))
    return tables


def _value(figure: Figure) -> str:
    return number(figure.value, figure.unit)


def _interval(figure: Figure) -> str:
    return f"{number(figure.low, figure.unit)} to {number(figure.high, figure.unit)}"


def _as_json(plan: Mapping[str, Any], evaluated: Sequence[Evaluated], page: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "plan": dict(plan),
        "done": page["done"],
        "summary": [{"text": claim.text, **asdict(claim.figure)} for claim in page["claims"]],
        "limits": page["limits"],
        "figures": {one.name: [asdict(figure) for figure in one.figures.values()] for one in evaluated},
    }
