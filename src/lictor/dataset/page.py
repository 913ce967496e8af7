"""One HTML file to read a dataset in: measures, balance, lineage, and examples to browse by filter and family.

In: examples, their audit, the reasons against them, the manifest. Out: the page as text; it loads nothing from
anywhere and runs under a policy that forbids it to. Decides nothing: what is flagged, the audit flagged.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources

from lictor.artifacts import Manifest, fingerprint
from lictor.dataset.audit import Audit
from lictor.dataset.review import VERDICTS, draw_sample
from lictor.types import Bucket, Example

SHOWN = 2000
"""Examples on a page: what is flagged first, then a fixed sample of whole families."""
_SLOT = "__DATA__"


def render_page(
    name: str,
    examples: Sequence[Example],
    audit: Audit,
    reasons: Sequence[str],
    *,
    buckets: Mapping[str | None, Bucket],
    manifest: Manifest | None = None,
    sample: int = 0,
) -> str:
    """The page, whole; whatever stands in an example is shown as text and never run.

    With a `sample`, it shows so many examples drawn from all alike, and takes a reader's verdict on each.
    """
    flags = _flags(audit)
    flagged = {e.family or e.id for e in examples if e.id in flags}

    def order(example: Example) -> tuple[bool, str, int]:
        family = example.family or example.id
        return (family not in flagged, fingerprint(["page", family]), len(example.transforms))

    shown = draw_sample(examples, sample) if sample else sorted(examples, key=order)[:SHOWN]
    data = {
        "name": name,
        "total": len(examples),
        "reasons": list(reasons),
        "audit": asdict(audit) | _by_name(audit),
        "manifest": asdict(manifest) if manifest else None,
        "verdicts": VERDICTS if sample else (),
        "examples": [_row(example, flags, buckets) for example in shown],
    }
    page = (resources.files("lictor.dataset") / "page.html").read_text(encoding="utf-8")
    return page.replace(_SLOT, _inert(data), 1)


def _by_name(audit: Audit) -> dict[str, object]:
    """The parts that are named tuples, which JSON would write as lists without names."""
    return {
        "shortcuts": [item._asdict() for item in audit.shortcuts],
        "rule_shortcuts": [item._asdict() for item in audit.rule_shortcuts],
        "doubts": [item._asdict() for item in audit.doubts],
        "suspects": [item._asdict() for item in audit.suspects],
        "lengths": {name: item._asdict() for name, item in audit.lengths.items()},
        "templates": audit.templates._asdict(),
    }


def _flags(audit: Audit) -> dict[str, list[str]]:
    flags: dict[str, list[str]] = defaultdict(list)
    for leak in (*audit.exact_leaks, *audit.near_leaks):
        for name in leak:
            flags[name].append("leak")
    for what, names in (("refusal", audit.refusals), ("foreign", audit.foreign), ("repeated id", audit.repeated_ids)):
        for name in names:
            flags[name].append(what)
    for suspect in audit.suspects:
        flags[suspect.id].append(f"{suspect.side} label in doubt")
    return {name: list(dict.fromkeys(found)) for name, found in flags.items()}


def _row(
    example: Example, flags: Mapping[str, Sequence[str]], buckets: Mapping[str | None, Bucket]
) -> dict[str, object]:
    return {
        **asdict(example),
        "answered": example.answer is not None,
        "family": example.family or example.id,
        "bucket": buckets.get(example.rule),
        "flags": flags.get(example.id, ()),
    }


def _inert(data: object) -> str:
    """`data` as JSON that cannot end the script element it stands in; what UTF-8 cannot hold is escaped."""
    return json.dumps(data, default=str).replace("<", "\\u003c")
