"""Bag-of-words guards: what a trained guard must beat, in the same harness at the same false-positive rate.

In: labelled texts, or a list of keywords. Out: scorers of the same protocols as the real ones, so that the same Guard,
calibration and measures run on them. Knows no model.

A stream is scored on every word by the text so far. The counts behind the score are kept, so a word costs no more
late in an answer than early; the result equals that of scoring the whole text so far anew.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from lictor.errors import DataError, UsageError
from lictor.types import Context, Conversation, ScoringSession, Token

_TOKEN = re.compile(r"\s*\S+|\s+")
_WORD = re.compile(r"\w+")


class Reader(Protocol):
    """Reads words and says after each what it makes of the text so far."""

    def read(self, words: Sequence[str]) -> float:
        """Logit of restrictedness of everything read, after `words` (lower case) too."""
        ...


@dataclass(frozen=True, slots=True)
class WordTokenizer:
    """One token a run of non-space characters; its id is its characters, so nothing needs to be remembered."""

    def encode(self, segment: str) -> list[Token]:
        """Tokens of `segment`, in order."""
        return [Token(int.from_bytes(b"\x01" + match[0].encode()), match.end()) for match in _TOKEN.finditer(segment)]

    @staticmethod
    def decode(token_id: int) -> str:
        """The characters of a token."""
        return token_id.to_bytes((token_id.bit_length() + 7) // 8)[1:].decode()


@dataclass(frozen=True, slots=True)
class BaselineInput:
    """An InputScorer over the words of all turns."""

    open_reader: Callable[[], Reader]

    def score(self, conversation: Conversation) -> float:
        """Logit of restrictedness of the conversation."""
        return self.open_reader().read([word for message in conversation for word in words_of(message.content)])


@dataclass(frozen=True, slots=True)
class BaselineStream:
    """A StreamScorer over the words of the answer so far."""

    open_reader: Callable[[], Reader]
    context: Context = "answer"
    tokenizer: WordTokenizer = WordTokenizer()

    def open(self, conversation: Conversation) -> ScoringSession:
        """A fresh session; the conversation is not read."""
        return _Session(self.open_reader())


class BagOfWords(NamedTuple):
    """TF-IDF weights of words, word pairs and character runs under a logistic regression."""

    weights: Mapping[str, float]
    """Coefficient of each feature."""
    idf: Mapping[str, float]
    """Inverse document frequency of each feature."""
    bias: float

    def open(self) -> Reader:
        """A reader of one text."""
        return _BagReader(self)


def train_bag_of_words(texts: Sequence[str], restricted: Sequence[bool], *, seed: int = 0) -> BagOfWords:
    """The logistic regression that tells restricted from permitted texts by their words, pairs and character runs.

    Raises:
        DataError: Lengths differ, or a class is missing.
    """
    if len(texts) != len(restricted) or len(set(restricted)) != 2:
        raise DataError(
            f"expected a label per text and both labels, got {len(texts)} texts and {len(restricted)} labels, "
            f"{sum(restricted)} of them restricted"
        )
    vectorizer = TfidfVectorizer(
        analyzer=_analyse,  # pyright: ignore[reportArgumentType] - inferred from the default; a callable is documented
        min_df=2 if len(texts) >= 50 else 1,
    )
    matrix = vectorizer.fit_transform(texts)
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000, random_state=seed)
    model.fit(matrix, [int(label) for label in restricted])
    names = vectorizer.get_feature_names_out()
    return BagOfWords(
        weights=dict(zip(names, map(float, np.ravel(model.coef_)), strict=True)),
        idf=dict(zip(names, map(float, np.ravel(vectorizer.idf_)), strict=True)),
        bias=float(np.ravel(model.intercept_)[0]),
    )


@dataclass(frozen=True, slots=True)
class Keywords:
    """A list of words: the logit is how many different ones were seen, less one half."""

    words: frozenset[str]

    def open(self) -> Reader:
        """A reader of one text."""
        return _KeywordReader(self.words)


def keywords(words: Iterable[str]) -> Keywords:
    """A keyword list, case ignored; each entry is one word.

    Raises:
        UsageError: The list is empty or an entry is not one word.
    """
    lowered = frozenset(word.casefold() for word in words)
    odd = sorted(word for word in lowered if words_of(word) != [word])
    if odd or not lowered:
        raise UsageError(f"expected a list of single words, got {odd or 'an empty list'}")
    return Keywords(lowered)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return _WORD.findall(text.casefold())


class _Session:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def score(self, token_ids: Sequence[int]) -> list[float]:
        return [self._reader.read(words_of(WordTokenizer.decode(token_id))) for token_id in token_ids]


class _BagReader:
    """Keeps the dot product and the norm of the TF-IDF vector of everything read."""

    def __init__(self, bag: BagOfWords) -> None:
        self._bag = bag
        self._counts: Counter[str] = Counter()
        self._last: str | None = None
        self._dot = 0.0
        self._squares = 0.0

    def read(self, words: Sequence[str]) -> float:
        for word in words:
            for feature in _features(word, self._last):
                idf = self._bag.idf.get(feature)
                if idf is not None:
                    self._dot += self._bag.weights[feature] * idf
                    self._squares += idf * idf * (2 * self._counts[feature] + 1)
                    self._counts[feature] += 1
            self._last = word
        return self._bag.bias + (self._dot / self._squares**0.5 if self._squares else 0.0)


class _KeywordReader:
    def __init__(self, listed: frozenset[str]) -> None:
        self._listed = listed
        self._seen: set[str] = set()

    def read(self, words: Sequence[str]) -> float:
        self._seen.update(self._listed.intersection(words))
        return len(self._seen) - 0.5


def _analyse(text: str) -> list[str]:
    words = words_of(text)
    return [feature for last, word in zip([None, *words], words, strict=False) for feature in _features(word, last)]


def _features(word: str, last: str | None) -> list[str]:
    """The word, the pair with the word before it, and its runs of 3 to 5 characters."""
    padded = f"<{word}>"
    runs = [f"c:{padded[at : at + size]}" for size in (3, 4, 5) for at in range(len(padded) - size + 1)]
    return [f"w:{word}", *([] if last is None else [f"p:{last} {word}"]), *runs]
