"""Read disguises of whole words: find them by the words that give them away, and decode word by word.

In: a text's segments, and a cipher. Out: from the first disguised word on, every word as the cipher decodes it, once
enough signs were seen close together; until no sign was seen for a while. A sign is a word that is a common one when
decoded and is none as it stands, or one that holds look-alike characters.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from lictor.guard.tokens import SEGMENT_CHARS
from lictor.guard.views.protocol import Decoded

WINDOW_WORDS = 16
"""Words in which all signs have to stand; and words without a sign after which a disguise is over."""
PLAIN_WORDS = 3
"""Common words in a row, as they stand, after which a disguise is over."""
_PUNCTUATION = " \t\r\n.,;:!?\"'()[]{}*_“”‘’…–—"


class Cipher(Protocol):
    """A reversible change of words. Keys tell its variants apart: by how far letters are moved, say."""

    @property
    def signs_needed(self) -> int:
        """Signs of one key within the window that open a disguise."""
        ...

    def passes(self, segment: str) -> bool:
        """Whether a segment can be told at a glance to be no sign, and not in the clear."""
        ...

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """Keys of which the segment is a sign; none of a word that says nothing; None for a word in the clear."""
        ...

    def guess(self, text: str) -> int | None:
        """The key of a window of words without any sign or word in the clear, if it shows in another way."""
        ...

    def decode(self, segment: str, key: int) -> str:
        """The segment as it read before; white space stays."""
        ...


class WordView:
    """Runs of disguised words as the words they hide."""

    pending_limit = (WINDOW_WORDS + 1) * SEGMENT_CHARS

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._offset = 0
        self._window: deque[str] = deque(maxlen=WINDOW_WORDS)
        self._keys: deque[tuple[int, ...]] = deque(maxlen=WINDOW_WORDS)
        """Keys of which the last words of the window are signs, from the first sign on."""
        self._signs: Counter[int] = Counter()
        self._plain = self._unsure = 0
        self._key: int | None = None

    @property
    def pending_start(self) -> int | None:
        """Where the first sign stands, or the end of what was read when a disguise is open."""
        if self._key is not None:
            return self._offset
        return self._offset - sum(map(len, list(self._window)[-len(self._keys) :])) if self._keys else None

    def push(self, segment: str) -> list[Decoded]:
        """Words known by now to be disguised."""
        self._offset += len(segment)
        is_idle = self._key is None and not self._keys
        keys = () if is_idle and self._cipher.passes(segment) else self._cipher.weigh(segment)
        if self._key is not None:
            return self._follow(segment, self._key, keys)
        if keys is None and is_idle:
            self._window.clear()
            self._unsure = 0
            return []
        self._window.append(segment)
        if keys or not is_idle:
            self._wait(keys)
            return self._open(self._best())
        self._unsure += 1
        return self._open(self._guess()) if self._unsure == WINDOW_WORDS else []

    def finish(self) -> list[Decoded]:
        """Nothing more: what had too few signs stays as it is."""
        self._forget()
        return []

    def _wait(self, keys: tuple[int, ...] | None) -> None:
        if len(self._keys) == WINDOW_WORDS:
            self._signs -= Counter(self._keys.popleft())
            while self._keys and not self._keys[0]:
                self._keys.popleft()
        self._keys.append(keys or ())
        self._signs.update(keys or ())
        self._plain += keys is None
        if not self._signs or self._plain > max(self._signs.values()) + 1:
            self._forget()

    def _best(self) -> int | None:
        key, signs = max(self._signs.items(), key=lambda item: item[1], default=(None, 0))
        return key if signs >= max(self._cipher.signs_needed, self._plain + 1) else None

    def _guess(self) -> int | None:
        self._unsure = 0
        return self._cipher.guess("".join(self._window))

    def _open(self, key: int | None) -> list[Decoded]:
        if key is None:
            return []
        words = list(self._window)
        self._forget()
        self._key = key
        start = self._offset - sum(map(len, words))
        pieces: list[Decoded] = []
        for word in words:
            pieces.append(Decoded(self._cipher.decode(word, key), start, start + len(word), not pieces))
            start += len(word)
        return pieces

    def _follow(self, segment: str, key: int, keys: tuple[int, ...] | None) -> list[Decoded]:
        is_sign = key in (keys or ())
        self._window.append(segment)
        self._unsure = 0 if is_sign else self._unsure + 1
        self._plain = self._plain + 1 if keys is None else 0 if is_sign else self._plain
        if self._plain >= PLAIN_WORDS or (self._unsure > WINDOW_WORDS and self._guess() != key):
            self._forget()
            return []
        return [Decoded(self._cipher.decode(segment, key), self._offset - len(segment), self._offset)]

    def _forget(self) -> None:
        self._window.clear()
        self._keys.clear()
        self._signs.clear()
        self._plain = self._unsure = 0
        self._key = None


def core(segment: str) -> str:
    """The word of a segment in lower case, without what stands around it."""
    return segment.strip(_PUNCTUATION).lower()


def verdicts(signs: Mapping[str, tuple[int, ...]], plain: Iterable[str]) -> dict[str, tuple[int, ...] | None]:
    """What each word says: of which keys it is a sign; None for a word in the clear of two letters or more."""
    return {**signs, **{word: None for word in plain if len(word) > 1}}
