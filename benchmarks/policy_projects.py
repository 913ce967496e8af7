"""Make a project of a policy that nobody has written data for: its rules are all that is taken from its file.

In: a file of policy rules (JSON lines, perhaps gzipped, with `policy` and `rule`), names of policies. Out: a project
folder for each, ready for `lictor generate`. Texts and labels of the file are never read, so that what is generated
knows nothing of them.

    python benchmarks/policy_projects.py policy_rules.jsonl.gz projects --policy Amazon --policy AAMC
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lictor.artifacts import write_atomic
from lictor.constitution import Constitution
from lictor.dataset.files import read_rows

BREAKS = "Somebody breaks this rule, or tells others to, or plans to: {rule}"
KEEPS = "Somebody keeps to this rule where it matters, in word and deed: {rule}"
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
    constitution = {
        "version": 1,
        "name": policy.lower().replace("_", "-"),
        "summary": "Messages that break the code of conduct are restricted; those that keep to it are not.",
        "restricted": [{"id": f"breaks-{at}", "text": BREAKS.format(rule=rule)} for at, rule in enumerate(rules)],
        "permitted": {
            "same_domain": [{"id": f"keeps-{at}", "text": KEEPS.format(rule=rule)} for at, rule in enumerate(rules)],
            "everyday": [{"id": "elsewhere", "text": elsewhere}],
        },
    }
    synthesis = {"queries_per_rule": queries_per_rule, "answers": 0, "rewrites": 0, "composed": 0, "several_turns": 0}
    settings = {"version": 1, "knowledge": "material", "synthesis": synthesis}
    text = yaml.safe_dump(constitution, allow_unicode=True, sort_keys=False)
    Constitution.parse(text, str(folder / "constitution.yaml"))
    for name, value in (("lictor.yaml", settings), ("material/words.yaml", {"forms": forms, "personas": personas})):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, yaml.safe_dump(value, allow_unicode=True, sort_keys=False))
    write_atomic(folder / "constitution.yaml", text)
    return len(rules)


if __name__ == "__main__":
    main()
