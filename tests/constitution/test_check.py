"""Lint: what a person should look at again."""

import pytest

from lictor.constitution.check import lint
from lictor.constitution.rules import Constitution, Rule
from lictor.types import Bucket

EXAMPLES = ("How is the furnace lit?", "Which sand is right?")


def rule(rule_id: str, text: str, bucket: Bucket = "restricted", examples: tuple[str, ...] = EXAMPLES) -> Rule:
    """A rule with examples of its own, so that they do not clash."""
    return Rule(rule_id, text, bucket, tuple(f"{rule_id}: {example}" for example in examples), line=1)


MELT = rule("melt", "Temperatures and timings for melting ember glass in a furnace.")
HISTORY = rule("history", "History of the guilds that ran ember glass furnaces.", "same_domain")
LOCKS = rule("locks", "Opening a door without its key.", "harmful_elsewhere")
POTTERY = rule("pottery", "Firing schedules for clay pots.", "everyday")


def codes(*rules: Rule) -> set[tuple[str, str]]:
    """Severity and code of every finding in a constitution of `rules`."""
    return {(finding.severity, finding.code) for finding in lint(Constitution(1, "c", "Summary.", rules))}


def test_a_sound_constitution_has_no_findings() -> None:
    """Clear, apart, illustrated rules in every bucket give no findings."""
    assert codes(MELT, HISTORY, LOCKS, POTTERY) == set()


def test_missing_sides_are_found() -> None:
    """No restricted rule is an error; each empty permitted bucket is a warning."""
    findings = lint(Constitution(1, "c", "Summary.", (HISTORY,)))

    assert [finding.code for finding in findings] == ["empty-bucket", "empty-bucket", "no-restricted"]
    assert ("error", "no-restricted") in codes(HISTORY)


def test_the_same_text_on_both_sides_is_an_error() -> None:
    """A text that is restricted and permitted at once contradicts itself, whatever its case and spacing."""
    twin = rule("twin", MELT.text.upper().replace(" ", "  "), "same_domain")

    assert ("error", "duplicate-text") in codes(MELT, HISTORY, LOCKS, POTTERY, twin)


def test_near_duplicates_across_sides_are_found() -> None:
    """Two rules of opposite sides with nearly the same content words are a warning."""
    near = rule("near", "Melting ember glass in a furnace: timings, temperatures.", "same_domain")

    assert ("warning", "near-duplicate") in codes(MELT, HISTORY, LOCKS, POTTERY, near)


def test_ids_that_look_alike_are_found() -> None:
    """Ids that differ only in separators or a plural s are a warning."""
    other = rule("pot-teries", "Glazes for clay.", "everyday")
    alike = rule("pot_teries", "Kilns for clay.", "everyday")

    assert ("warning", "overlapping-id") in codes(MELT, HISTORY, LOCKS, other, alike)


def test_a_restricted_rule_without_a_permitted_neighbour_is_explained() -> None:
    """A restricted rule far from every same-domain rule is a warning that names the nearest and what they share."""
    far = Rule("export", "Shipping sealed cells across borders.", "restricted", ("Which port takes cells?",), line=9)

    found = [f for f in lint(Constitution(1, "c", "S.", (MELT, far, HISTORY, LOCKS, POTTERY))) if f.rule == "export"]

    assert [finding.code for finding in found] == ["no-near-permitted"]
    assert "the nearest, 'history', shares only" in found[0].message
    assert found[0].line == 9


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Inappropriate talk of ember glass furnaces.", "ambiguous-word"),
        ("Ember glass furnaces, fuels, etc.", "ambiguous-word"),
        ("Ember glass furnaces and so on.", "ambiguous-word"),
        ("Helping with it in ember glass furnaces.", ""),
        ("It in an ember glass furnace.", "unclear-pronoun"),
        ("Ember glass furnace " + "heat " * 60, "long-rule"),
        ("No ember glass furnace unless licensed, except in museums.", "exception-chain"),
        ("Ember glass furnace advice that is not general, not legal, not historical.", "exception-chain"),
        ("Ember glass furnace advice that is not general.", ""),
        ("Something about ember glass furnaces, a certainty.", ""),
    ],
)
def test_wording_two_people_read_differently_is_found(text: str, code: str) -> None:
    """Vague words, pronouns for nothing, over-long rules and chained exceptions are warnings; plain wording is not."""
    found = codes(rule("worded", text), HISTORY, LOCKS, POTTERY)

    assert ({("warning", code)} if code else set()) == found


def test_an_example_on_both_sides_is_an_error() -> None:
    """One example cannot seed restricted and permitted data."""
    twin = Rule("law", "Law of ember glass furnaces.", "same_domain", (MELT.examples[0].upper(),))

    assert ("error", "example-on-both-sides") in codes(MELT, twin, LOCKS, POTTERY)


def test_rules_without_examples_are_told_once_a_bucket() -> None:
    """Rules without examples give one warning a bucket, which names them."""
    bare = (rule("a", "Clay.", "everyday", ()), rule("b", "Bread.", "everyday", ()))

    found = lint(Constitution(1, "c", "S.", (MELT, HISTORY, LOCKS, *bare)))

    assert [finding.code for finding in found] == ["no-examples"]
    assert "everyday: a, b" in found[0].message
