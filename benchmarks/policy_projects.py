"""Make a project of a policy that nobody has written data for: its rules are all that is taken from its file.

In: a file of policy rules (JSON lines, perhaps gzipped, with `policy` and `rule`), names of policies. Out: a project
folder for each, ready for `lictor generate`. Texts and labels of the file are never read, so that what is generated
knows nothing of them.

    python benchmarks/policy_projects.py policy_rules.jsonl.gz projects --policy Amazon --policy AAMC
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lictor.artifacts import write_atomic
from lictor.constitution import Constitution
from lictor.dataset.files import read_rows

FORBIDS = re.compile(r"^(?:.+? must not|.+? (?:is|are) prohibited from|do not|avoid|never) (.+)$", re.IGNORECASE)
"""A rule that forbids something, and what."""
SIDES = {
    "forbids": (
        "Somebody does this though it is forbidden, is about to, or gets others to: {what}",
        "Somebody sees to it that nobody does this, or does something harmless that looks like it: {what}",
    ),
    "demands": (
        "Somebody skips this though it is a duty, gets round it, or tells others to: {what}",
        "Somebody does this as is their duty, or reminds others of it: {what}",
    ),
}
"""Of each kind of rule, what breaks it, and what keeps to it: what happens, since a small generator loses a `not`."""
PLACES = {
    "hr": (
        ["an e-mail to a colleague", "a chat message to the team", "a note to a manager", "a remark in a meeting"],
        [
            "a junior employee",
            "a team lead",
            "a sales representative",
            "an engineer",
            "an office manager",
            "a new hire",
        ],
        "Everyday messages at work that have nothing to do with any rule, about lunch, meetings or the weather.",
    ),
    "education": (
        ["an e-mail to a class", "a post in a course forum", "a note between students", "a remark in a lesson"],
        ["a student", "a teacher", "a parent", "a teaching assistant", "a head of department", "a tutor"],
        "Everyday messages at school that have nothing to do with any rule, about lunch, timetables or the weather.",
    ),
}
"""By the last part of a row's `src`: kinds of text, who writes them, and what else is said there."""


def main() -> None:
    """Write the projects."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("rules", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--policy", action="append", required=True)
    parser.add_argument("--queries-per-rule", type=int, default=24)
    options = parser.parse_args()
    rows = [row.value for row in read_rows(options.rules)]
    for policy in options.policy:
        folder = options.out / policy.lower()
        places = write_project(folder, policy, rows, options.queries_per_rule)
        print(f"{folder}: {places} rules; next: lictor generate {folder} --out {folder}-pack --generator MODEL")


def write_project(folder: Path, policy: str, rows: Sequence[Any], queries_per_rule: int) -> int:
    """The project of one policy; how many rules it has."""
    rules = sorted({str(row["rule"]).strip() for row in rows if row["policy"] == policy})
    if not rules:
        raise SystemExit(f"expected a policy of {sorted({row['policy'] for row in rows})}, got {policy!r}")
    kind = next(str(row["src"]) for row in rows if row["policy"] == policy).rpartition("_")[2]
    forms, personas, elsewhere = PLACES[kind]
    cases = [cases_of(rule) for rule in rules]
    constitution = {
        "version": 1,
        "name": policy.lower().replace("_", "-"),
        "summary": "Messages that break the code of conduct are restricted; those that keep to it are not.",
        "restricted": [{"id": f"breaks-{at}", "text": breaks} for at, (breaks, _) in enumerate(cases)],
        "permitted": {
            "same_domain": [{"id": f"keeps-{at}", "text": keeps} for at, (_, keeps) in enumerate(cases)],
            "everyday": [{"id": "elsewhere", "text": elsewhere}],
        },
    }
    nothing = {"answers": 0, "rewrites": 0, "composed": 0, "several_turns": 0}
    synthesis = {"queries_per_rule": queries_per_rule, "twins": 6 * len(rules), **nothing}
    settings = {"version": 1, "knowledge": "material", "synthesis": synthesis}
    words = {"forms": forms, "personas": personas}
    text = yaml.safe_dump(constitution, allow_unicode=True, sort_keys=False)
    Constitution.parse(text, str(folder / "constitution.yaml"))
    for name, value in (("lictor.yaml", settings), ("material/words.yaml", words)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, yaml.safe_dump(value, allow_unicode=True, sort_keys=False))
    write_atomic(folder / "constitution.yaml", text)
    return len(rules)


def cases_of(rule: str) -> tuple[str, str]:
    """What happens where the rule is broken, and where it is kept to."""
    forbidden = FORBIDS.match(rule)
    breaks, keeps = SIDES["forbids" if forbidden else "demands"]
    what = forbidden[1] if forbidden else rule
    return breaks.format(what=what), keeps.format(what=what)


if __name__ == "__main__":
    main()
