"""Read bytes written as digits of a power of two: base64, base32, hexadecimal, binary; forwards or mirrored.

In: a text's segments. Out: the plain text of every run of digits that is long enough and decodes to readable
UTF-8. Words and hashes decode to unreadable bytes in their first group or two, and are dropped there: they hold
nothing back. A mirrored code was reversed after encoding: it reads as the reversed text, which other views turn round.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase, ascii_uppercase, digits, hexdigits

from lictor.guard.tokens import SEGMENT_CHARS
from lictor.guard.views.protocol import Decoded, is_readable

SUSPECT_CHARS = 2
"""Readable characters from which on a run is held back: plain words hardly ever decode to as many."""
_CODES = frozenset(hexdigits + " ,x%&#;\\u")
"""What other codes are written with: digits that decode to it alone are no mere number."""


@dataclass(frozen=True, slots=True)
class Radix:
    """One way of writing bytes as digits."""

    hint: str
    """Regular expression for how readable text in this code begins; segments without it are passed over at once."""
    values: Mapping[str, int]
    digit: str
    """Regular expression for one or more digits."""
    bits: int
    """Bits of a digit."""
    group: int
    """Digits that make whole bytes."""
    opens: int
    """Digits of the shortest run that is read; padding counts."""
    between: str
    """Regular expression for one thing that may stand between two digits."""
    joins: str
    """Regular expression for all that may stand between two digits of one run."""
    gap_limit: int
    """Most characters between two digits of one run."""
    partial: str = r"(?!)"
    """Regular expression for the start of something that the end of a full segment may cut."""
    needs: str = ""
    """Digits of which a run has one within twice `opens`, or it decodes to digits: a run of others is a number."""
    is_mirrored: bool = False


_LETTERS = ascii_uppercase + ascii_lowercase + digits
_BASE64_START = r"(?<![A-Za-z0-9+/_-])"
_BASE32_START = r"(?<![A-Za-z2-7])"
_LINES = r"[\r\n][\r\n\t >]{0,3}"
BASE64 = Radix(
    hint=rf"{_BASE64_START}(?:[CI-Za-f](?:[C-HS-Xi-nyz0-3M-Pc-fs-v89+/_-]|\Z)|[w-z0-9])",
    values={char: value for value, char in enumerate(_LETTERS)} | {"+": 62, "-": 62, "/": 63, "_": 63},
    digit=r"[A-Za-z0-9+/_-]+",
    bits=6,
    group=4,
    opens=16,
    between=r"[\r\n\t >]",
    joins=_LINES,
    gap_limit=4,
)
BASE32 = Radix(
    hint=rf"{_BASE32_START}(?:[E-PYZ2-6][A-Z2-7]{{7}}|[e-pyz2-6][a-z2-7]{{7}})",
    values={char: value % 32 for value, char in enumerate(ascii_uppercase + "234567" + ascii_lowercase)},
    digit=r"[A-Za-z2-7]+",
    bits=5,
    group=8,
    opens=16,
    between=r"[\r\n\t >]",
    joins=_LINES,
    gap_limit=4,
)
HEX = Radix(
    hint=r"[0-9]|\\|[a-fA-F]{8}",
    values={char: value % 16 for value, char in enumerate("0123456789abcdef0123456789ABCDEF")},
    digit=r"(?<![G-WYZg-wyz])[0-9a-fA-F]++(?![G-Zg-z])",
    bits=4,
    group=2,
    opens=20,
    between=r"0[xX](?=[0-9a-fA-F])|\\x|[\s,:;|\"'-]",
    joins=r"(?s:.){1,10}",
    gap_limit=10,
    partial=r"0|\\|0x|\\x",
    needs="abcdefABCDEF",
)
BINARY = Radix(
    hint=r"[01]",
    values={"0": 0, "1": 1},
    digit=r"[01]+",
    bits=1,
    group=8,
    opens=80,
    between=r"0b(?=[01])|[\s,:;|_-]",
    joins=r"(?s:.){1,4}",
    gap_limit=4,
)

MIRRORED_BASE64 = replace(
    BASE64,
    is_mirrored=True,
    hint=rf"{_BASE64_START}[A-Za-z0-9+/_-]{{2}}(?:[C-HS-Xi-nyz0-3M-Pc-fs-v89+/_-][CI-Za-f]|.[w-z0-9])|=",
)
MIRRORED_BASE32 = replace(
    BASE32,
    is_mirrored=True,
    hint=rf"{_BASE32_START}(?:[A-Z2-7]{{7}}[E-PYZ2-6]|[a-z2-7]{{7}}[e-pyz2-6])|=",
)
MIRRORED_HEX = replace(HEX, is_mirrored=True, between=r"x0(?![0-9a-fA-F])|x\\|[\s,:;|\"'-]")
MIRRORED_BINARY = replace(BINARY, is_mirrored=True)


class RadixView:
    """Runs of digits as the text they decode to."""

    def __init__(self, code: Radix) -> None:
        self.pending_limit = ((1 + bool(code.needs)) * code.opens + code.group) * (1 + code.gap_limit)
        self._code = code
        self._hint = re.compile(code.hint)
        self._scan = re.compile(f"(?P<between>{code.between})|(?P<digits>{code.digit})|(?s:.)").finditer
        self._joins = re.compile(code.joins)
        self._partial = re.compile(f"(?:{code.partial})\\Z")
        self._offset = 0
        self._carry = ""
        """End of the last segment, when it may be part of something that the next one completes."""
        self._run: _Run | None = None
        self._gap = ""
        self._padding = self._prefix = 0
        """Characters before the digits: padding of a mirrored code, and a prefix such as 0x."""
        self._is_dead = False
        """In digits that decode to nothing readable; they end at the next character that is none."""

    @property
    def pending_start(self) -> int | None:
        """Where the first character of the open run stands that was not decoded and given out."""
        return self._run.pending_start if self._run and self._run.is_suspect else None

    def push(self, segment: str) -> list[Decoded]:
        """Groups decoded by now."""
        if self._run is None and not self._carry and not self._padding and not self._hint.search(segment):
            self._offset += len(segment)
            self._is_dead = len(segment) == SEGMENT_CHARS and segment[-1] in self._code.values
            return []
        text, self._carry = self._carry + segment, ""
        start = self._offset + len(segment) - len(text)
        self._offset += len(segment)
        cut = self._partial.search(text) if len(segment) == SEGMENT_CHARS else None
        if cut:
            text, self._carry = text[: cut.start()], cut[0]
        return self._read(text, start)

    def finish(self) -> list[Decoded]:
        """The last, shorter group."""
        decoded = self._read(self._carry, self._offset - len(self._carry)) if self._carry else []
        return decoded + self._close(padding=0)

    def _read(self, text: str, start: int) -> list[Decoded]:
        decoded: list[Decoded] = []
        for found in self._scan(text):
            match found.lastgroup:
                case "digits":
                    decoded += self._take(found[0], start + found.start())
                case "between" if self._run and len(self._gap) + len(found[0]) <= self._code.gap_limit:
                    self._gap += found[0]
                case _:
                    padding = self._padding + 1 if found[0] == "=" and self._code.is_mirrored else 0
                    decoded += self._close(padding=1 if found[0] == "=" else 0)
                    self._padding = padding
                    self._prefix = len(found[0]) if found.lastgroup == "between" and found[0][-1].isalpha() else 0
                    self._is_dead = False
        return decoded

    def _take(self, digits: str, offset: int) -> list[Decoded]:
        if self._is_dead:
            return []
        decoded: list[Decoded] = []
        if self._gap and not self._joins.fullmatch(self._gap):
            decoded = self._close(padding=0)
        if self._run is None:
            self._run = _Run(self._code, padding=self._padding % self._code.group, prefix=self._prefix)
        elif self._gap:
            self._run.start_line()
        self._gap = ""
        decoded += self._run.take(digits, offset)
        while self._run and not self._run.is_readable:
            self._run, more = self._run.last_line()
            decoded += more
        self._is_dead = self._run is None
        return decoded

    def _close(self, *, padding: int) -> list[Decoded]:
        decoded = self._run.close(padding) if self._run else []
        self._run, self._gap, self._padding, self._prefix = None, "", 0, 0
        return decoded


class _Run:
    """One run of digits: decoded so far, and given out once it is long enough."""

    def __init__(self, code: Radix, *, padding: int = 0, prefix: int = 0) -> None:
        self._code = code
        self._decode = _backwards() if code.is_mirrored else getincrementaldecoder("utf-8")(errors="replace").decode
        self._group = ""
        self._prefix = prefix
        self._short = padding
        """Digits that the group lacks: the first one of a mirrored code, where padding stands before it."""
        self._line, self._line_start, self._lines = "", 0, 1
        self._waiting: list[Decoded] = []
        self._chars = self._decoded = self._unreadable = 0
        self._is_word = not code.needs
        self._fired = False
        self._start = self._read = self._end = 0
        """Source characters: of the first digit, after the last group decoded, after the last digit."""

    @property
    def is_suspect(self) -> bool:
        """Whether something decoded to readable text."""
        return self._decoded >= SUSPECT_CHARS

    @property
    def is_readable(self) -> bool:
        """Whether all decoded characters are readable, or seven in eight once the run was given out."""
        return self._unreadable * 8 <= self._decoded if self._fired else self._unreadable == 0

    @property
    def pending_start(self) -> int:
        return self._read if self._fired else self._start

    def start_line(self) -> None:
        self._line = ""
        self._lines += 1

    def last_line(self) -> "tuple[_Run | None, list[Decoded]]":
        """A new run of the last line alone, when the lines before it were not part of one."""
        if self._lines == 1 or self._fired:
            return None, []
        run = _Run(self._code)
        return run, run.take(self._line, self._line_start)

    def take(self, digits: str, offset: int) -> list[Decoded]:
        if self._chars == 0:
            self._start = self._read = offset - self._prefix
        if not self._fired:
            self._line_start = self._line_start if self._line else offset
            self._line += digits
        at = 0
        while at < len(digits) and self.is_readable:
            taken = digits[at : at + self._code.group - self._short - len(self._group)]
            at += len(taken)
            self._chars += len(taken)
            self._group += taken
            self._end = offset + at
            if len(self._group) + self._short == self._code.group:
                self._decode_group(final=False)
        return self._give_out() if self._chars >= self._code.opens and self.is_readable else []

    def close(self, padding: int) -> list[Decoded]:
        padded = (self._code.group - len(self._group)) * padding if len(self._group) > 1 else 0
        if not (self._fired or self._chars + padded >= self._code.opens) or self._code.is_mirrored:
            return []
        self._decode_group(final=True)
        return self._give_out() if self.is_readable else []

    def _decode_group(self, *, final: bool) -> None:
        number = 0
        for char in reversed(self._group) if self._code.is_mirrored else self._group:
            number = number << self._code.bits | self._code.values[char]
        spare = len(self._group) * self._code.bits % 8
        text = self._decode((number >> spare).to_bytes(len(self._group) * self._code.bits // 8, "big"), final)
        self._is_word = self._is_word or any(char in self._code.needs for char in self._group)
        self._group, self._short = "", 0
        self._decoded += len(text)
        self._unreadable += sum(not is_readable(char) for char in text)
        if text and self._read < self._end:  # a character cut off at the very end was read from nothing more
            self._waiting.append(Decoded(text, self._read, self._end))
            self._read = self._end

    def _give_out(self) -> list[Decoded]:
        if not (self._fired or self._is_word or all(_CODES.issuperset(piece.text) for piece in self._waiting)):
            self._unreadable += self._decoded * (self._chars >= 2 * self._code.opens)
            return []
        pieces, self._waiting = self._waiting, []
        if pieces and not self._fired:
            self._fired = True
            self._line = ""
            pieces[0] = pieces[0]._replace(opens=True)
        return pieces


def _backwards() -> Callable[[bytes, bool], str]:
    """A decoder of UTF-8 whose bytes come last one first: it gives the text last character first."""
    tail = b""

    def decode(data: bytes, final: bool = False) -> str:
        nonlocal tail
        text = ""
        for byte in reversed(data):
            tail = bytes([byte]) + tail
            if not 0x80 <= byte < 0xC0 or len(tail) == 4:
                text, tail = text + tail.decode("utf-8", "replace"), b""
        return text

    return decode
