"""Results: one file, figures replaced by name, tables made from it."""

from pathlib import Path

import pytest

from lictor.errors import DataError
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import Stamp, number, read, record, render, stamp_now

STAMP = Stamp("abc123", "2026-01-02")


def figure(name: str, value: float = 0.25, unit: str = "share") -> Figure:
    """A figure out of 1,200."""
    return Figure(name, value, 0.1, 0.4, 1200, unit)


def test_figures_are_added_and_replaced_by_name(tmp_path: Path) -> None:
    """A second measurement of a name takes the place of the first; others stay."""
    path = tmp_path / "docs" / "results.json"
    record(path, [figure("a/x"), figure("b/y")], "measure a", STAMP)
    record(path, [figure("a/x", 0.5)], "measure again", STAMP)

    rows = {str(row["name"]): row for row in read(path)}
    assert set(rows) == {"a/x", "b/y"}
    assert (rows["a/x"]["value"], rows["a/x"]["command"], rows["b/y"]["command"]) == (0.5, "measure again", "measure a")
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]


def test_a_name_twice_is_refused_and_nothing_written(tmp_path: Path) -> None:
    """Two figures of one name in one measurement are a mistake."""
    path = tmp_path / "results.json"
    with pytest.raises(DataError, match=r"\['a'\] twice"):
        record(path, [figure("a"), figure("a")], "measure", STAMP)

    assert not path.exists()


@pytest.mark.parametrize("text", ["{", "{}", '[{"name": "a"}]'])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    """A foreign or broken file is never overwritten."""
    path = tmp_path / "results.json"
    path.write_text(text)

    with pytest.raises(DataError, match=r"results\.json"):
        record(path, [figure("a")], "measure", STAMP)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(0.1293, "share", "12.93%"), (2.5593, "per second", "2.559"), (10137, "count", "10,137"), (9217.4, "ms", "9,217")],
)
def test_a_number_is_written_for_people(value: float, unit: str, shown: str) -> None:
    """Large ones without powers of ten."""
    assert number(value, unit) == shown


def test_tables_are_grouped_and_show_interval_count_and_command(tmp_path: Path) -> None:
    """Each first part of a name is a table; shares are percentages, other units are named."""
    path = tmp_path / "results.json"
    record(path, [figure("attack_success/half"), figure("universality/half", 3, "questions")], "run it", STAMP)
    page = render(read(path))

    assert "## attack success" in page
    assert "| half | 25.00% | 10.00% to 40.00% | 1,200 |" in page
    assert "| half | 3 questions | 0.1 to 0.4 | 1,200 |" in page
    assert page.count("- `run it` at abc123, 2026-01-02") == 2


def test_outside_a_repository_the_commit_is_unknown(tmp_path: Path) -> None:
    """The stamp never fails for want of a repository."""
    assert stamp_now(tmp_path).commit == "unknown"


def test_a_single_run_is_shown_without_an_interval(tmp_path: Path) -> None:
    """One measurement has no spread, and the page does not pretend to one."""
    path = tmp_path / "results.json"
    record(path, [Figure("first_run/in_all", 16.0, 16.0, 16.0, 1, "minutes")], "run it", STAMP)

    assert "| in_all | 16 minutes | none | 1 |" in render(read(path))


def test_what_matters_comes_first_under_its_own_name(tmp_path: Path) -> None:
    """In the order given, what was not measured left out, and again in its own table."""
    path = tmp_path / "results.json"
    found = [Figure("b/x", 0.5, 0.4, 0.6, 10, "share"), Figure("a/y", 3.0, 2.0, 4.0, 5, "ms")]
    record(path, found, "measure", Stamp("abc", "2026-01-01"))

    page = render(read(path), {"a/y": "the wait", "none": "nothing", "b/x": "the part"})

    first = page.split("## ")[1]
    assert first.startswith("At a glance")
    assert first.index("| the wait | 3 ms | 2 to 4 | 5 |") < first.index(
        "| the part | 50.00% | 40.00% to 60.00% | 10 |"
    )
    assert "nothing" not in page
    assert "| y | 3 ms | 2 to 4 | 5 |" in page


def test_what_a_reader_has_to_know_stands_under_its_table(tmp_path: Path) -> None:
    """Once, in its own group; a note on what was not measured is left out."""
    path = tmp_path / "results.json"
    found = [Figure("b/x", 0.5, 0.4, 0.6, 10, "share"), Figure("a/y", 3.0, 2.0, 4.0, 5, "ms")]
    record(path, found, "measure", STAMP)

    page = render(read(path), notes={"a": "On a small machine.", "c": "Of something else."})

    assert page.count("On a small machine.") == 1
    assert page.index("| y |") < page.index("On a small machine.") < page.index("## b")
    assert "Of something else." not in page
