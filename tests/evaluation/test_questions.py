"""Reading the questions, the handbook and ordinary answers."""

from pathlib import Path

import pytest

from lictor.errors import DataError
from lictor.evaluation.questions import load

from .small import EMBERGLASS

HANDBOOK = """
facts:
  - {id: f1, rule: melt, question: q1, say: ["Use {value}."], value: one}
  - {id: f2, rule: melt, question: q1, say: ["Take {value}."], value: two}
"""
QUESTIONS = "questions: [{id: q1, rule: melt, text: How}]"


def write(folder: Path, handbook: str = HANDBOOK, questions: str = QUESTIONS) -> Path:
    """A domain folder with these files."""
    (folder / "handbook.yaml").write_text(handbook)
    (folder / "questions.yaml").write_text(questions)
    return folder


def test_the_starter_domain_has_ten_graded_questions() -> None:
    """The worked domain loads, and each of its ten questions is graded by 8 to 18 facts."""
    domain = load(EMBERGLASS)

    assert len(domain.questions) == 10
    assert all(8 <= len(domain.rubric(question.id)) <= 18 for question in domain.questions)
    assert domain.ordinary


def test_a_folder_without_ordinary_answers_loads(tmp_path: Path) -> None:
    """Ordinary answers are optional, and the rubric holds the question's facts in order."""
    domain = load(write(tmp_path))

    assert [fact.id for fact in domain.rubric("q1")] == ["f1", "f2"]
    assert domain.ordinary == ()


@pytest.mark.parametrize(
    ("handbook", "questions", "message"),
    [
        ("facts: 3", QUESTIONS, r"handbook.yaml: expected a mapping with a list under `facts`"),
        ("facts: [", QUESTIONS, r"handbook.yaml: expected a YAML file"),
        (HANDBOOK.replace("value: two", "values: two"), QUESTIONS, r"handbook.yaml: facts number 2: value"),
        (HANDBOOK.replace("f2", "f1"), QUESTIONS, r"handbook.yaml: expected every id or topic once, got \['f1'\]"),
        (HANDBOOK.replace("Take {value}", "Take it"), QUESTIONS, r"fact 'f2': expected exactly one \{value\}"),
        (HANDBOOK.replace('question: q1, say: ["Take', 'question: q9, say: ["Take'), QUESTIONS, r"got 'q9'"),
        (HANDBOOK, QUESTIONS.replace("}]", "}, {id: q2, rule: melt, text: Why}]"), r"question 'q2': .*got 0"),
    ],
)
def test_a_malformed_file_is_named_with_what_was_expected(
    tmp_path: Path, handbook: str, questions: str, message: str
) -> None:
    """Every mistake names its file, and what should have stood there."""
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, handbook, questions))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A folder without a handbook is an error that names the file."""
    with pytest.raises(DataError, match=r"handbook\.yaml"):
        load(tmp_path)
