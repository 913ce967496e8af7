"""Reading constitution files: what is refused, and how it is said."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lictor.constitution.parse import MAX_BYTES, read_text
from lictor.constitution.rules import Constitution
from lictor.errors import ConstitutionError

GOOD = """\
version: 1
name: glass
summary: Keep the glass safe.
restricted:
  - id: melt
    text: Temperatures for the melt.
    examples:
      - "How hot?"
permitted:
  same_domain:
    - {id: law, text: The law of glass.}
  everyday: []
"""


def problems_of(text: str) -> list[str]:
    """The lines of the error that `text` gives."""
    with pytest.raises(ConstitutionError) as caught:
        Constitution.parse(text, "c.yaml")
    return str(caught.value).splitlines()


def test_a_good_file_is_read_with_its_lines() -> None:
    """Rules come with bucket, examples and the line they stand on."""
    constitution = Constitution.parse(GOOD, "c.yaml")

    assert (constitution.name, constitution.version) == ("glass", 1)
    melt, law = constitution.rules
    assert (melt.id, melt.bucket, melt.examples, melt.line) == ("melt", "restricted", ("How hot?",), 5)
    assert (law.id, law.bucket, law.examples, law.line) == ("law", "same_domain", (), 11)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("restricted:\n", "restrictd:\n", "c.yaml:4: the file: unknown key 'restrictd'; did you mean 'restricted'?"),
        ("  everyday", "  sometimes", "c.yaml:12: permitted: unknown key 'sometimes'; expected one of same_domain"),
        ("summary: Keep the glass safe.\n", "", "c.yaml:1: the file: the key 'summary' is missing; add it"),
        ("name: glass", "name: 12", "c.yaml:2: name: expected text, got a number ('12'); put it in quotes"),
        ("text: The law of glass.", "text: yes", "c.yaml:11: same_domain rule 1: text: expected text, got true or"),
        ("name: glass", "name: glass\nname: other", "c.yaml:3: the file: the key 'name' is given twice (see line 2)"),
        ("id: law", "id: melt", "c.yaml:11: rule id 'melt' is used twice (line 5, in restricted); ids must be unique"),
        ("id: law", "id: The Law", "c.yaml:11: same_domain rule 1: id: expected 1 to 64 lower-case letters"),
        ("The law of glass.", "'  '", "c.yaml:11: same_domain rule 1: text: expected text, got nothing"),
        ("version: 1", "version: 2", "c.yaml:1: version: expected the number 1, got a number ('2')"),
        ("version: 1", "version: &v 1", "c.yaml:1: anchors (&v) are refused"),
        ("name: glass", "name: *v", "c.yaml:2: aliases (*v) are refused"),
        ("name: glass", "name: !!python/name:os.system x", "c.yaml:2: tags (tag:yaml.org,2002:python/name"),
        ("name: glass", "name: [glass", "c.yaml:3: expected YAML, got something else ("),
        ("name: glass", "name: gl\x00ss", "c.yaml:2: expected printable text, got the character U+0000"),
        ("name: glass", 'name: "\\ud800"', "c.yaml:2: expected printable text, got the character U+D800"),
        ("  everyday: []", "  everyday:", "c.yaml:12: everyday: expected a list of rules, got nothing"),
        ('"How hot?"', "{a: b}", "c.yaml:8: restricted rule 1: example: expected text, got a mapping"),
        ("  everyday: []\n", "---\nagain: 1\n", "c.yaml:12: expected one document, got a second `---`"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(old: str, new: str, expected: str) -> None:
    """Each way of breaking a file gives a line with the file, the line, what is wrong and what was expected."""
    assert old in GOOD

    assert any(line.startswith(expected) for line in problems_of(GOOD.replace(old, new, 1)))


def test_all_problems_are_told_together() -> None:
    """A file with several problems is refused once, with a line for each, in the order of the file."""
    text = GOOD.replace("version: 1", "version: 9").replace("id: melt", "id: Melt").replace("text: The", "txt: The")

    lines = [problem.split(" ", 1)[0] for problem in problems_of(text)]

    assert lines == ["c.yaml:1:", "c.yaml:5:", "c.yaml:11:", "c.yaml:11:"]


@pytest.mark.parametrize("text", ["", "  \n\n", "# only a comment\n", "\ufeff"])
def test_an_empty_file_is_refused(text: str) -> None:
    """A file with nothing in it is told to be empty, with the way to a template."""
    assert problems_of(text)[0].startswith("c.yaml:1: the file is empty; expected a constitution")


def test_deep_nesting_is_refused_without_exhausting_the_stack() -> None:
    """A hundred thousand open brackets give an error with a line, and quickly."""
    assert problems_of("[" * 100_000)[0].startswith("c.yaml:1: expected at most 12 levels of nesting")


def test_a_file_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    """The first byte that is not UTF-8 is named with its line and offset."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"version: 1\nname: caf\xe9\n")

    with pytest.raises(ConstitutionError, match=r"c.yaml:2: expected UTF-8, got the byte 0xe9 at byte offset 20"):
        Constitution.load(path)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    """A file over the limit is refused by its size."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))

    with pytest.raises(ConstitutionError, match="expected at most 1,000,000 bytes"):
        Constitution.load(path)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    """A path that leads nowhere is refused with the command that makes a constitution."""
    with pytest.raises(ConstitutionError, match=r"could not open it .* `lictor init`"):
        Constitution.load(tmp_path / "none.yaml")


@given(st.text())
@example('name: "\\UFFFFFFFF"')
@example("%YAML " + "9" * 5000 + ".1\n---\na")
@example("? [a]\n: b")
@example("{{}: 1}")
@example("- - - - -")
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever the text, it is a constitution or a ConstitutionError with its name in front of every line."""
    try:
        Constitution.parse(text, "c.yaml")
    except ConstitutionError as error:
        assert all(line.startswith("c.yaml:") for line in str(error).splitlines())


@given(
    st.lists(st.sampled_from([*GOOD, "\n", ": ", "- ", "&", "*", "!", "|", "'", '"', "\t", "1"]), max_size=12),
    st.data(),
)
def test_no_damaged_file_raises_anything_else(noise: list[str], data: st.DataObject) -> None:
    """Whatever is written over a part of a good file, it is a constitution or a ConstitutionError."""
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, len(GOOD)))
    try:
        Constitution.parse(GOOD[:start] + "".join(noise) + GOOD[end:], "c.yaml")
    except ConstitutionError as error:
        assert str(error).startswith("c.yaml:")


@given(data=st.binary(max_size=200))
def test_no_bytes_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever the bytes of a file, reading gives text or a ConstitutionError."""
    path = tmp_path_factory.mktemp("bytes") / "c.yaml"
    path.write_bytes(data)
    try:
        text = read_text(path)
        Constitution.parse(text, "c.yaml")
    except ConstitutionError as error:
        assert "c.yaml:" in str(error)
