"""Bag-of-words guards in the same harness."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.errors import DataError, UsageError
from lictor.evaluation.baseline import (
    BaselineInput,
    BaselineStream,
    WordTokenizer,
    keywords,
    train_bag_of_words,
    words_of,
)
from lictor.guard.guard import Guard
from lictor.guard.tokens import encode
from lictor.types import Halted, Message, Policy, Released

TEXTS = ["melt the ember pot slowly", "charge the ember with salt", "bake the bread slowly", "a nice cup of tea"]
LABELS = [True, True, False, False]
BAG = train_bag_of_words(TEXTS, LABELS)


@given(st.text(max_size=40))
def test_tokens_cover_any_text_and_can_be_read_back(text: str) -> None:
    """Joined, the tokens' characters are the text, whatever it is."""
    committed = encode(WordTokenizer(), text)

    assert "".join(WordTokenizer.decode(token.id) for token in committed) == text.encode(errors="replace").decode()


def test_it_learns_the_words() -> None:
    """Restricted texts score over zero and permitted ones under it."""
    scores = [BaselineInput(BAG.open).score((Message("user", text),)) for text in TEXTS]

    assert [score > 0 for score in scores] == LABELS


@given(st.lists(st.sampled_from(["ember", "bread", "the", "pot", "tea", "unseen"]), min_size=1, max_size=12))
def test_a_stream_scores_as_the_whole_text_so_far(words: list[str]) -> None:
    """The kept counts give what scoring the text so far anew gives, at every word."""
    reader = BAG.open()
    kept = [reader.read([word]) for word in words]
    anew = [BAG.open().read(words[: end + 1]) for end in range(len(words))]

    assert kept == pytest.approx(anew)


def test_the_reader_agrees_with_the_trained_classifier() -> None:
    """The incremental logit is that of the TF-IDF vector under the regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from lictor.evaluation import baseline

    vectorizer = TfidfVectorizer(analyzer=baseline._analyse)  # pyright: ignore
    vectorizer.fit(TEXTS)
    text = "melt the bread, melt the tea"
    weights = np.asarray([BAG.weights[name] for name in vectorizer.get_feature_names_out()])
    expected = float((vectorizer.transform([text]) @ weights)[0]) + BAG.bias

    assert BAG.open().read(words_of(text)) == pytest.approx(expected)


def test_the_baseline_guards_a_stream() -> None:
    """Put into a Guard, a keyword list lets text through up to the word and halts there."""
    guard = Guard(
        None,
        BaselineStream(keywords(["ember"]).open),
        Policy(input_threshold=0.0, output_threshold=0.0, stride=1, debounce=1),
    )
    events = list(guard.stream((Message("user", "?"),), ["Put the Em", "ber in", " the pot."]))

    assert "".join(event.text for event in events if isinstance(event, Released)) == "Put the"
    assert isinstance(events[-1], Halted)


@pytest.mark.parametrize("listed", [[], ["two words"]])
def test_a_keyword_list_holds_single_words(listed: list[str]) -> None:
    """Phrases and empty lists are refused."""
    with pytest.raises(UsageError, match="single words"):
        keywords(listed)


def test_both_labels_are_needed() -> None:
    """One class alone cannot be told from the other."""
    with pytest.raises(DataError, match="2 of them restricted"):
        train_bag_of_words(["a", "b"], [True, True])
