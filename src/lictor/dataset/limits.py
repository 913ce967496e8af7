"""When an audit should stop a run: what is never allowed, and how much of the rest is.

In: an audit, and limits. Out: reasons, none if the dataset may be trained on. Reads no example.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

from lictor.dataset.audit import Audit, Balance
from lictor.errors import UsageError

LEAST_WORN = 50
"""Prompts with a transform or in a language, from which on their balance is held to the limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is allowed of what is not forbidden outright."""

    per_rule: float = 5
    """Examples of a rule, at least."""
    near: float = 0.01
    """Near-duplicates across splits, as a share of the prompts compared."""
    refusals: float = 0.01
    """Answers that refuse, as a share."""
    words: float = 1.0
    """AUROC of words alone, on prompts."""
    length: float = 0.8
    """AUROC of length alone, on prompts."""
    template: float = 0.8
    """AUROC of templates alone, on prompts."""
    doubts: float = 0.15
    """Labels that the words of other families speak against, as a share."""
    skew: float = 0.25
    """Share of restricted prompts among those with one transform, or in one language, less that among all."""


ESSENTIAL = Limits(length=1, template=1, doubts=1, skew=1)
"""What a run stops at: not what is only worth a look."""


def with_limits(given: Sequence[str]) -> Limits:
    """The limits, with those `name=number` says.

    Raises:
        UsageError: There is no such limit, or it is not a number.
    """
    limits, names = Limits(), [field.name for field in fields(Limits)]
    for item in given:
        name, _, number = item.partition("=")
        try:
            if name not in names:
                raise ValueError(name)
            limits = replace(limits, **{name: float(number)})
        except ValueError:
            raise UsageError(f"limit {item!r}: expected NAME=NUMBER with a name of {', '.join(names)}") from None
    return limits


def gate(audit: Audit, limits: Limits | None = None) -> list[str]:
    """Reasons why nothing should be trained on the dataset; none if it may be."""
    limits = limits or Limits()
    return [reason for reason, holds in {**_forbidden(audit), **_over(audit, limits)}.items() if holds]


def _forbidden(audit: Audit) -> dict[str, bool]:
    by_label = audit.counts["split and label"]
    sides = [f"{split} {label}" for split in audit.counts["split"] or ("train",) for label in (0, 1)]
    empty = [side for side in sides if not by_label.get(side)]
    exact = len(audit.exact_leaks)
    return {
        f"prompts in several splits, word for word: {exact}; assign splits by family": exact > 0,
        f"families in several splits: {_some(audit.split_families)}; assign splits by family": bool(
            audit.split_families
        ),
        f"no prompts with these labels: {', '.join(empty)}; both sides are needed in every split": bool(empty),
        f"ids used more than once: {_some(audit.repeated_ids)}": bool(audit.repeated_ids),
        f"examples of another constitution: {_some(audit.foreign)}; make the dataset anew": bool(audit.foreign),
    }


def _over(audit: Audit, limits: Limits) -> dict[str, bool]:
    near, refused = len(audit.near_leaks), len(audit.refusals) / max(1, audit.answers)
    sparse = [f"{rule} ({count})" for rule, count in audit.counts["rule"].items() if count < limits.per_rule]
    found = {
        f"near-duplicates across splits: {near} pairs in {audit.prompts} prompts, "
        f"at most {limits.near:.0%} allowed; lower synthesis.near_duplicate": near > limits.near * audit.prompts,
        f"rules with fewer than {limits.per_rule:g} examples: {', '.join(sparse)}; write asks for them": bool(sparse),
        f"answers that refuse: {len(audit.refusals)} of {audit.answers} ({refused:.1%}), "
        f"at most {limits.refusals:.0%} allowed; use a helpful-only generator": refused > limits.refusals,
    }
    most = {"words": limits.words, "length": limits.length, "template": limits.template}
    for told in audit.shortcuts:
        if (told.side, told.against) == ("prompt", "all"):
            found[
                f"labels are told apart by {told.feature} alone: AUROC {told.auroc:.2f}, "
                f"at most {most[told.feature]:.2f} allowed; write twins that share it"
            ] = told.auroc > most[told.feature]
    for doubt in audit.doubts:
        if doubt.rule is None:
            share = doubt.doubted / max(1, doubt.texts)
            found[
                f"{doubt.side} labels in doubt: {doubt.doubted} of {doubt.texts} ({share:.1%}), "
                f"at most {limits.doubts:.0%} allowed; look at the suspects"
            ] = share > limits.doubts
    return found | dict.fromkeys(_skewed(audit, limits.skew), True)


def _skewed(audit: Audit, most: float) -> list[str]:
    everything = _total(audit.balance.get("split", {}).values())
    return [
        f"{what} {name}: {shown.share:.0%} of {shown.prompts} prompts are restricted, {everything.share:.0%} of all, "
        f"at most {most:.0%} apart allowed; deal it to both labels alike"
        for what in ("transform", "lang")
        for name, shown in audit.balance.get(what, {}).items()
        if shown.prompts >= LEAST_WORN and abs(shown.share - everything.share) > most
    ]


def _total(rows: Collection[Balance]) -> Balance:
    return Balance(sum(row.restricted for row in rows), sum(row.permitted for row in rows))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
