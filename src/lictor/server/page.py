"""The status page: what the server is doing, for a person who looks in.

In: a service. Out: one page of HTML without scripts, which loads itself anew every five seconds. Shows counts, never
text of a request.
"""

import time
from html import escape

from lictor.server.service import Service

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>Lictor</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ max-width: 40rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884 }}
td:last-child {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body><main>
<h1>Lictor</h1><p role="status">{status}</p>
<table><caption>Now</caption><tbody>{rows}</tbody></table>
<p><a href="/metrics">Metrics</a> · <a href="/readyz">readiness</a></p>
</main></body></html>
"""


def status_page(service: Service) -> str:
    """The page."""
    reason = service.unready
    served = service.shelf.served
    rows: dict[str, object] = {
        "Up for": _duration(time.time() - service.began),
        "Open answers": f"{service.gate.open} of {service.settings.limits.streams}",
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
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in rows.items())
    return _PAGE.format(status=f"Not ready: {escape(reason)}" if reason else "Ready", rows=cells)


def _duration(seconds: float) -> str:
    minutes, _ = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
