"""The cache: no completion is paid for twice, not even by a run that was killed."""

from pathlib import Path

import pytest

from lictor.errors import ArtifactError
from lictor.llm.cache import CachedModel, CompletionStore
from lictor.llm.scripted import ScriptedModel
from lictor.testing import ask
from lictor.types import Conversation, Sampling


class CountingScript:
    """Answers with a running number, and gives up after `limit` calls."""

    def __init__(self, limit: int = 1000) -> None:
        self.calls = 0
        self._limit = limit

    def __call__(self, conversation: Conversation, sampling: Sampling) -> str:
        """The answer, numbered."""
        if self.calls >= self._limit:
            raise RuntimeError("killed")
        self.calls += 1
        return f"{conversation[-1].content} {sampling.seed} #{self.calls}"


def test_a_completion_is_paid_for_once(tmp_path: Path) -> None:
    """The same request, twice in one call and again in the next, reaches the model once."""
    script = CountingScript()
    model = CachedModel(ScriptedModel(script), CompletionStore(tmp_path / "c.sqlite"))
    first = model.complete([ask("a"), ask("b"), ask("a")], [Sampling()] * 3)
    second = model.complete([ask("b"), ask("c")], [Sampling()] * 2)

    assert first == ["a 0 #1", "b 0 #2", "a 0 #1"]
    assert second == ["b 0 #2", "c 0 #3"]
    assert (script.calls, model.paid) == (3, 3)


def test_another_sampling_conversation_or_model_is_another_completion(tmp_path: Path) -> None:
    """Everything that changes the answer is in the key."""
    script, store = CountingScript(), CompletionStore(tmp_path / "c.sqlite")
    model = CachedModel(ScriptedModel(script, "one"), store)
    model.complete([ask("a")], [Sampling(seed=0)])
    model.complete([ask("a")], [Sampling(seed=1)])
    model.complete([ask("a")], [Sampling(max_tokens=1)])
    model.complete([ask("a") + ask("a")], [Sampling()])
    CachedModel(ScriptedModel(script, "two"), store).complete([ask("a")], [Sampling()])

    assert script.calls == 5


def test_what_was_made_before_a_kill_is_kept(tmp_path: Path) -> None:
    """Every answer is on disk as soon as it came; a new process asks only for the others."""
    killed = CachedModel(ScriptedModel(CountingScript(limit=3)), CompletionStore(tmp_path / "c.sqlite"))
    killed.complete([ask("a"), ask("b")], [Sampling()] * 2)
    with pytest.raises(RuntimeError, match="killed"):
        killed.complete([ask("c"), ask("d")], [Sampling()] * 2)

    script = CountingScript()
    resumed = CachedModel(ScriptedModel(script), CompletionStore(tmp_path / "c.sqlite"))
    answers = resumed.complete([ask(x) for x in "abcd"], [Sampling()] * 4)

    assert answers == ["a 0 #1", "b 0 #2", "c 0 #3", "d 0 #1"]
    assert (script.calls, resumed.paid) == (1, 1)


def test_every_answer_is_told_of_as_it_comes(tmp_path: Path) -> None:
    """Those known already first, then those made, each once for every place that asked for it."""
    store = CompletionStore(tmp_path / "c.sqlite")
    CachedModel(ScriptedModel(CountingScript()), store).complete([ask("b")], [Sampling()])
    told: list[tuple[int, str]] = []
    model = CachedModel(ScriptedModel(CountingScript()), store)
    answers = model.complete(
        [ask(x) for x in "abab"], [Sampling()] * 4, on_answer=lambda index, text: told.append((index, text))
    )

    assert told == [(1, "b 0 #1"), (3, "b 0 #1"), (0, "a 0 #1"), (2, "a 0 #1")]
    assert answers == [text for _, text in sorted(told)]


def test_the_store_knows_how_fast_a_model_wrote(tmp_path: Path) -> None:
    """From what it made itself: nothing is noted where everything was known."""
    store = CompletionStore(tmp_path / "c.sqlite")
    model = CachedModel(ScriptedModel(lambda _c, _s: "x" * 100), store)
    before = store.pace(model.name)
    model.complete([ask("a")], [Sampling()])
    after = store.pace(model.name)
    model.complete([ask("a")], [Sampling()])

    assert before is None
    assert after == store.pace(model.name) != 0


def test_lone_surrogates_and_empty_answers_are_cached(tmp_path: Path) -> None:
    """Odd text in a request is a key like any other, and an empty answer is an answer."""
    calls: list[str] = []

    def script(conversation: Conversation, _: Sampling) -> str:
        calls.append(conversation[-1].content)
        return ""

    model = CachedModel(ScriptedModel(script), CompletionStore(tmp_path / "c.sqlite"))

    assert model.complete([ask("x\ud800")], [Sampling()]) == [""]
    assert model.complete([ask("x\ud800")], [Sampling()]) == [""]
    assert calls == ["x\ud800"]


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    """Another file in the store's place is not overwritten."""
    (tmp_path / "c.sqlite").write_text("my diary, " * 200)

    with pytest.raises(ArtifactError, match="not a store of completions"):
        CompletionStore(tmp_path / "c.sqlite")
    assert (tmp_path / "c.sqlite").read_text().startswith("my diary")


def test_a_closed_store_can_be_opened_again(tmp_path: Path) -> None:
    """What was put is there for the next who opens the file."""
    store = CompletionStore(tmp_path / "new" / "c.sqlite")
    store.put([("k", "v")])
    store.close()

    assert CompletionStore(tmp_path / "new" / "c.sqlite").get("k") == "v"


def test_a_script_streams_what_it_completes() -> None:
    """A scripted model's pieces are its answer, word by word; a cached one passes them through."""
    model = ScriptedModel(lambda c, _: f"  you said\n{c[-1].content} ")
    pieces = list(model.stream(ask("hello  there"), Sampling()))

    assert "".join(pieces) == model.complete([ask("hello  there")], [Sampling()])[0]
    assert len(pieces) > 3
