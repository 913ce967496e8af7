"""The status page: what the server is doing, for a person who looks in.

In: a service. Out: one page of HTML without scripts, which loads itself anew every five seconds. Shows counts, times
and decisions, never text of a request.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from lictor.server.service import Service

SHOWN = 15
"""Decisions in the list."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>Lictor</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem }}
section {{ overflow-x: auto; margin-bottom: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
caption {{ text-align: left; font-weight: 600 }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; white-space: nowrap }}
.n {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body><main>
<h1>Lictor</h1><p role="status">{status}</p>
{tables}
<p><a href="/metrics">Metrics</a> · <a href="/readyz">readiness</a></p>
</main></body></html>
"""


def status_page(service: Service) -> str:
    """The page."""
    reason = service.unready
    against = [row for row in reversed(service.recent) if row["result"] != "allowed"][:SHOWN]
    by_rule: list[tuple[str, int]] = sorted(service.rules.items(), key=lambda rule: rule[1], reverse=True)
    tables = [
        _table("Now", ("", ""), _now(service).items()),
        _table(f"Milliseconds, last {len(service.recent)} requests", ("", "p50", "p95"), _times(service.recent)),
        _table("By rule", ("Rule", "Requests"), by_rule),
        _table(
            "Latest decisions against a text",
            ("Time (UTC)", "Result", "Stage", "Rule", "Client", "Endpoint", "Score", "Threshold"),
            map(_decision, against),
        ),
    ]
    return _PAGE.format(status=f"Not ready: {escape(reason)}" if reason else "Ready", tables="\n".join(tables))


def _now(service: Service) -> dict[str, object]:
    served = service.shelf.served
    rows: dict[str, object] = {
        "Up for": _duration(time.time() - service.began),
        "Open answers": f"{service.gate.open} of {service.gate.room}",
        "Scoring jobs waiting": service.scoring.waiting,
    }
    if served:
        policy = served.guard.policy
        rows |= {
            "Constitution": served.category,
            "Guard version": served.guard.version,
            "Enforcement": policy.enforcement,
            "On error": policy.on_error,
            "Input threshold (logit)": f"{policy.input_threshold:.2f}",
            "Output threshold (logit)": f"{policy.output_threshold:.2f}",
        }
    rows |= {f"Requests {name.replace('_', ' ')}": count for name, count in sorted(service.results.items())}
    if service.shelf.reload_error:
        rows["Guard not reloaded"] = service.shelf.reload_error
    if service.log.error:
        rows["Decision log"] = service.log.error
    return rows


def _times(recent: Iterable[Mapping[str, object]]) -> list[tuple[object, ...]]:
    """Median and 95th percentile of what the requests took."""
    rows = list(recent)
    names = {
        "screened_ms": "Prompt screened",
        "scoring_ms": "Answer scored, in all",
        "first_delivered_ms": "First text delivered",
        "duration_ms": "Whole request",
    }
    found: list[tuple[object, ...]] = []
    for field, name in names.items():
        took = sorted(ms for row in rows if isinstance(ms := row[field], float))
        if took:
            found.append((name, f"{took[len(took) // 2]:.0f}", f"{took[int(len(took) * 0.95)]:.0f}"))
    return found


def _decision(row: Mapping[str, Any]) -> tuple[object, ...]:
    decision = row["decision"]
    score = "" if decision["score"] is None else f"{decision['score']:.2f}"
    told = decision["reason"] or row["result"].replace("_", " ")
    stage, rule, threshold = decision["stage"] or "", decision["rule"] or "", f"{decision['threshold']:.2f}"
    return row["time"][11:19], told, stage, rule, row["client"], row["endpoint"], score, threshold


def _table(caption: str, heads: Sequence[str], rows: Iterable[tuple[object, ...]]) -> str:
    """A table; nothing where it has no rows."""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in heads)
    head = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    return f"<section><table><caption>{escape(caption)}</caption>{head}<tbody>{body}</tbody></table></section>"


def _cell(value: object) -> str:
    text = str(value)
    is_number = text.replace(".", "", 1).removeprefix("-").isdecimal()
    return f"<td{' class=n' if is_number else ''}>{escape(text)}</td>"


def _duration(seconds: float) -> str:
    minutes, _ = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
