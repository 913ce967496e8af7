"""The README of a guard folder: what it guards, what it promises, what it was made from, where it ends.

In: manifests. Out: Markdown. Knows no file.
"""

from collections.abc import Mapping
from typing import Any, cast

from lictor.artifacts import Manifest
from lictor.constitution import Constitution


def guard_card(constitution: Constitution, fitted: Mapping[str, object], scorers: Mapping[str, Manifest]) -> str:
    """The card of a guard, from the report of its fit and the manifests of its scorers."""
    report = cast("Mapping[str, Any]", fitted)
    held = report["held_out"]
    rules = "\n".join(f"- **{rule.id}**: {rule.text}" for rule in constitution.restricted)
    trained = "\n".join(_learnt(kind, cast("Mapping[str, Any]", m.notes)) for kind, m in scorers.items())
    sources = "\n".join(f"| {r['name']} | {r['hits']} | {r['n']} | {_share(r)} |" for r in held["sources"])
    caught = "\n".join(f"| {r['name']} | {r['hits']} | {r['n']} | {_share(r)} |" for r in held["caught"])
    lineage = "\n".join(_lineage(kind, m) for kind, m in scorers.items())
    return f"""# Guard: {constitution.name}

{constitution.summary}

## Intended use

To stand in front of a language model, by `lictor serve` or inside a program: it screens each prompt, reads each answer
while it is streamed, and stops what these rules restrict. It is one measure among others. It is no moderation of
anything its rules do not name, and no proof of anybody's intent.

## What it stops

{rules}

## What it promises

At most {report["budget_fpr"]:.2%} of benign conversations stopped, {_OVER[report["promise"]]}: the exact upper bound at
{report["confidence"]:.0%} confidence on the conversations the thresholds were fitted on is {report["fitted_upper"]:.2%}
({report["fitted"]["hits"]} of {report["fitted"]["n"]}).{_unread(report.get("unreadable"))}

On conversations that chose nothing:

| benign source | stopped | of | share |
|---|---|---|---|
{sources}

| restricted, blocked by | blocked | of | share |
|---|---|---|---|
{caught}

{_escalation(report["cascade"]) if report.get("cascade") else ""}## What it was trained on

{trained}

Each was made from artefacts that `runs/` of its project holds under these fingerprints; their manifests lead on to
rules, generators, seeds and settings.

| part | fingerprint | made from | versions |
|---|---|---|---|
{lineage}

## Limits

The figures above are for synthetic conversations like those it was made from, plain or in the disguises training saw.
Measure it on your own traffic, and on attacks it has never seen, before you rely on it. A disguise that neither
training nor a view covers can pass. It reads text alone, and languages that its data held.
"""


def _unread(rate: Mapping[str, Any] | None) -> str:
    if rate is None or not rate["hits"]:
        return ""
    return f" Not counted: {rate['hits']} of {rate['n']} that nothing here can read, which the policy has blocked."


def _escalation(report: Mapping[str, Any]) -> str:
    cascade, unread = report["cascade"], report.get("n_unread", 0)
    left_out = f" Not counted: {unread:,} that a scorer cannot read." if unread else ""
    if cascade is None:
        return f"""## How it reads answers

An exchange scorer was trained, and on validation answers added nothing to the stream scorer: it is not used.{left_out}

"""
    return f"""## How it reads answers

The stream scorer reads every answer. Where the prompt scores {cascade["prompt_escalation"]:.2f} or more, or from an
answer token of {cascade["answer_escalation"]:.2f} or more on, the exchange scorer reads it in its conversation too,
and weighs {cascade["weight"]:g} in the score. On the validation answers that chose this,
{report["benign_escalated"]:.1%} of the benign ({report["n_benign"]:,}) and {report["restricted_escalated"]:.1%} of
the restricted ones ({report["n_restricted"]:,}) were escalated, and benign ones cost {report["compute"]:.2f} times the
tokens that the stream scorer reads.{left_out}

"""


_OVER = {"mean": "sources weighing equally", "every_source": "in every source, the worst of which counts"}


def _learnt(kind: str, notes: Mapping[str, Any]) -> str:
    line = f"- {kind}: {notes['sequences']:,} sequences, {notes['tokens']:,} tokens"
    if "model" not in notes:
        return f"{line}, last loss {notes['last_loss']:.3f}"
    best = max(notes["validation_auroc"])
    return f"{line}; it reads activations of {notes['model']}; area under the curve of validation answers {best:.3f}"


def _lineage(kind: str, manifest: Manifest) -> str:
    parents = ", ".join(f"{role} {key}" for role, key in manifest.parents.items())
    versions = ", ".join(f"{name} {manifest.versions[name]}" for name in _TOLD if name in manifest.versions)
    return f"| {kind} | {manifest.fingerprint} | {parents} | {versions} |"


_TOLD = ("lictor", "torch", "transformers")


def _share(rate: Mapping[str, Any]) -> str:
    value = rate["hits"] / rate["n"] if rate["n"] else 0.0
    return f"{value:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"
