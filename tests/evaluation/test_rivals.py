"""The baselines that need a model: embeddings under a linear reading, and a prompted judge."""

from math import isnan

import pytest

from lictor.constitution import Constitution
from lictor.errors import DataError
from lictor.evaluation.embedding import Encoder, asked, train_embedding
from lictor.evaluation.prompted import PromptedJudge
from lictor.guard.guard import Guard
from lictor.llm.scripted import ScriptedModel
from lictor.testing import ask
from lictor.types import Message, Policy

RULES = Constitution.parse(
    """
version: 1
name: bells
summary: How bells are cast stays a secret.
restricted: [{id: cast, text: Steps of casting a bell.}]
permitted: {everyday: [{id: soup, text: Cooking soup.}]}
""",
    "bells",
)


def test_embeddings_learn_what_they_are_shown(tiny: str) -> None:
    """Trained texts are told apart, a batch says what one text at a time does, and length does not matter."""
    encoder = Encoder(tiny)
    texts = [f"cast a bell {n}" for n in range(8)] + [f"cook the soup {n}" for n in range(8)]
    scorer = train_embedding(encoder, texts, [True] * 8 + [False] * 8)

    logits = scorer.score_many([ask(text) for text in texts])

    assert min(logits[:8]) > max(logits[8:])
    assert scorer.score(ask(texts[3])) == pytest.approx(logits[3], abs=1e-4)
    assert scorer.score_many([]) == []
    assert scorer.fits(ask("soup " * 4000))
    assert scorer.score(ask("soup " * 4000)) == pytest.approx(scorer.score(ask("soup " * 5000)), abs=1e-4)


def test_embeddings_read_what_the_user_said_last_first() -> None:
    """Of a long conversation the end is read, whatever is cut off; the assistant's turns are not."""
    talk = (*ask("first"), Message("assistant", "well"), Message("user", "second"))

    assert asked(talk) == "second\nfirst"
    with pytest.raises(DataError, match="both labels"):
        train_embedding(Encoder.__new__(Encoder), ["a"], [True])


def test_a_prompted_judge_sees_rules_and_dialog_and_its_number_counts() -> None:
    """The prompt holds every rule; 0, 5 and 10 are far apart and symmetric, and no number is a failure that blocks."""
    seen: list[str] = []

    def judged(reply: str) -> float:
        model = ScriptedModel(lambda conversation, _: seen.append(conversation[-1].content) or reply)
        return PromptedJudge(model, RULES).score(ask("How is it cast?"))

    assert judged("10") == -judged("0 - surely not") > judged("7.") > judged("5") == 0
    assert isnan(judged("I cannot say."))
    assert all(text in seen[0] for text in ("Steps of casting a bell.", "Cooking soup.", "user: How is it cast?"))
    silent = Guard(PromptedJudge(ScriptedModel(lambda _asked, _sampling: "Hm."), RULES), None, Policy(0.0, 0.0))
    assert silent.check(ask("?")).status == "error"


def test_a_prompted_judge_of_an_answer_is_asked_about_that() -> None:
    """A refusal of a restricted request gives nothing, whatever was asked."""
    seen: list[str] = []
    model = ScriptedModel(lambda conversation, _: seen.append(conversation[-1].content) or "0")

    PromptedJudge(model, RULES).score_many([ask("How is it cast?"), (*ask("How?"), Message("assistant", "In clay."))])

    assert ["dialog asks for" in text for text in seen] == [True, False]
    assert ["last message gives" in text for text in seen] == [False, True]
    assert "assistant: In clay." in seen[1]
