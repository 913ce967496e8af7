"""Constitutions: their parts, and what their fingerprints depend on."""

import dataclasses
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lictor.constitution.diff import diff
from lictor.constitution.rules import Constitution, Rule
from lictor.errors import UsageError
from lictor.types import PERMITTED_BUCKETS

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=80).filter(
    lambda text: bool(text.strip())
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A constitution as plain data, with at least one restricted rule."""
    ids = draw(st.lists(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True), min_size=2, max_size=6, unique=True))
    rules = [{"id": rule_id, "text": draw(TEXTS), "examples": draw(st.lists(TEXTS, max_size=3))} for rule_id in ids]
    cut = draw(st.integers(1, len(rules) - 1))
    bucket = draw(st.sampled_from(PERMITTED_BUCKETS))
    return {
        "version": 1,
        "name": "sample",
        "summary": draw(TEXTS),
        "restricted": rules[:cut],
        "permitted": {bucket: rules[cut:]},
    }


def load(document: dict[str, Any]) -> Constitution:
    """The constitution that `document` is when dumped as YAML."""
    return Constitution.parse(yaml.safe_dump(document), "sample.yaml")


@st.composite
def styles(draw: st.DrawFn) -> dict[str, Any]:
    """Ways of dumping the same data as YAML."""
    return {
        "width": draw(st.integers(10, 200)),
        "default_style": draw(st.sampled_from([None, "'", '"', "|", ">"])),
        "default_flow_style": draw(st.sampled_from([None, False])),
        "allow_unicode": draw(st.booleans()),
        "sort_keys": draw(st.booleans()),
        "indent": draw(st.integers(2, 8)),
    }


@settings(max_examples=50)
@given(documents(), styles(), st.randoms(use_true_random=False))
def test_layout_does_not_change_a_fingerprint(document: dict[str, Any], style: dict[str, Any], rng: Any) -> None:
    """Width, quoting, escapes, comments, key order and rule order leave every fingerprint as it was."""
    rules = rng.sample(document["restricted"], len(document["restricted"]))
    texts = {"name": document["name"], "summary": document["summary"]}
    lists = {"restricted": rules, "permitted": document["permitted"]}
    block: dict[str, Any] = {**style, "default_flow_style": False}
    dumped = [yaml.safe_dump(texts, **block), yaml.safe_dump(lists, **style)]
    # PyYAML's writer garbles a few texts (a no-break space at a fold); those are its own doing.
    assume([texts, lists] == [yaml.safe_load(part) for part in dumped])
    rng.shuffle(dumped)

    plain = load(document)
    restyled = Constitution.parse("# a comment\n" + "".join(dumped) + "version:   1 # one\n", "other.yaml")

    assert plain.fingerprint == restyled.fingerprint
    assert {rule.id: rule.fingerprint for rule in plain.rules} == {r.id: r.fingerprint for r in restyled.rules}


@given(documents(), st.data())
def test_an_edited_text_changes_the_fingerprint_of_its_rule_alone(
    document: dict[str, Any], data: st.DataObject
) -> None:
    """Any edit of one rule's text changes that rule's fingerprint, the whole's, and no other rule's."""
    before = load(document)
    place = data.draw(st.integers(0, len(before.rules) - 1))
    rule = before.rules[place]
    edited = dataclasses.replace(rule, text=rule.text + data.draw(st.sampled_from([".", " more", "x"])))
    after = dataclasses.replace(before, rules=(*before.rules[:place], edited, *before.rules[place + 1 :]))

    changed = diff(before, after)

    assert (rule.id,) == changed.changed == changed.to_generate
    assert len(before.rules) - 1 == len(changed.unchanged)
    assert before.fingerprint != after.fingerprint


def test_moving_a_rule_to_another_bucket_changes_its_fingerprint() -> None:
    """A rule that changes sides is another rule, though its words are the same."""
    restricted = Rule("a", "Selling tickets.", "restricted")
    permitted = Rule("a", "Selling tickets.", "everyday")

    assert restricted.fingerprint != permitted.fingerprint


def test_examples_are_a_set() -> None:
    """The order and the wrapping of examples do not matter; adding one does."""
    one = Rule("a", "Text.", "restricted", ("first one", "second"))
    same = Rule("a", "Text.", "restricted", ("second", "first\n  one"))
    more = Rule("a", "Text.", "restricted", ("first one", "second", "third"))

    assert one.fingerprint == same.fingerprint != more.fingerprint


def test_rules_are_found_by_id_side_and_bucket() -> None:
    """A constitution gives its rules by id, by side and by bucket, and names the known ids when asked for another."""
    melt = Rule("melt", "Melting.", "restricted")
    law = Rule("law", "The law.", "same_domain")
    constitution = Constitution(1, "glass", "Glass.", (melt, law))

    assert (melt,) == constitution.restricted
    assert (law,) == constitution.permitted == constitution.in_bucket("same_domain")
    assert constitution.bucket_of("law") == "same_domain"
    with pytest.raises(UsageError, match="no rule 'lava'; expected one of: melt, law"):
        constitution.rule("lava")


def test_diff_tells_added_removed_and_renamed_rules() -> None:
    """A renamed rule is one removed and one added; the frame is compared apart."""
    a, b, c = (Rule(name, f"Text of {name}.", "restricted") for name in "abc")
    old = Constitution(1, "x", "Old summary.", (a, b))
    new = Constitution(1, "x", "New summary.", (c, dataclasses.replace(b, id="b2"), a))

    found = diff(old, new)

    assert (found.added, found.removed, found.changed, found.unchanged) == (("c", "b2"), ("b",), (), ("a",))
    assert found.frame_changed
    assert not found.is_empty
    assert diff(old, old).is_empty
