"""Read escapes that stand for one character or byte each: percent, HTML, backslash, invisible and decimal codes.

In: a text's segments. Out: the plain text of every run of escapes, with the plain characters between them. A run is
read once it has `ESCAPES` escapes that nobody needs: of letters and digits. Escaped spaces, quotes and accents, as in
any address or page, open nothing.
"""

import re
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from string import ascii_letters, digits

from lictor.guard.tokens import SEGMENT_CHARS
from lictor.guard.views.protocol import Decoded, is_readable

ESCAPES = 6
WAITING_FACTOR = 3
"""Escapes that may wait, for each of letters or digits that a run has to have."""
BETWEEN_CHARS = 12
ESCAPE_CHARS = 10
_TEXT = frozenset(ascii_letters + digits + " .,'?!\n\r\t+/=")


@dataclass(frozen=True, slots=True)
class Escape:
    """One way of writing characters as escapes."""

    hint: str
    """Regular expression for what every segment with an escape holds; others are passed over at once."""
    unit: str
    """Regular expression for one escape."""
    partial: str
    """Regular expression for the start of one, where a full segment may cut it."""
    value: Callable[[str], str | int]
    """The character an escape stands for, or the byte as a number."""
    keep: str = r"(?s:.)*"
    """Regular expression for what may stand between two escapes, as part of the text."""
    joins: str = r"(?!)"
    """Regular expression for what may stand between two escapes, as a mere separator."""
    opens: int = ESCAPES
    """Escapes of letters and digits from which on a run is read."""
    span: int = 0
    """If above 0, numbers may be mere numbers: a run is read only if it holds ASCII letters, digits, blanks and common
    marks alone, half of them small letters or digits, and its smallest and largest code are this far apart."""


def _html(unit: str) -> str:
    return unescape(unit if unit.endswith(";") else unit + ";")


def _backslash(unit: str) -> str | int:
    number = int(unit.strip("\\xuU+{}"), 16)
    return number if unit[:2] == "\\x" else _char(number)


def _char(number: int) -> str:
    return chr(number) if number < 0x110000 else "\ufffd"


def _invisible(unit: str) -> str | int:
    number = ord(unit)
    if 0xE0000 <= number <= 0xE007F:
        return chr(number - 0xE0000)
    return number - 0xE0100 + 16 if number >= 0xE0100 else number - 0xFE00


PERCENT = Escape("%", r"%[0-9A-Fa-f]{2}", r"%[0-9A-Fa-f]?", lambda unit: int(unit[1:], 16))
HTML = Escape("&", r"&#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6});|&[A-Za-z]{2,8};", r"&#?[0-9A-Za-z]{0,8}", _html)
BACKSLASH = Escape(
    r"\\|[Uu]\+",
    r"\\u[0-9A-Fa-f]{4}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}|\\x[0-9A-Fa-f]{2}|[Uu]\+[0-9A-Fa-f]{4,6}",
    r"\\(?:[uU]\{?[0-9A-Fa-f]{0,7}|x[0-9A-Fa-f]?)?|[Uu](?:\+[0-9A-Fa-f]{0,5})?",
    _backslash,
)
INVISIBLE = Escape(
    "[\U000e0020-\U000e007e\U000e0100-\U000e01ef\ufe00-\ufe0f]",
    "[\U000e0020-\U000e007e\U000e0100-\U000e01ef\ufe00-\ufe0f]",
    r"(?!)",
    _invisible,
    keep="[^ -~\U000e007f]*",
    joins="[^\U000e007f]*",
    opens=8,
)
DECIMAL = Escape(
    "[0-9]{2}",
    r"(?<![0-9.])[0-9]{2,3}(?![0-9]|\.[0-9])",
    r"[0-9]{1,3}",
    lambda unit: _char(int(unit)),
    keep=r"(?!)",
    joins=r"[\s,;|/-]{1,3}",
    opens=16,
    span=40,
)


class EscapeView:
    """Runs of escapes as the text they stand for."""

    def __init__(self, code: Escape) -> None:
        self.pending_limit = (WAITING_FACTOR * code.opens + 1) * (ESCAPE_CHARS + BETWEEN_CHARS)
        self._code = code
        self._hint = re.compile(code.hint)
        self._units = re.compile(code.unit).finditer
        self._partial = re.compile(f"(?:{code.partial})\\Z")
        self._keep, self._joins = re.compile(code.keep), re.compile(code.joins)
        self._offset = 0
        self._carry = ""
        self._between = ""
        """Read since the last escape of the run."""
        self._waiting: deque[tuple[Decoded, bool]] = deque()
        """Not given out: pieces, and whether their escape counts."""
        self._end: int | None = None
        """Source character after the last escape of the run; None when none is open."""
        self._given = 0
        self._count = 0
        self._fired = False
        self._decode = getincrementaldecoder("utf-8")(errors="replace").decode

    @property
    def pending_start(self) -> int | None:
        """Where the first character of the run stands that was not given out."""
        if self._fired:
            return self._given
        return self._waiting[0][0].start if self._count > 1 else None

    def push(self, segment: str) -> list[Decoded]:
        """Escapes decoded by now, and what stands between them."""
        if self._end is None and not self._carry and not self._hint.search(segment):
            self._offset += len(segment)
            return []
        text, self._carry = self._carry + segment, ""
        start = self._offset + len(segment) - len(text)
        self._offset += len(segment)
        cut = self._partial.search(text) if len(segment) == SEGMENT_CHARS else None
        if cut:
            text, self._carry = text[: cut.start()], cut[0]
        return self._read(text, start)

    def finish(self) -> list[Decoded]:
        """What was cut off at the end."""
        decoded = self._read(self._carry, self._offset - len(self._carry)) if self._carry else []
        self._close()
        return decoded

    def _read(self, text: str, start: int) -> list[Decoded]:
        at = 0
        decoded: list[Decoded] = []
        for unit in self._units(text):
            self._pass(text[at : unit.start()])
            self._take(unit[0], start + unit.start(), start + unit.end())
            at = unit.end()
            decoded += self._give_out()
        self._pass(text[at:])
        return decoded

    def _pass(self, between: str) -> None:
        if self._end is not None:
            self._between += between
            if len(self._between) > BETWEEN_CHARS:
                self._close()

    def _take(self, unit: str, start: int, end: int) -> None:
        text = self._text(self._code.value(unit))
        between, self._between = self._between, ""
        if self._end is None or not (self._keep.fullmatch(between) or self._joins.fullmatch(between)):
            self._close()
        elif self._keep.fullmatch(between):
            start, text = self._end, between + text
        if self._code.span and not self._fired and not _TEXT.issuperset(text):
            self._close()
            return
        if text and (self._fired or is_readable(text[-1])):
            counts = text[-1].isalnum() if text[-1].isascii() else not (between or text[-1].isspace())
            self._waiting.append((Decoded(text, start, end), counts))
            self._count += counts
        if not self._fired and len(self._waiting) > WAITING_FACTOR * self._code.opens:
            self._count -= self._waiting.popleft()[1]
        self._end = end

    def _text(self, value: str | int) -> str:
        return self._decode(bytes([value])) if isinstance(value, int) else value

    def _give_out(self) -> list[Decoded]:
        if not self._fired and (self._count < self._code.opens or not self._is_text()):
            return []
        pieces = [piece for piece, _ in self._waiting]
        self._waiting.clear()
        if pieces and not self._fired:
            self._fired = True
            pieces[0] = pieces[0]._replace(opens=True)
        self._given = pieces[-1].end if pieces else self._given
        return pieces

    def _is_text(self) -> bool:
        if self._code.span == 0:
            return True
        codes = [ord(piece.text[-1]) for piece, _ in self._waiting]
        small = sum(code >= ord("a") or chr(code).isdigit() for code in codes)
        return max(codes) - min(codes) >= self._code.span and 2 * small >= len(codes)

    def _close(self) -> None:
        self._end, self._between = None, ""
        self._waiting.clear()
        self._count, self._fired = 0, False
        self._decode = getincrementaldecoder("utf-8")(errors="replace").decode
