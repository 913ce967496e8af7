"""Read base64, standard or URL-safe, decoded group by group.

In: text. Out: the plain text of every run of at least `RUN_CHARS` base64 characters (padding counts) that decodes to
mostly printable UTF-8. A line break with up to `GAP_CHARS` blanks in all may stand between any two characters.
Words and hashes decode to unprintable bytes in their first group or two, and are dropped there: they hold nothing back.
"""

from codecs import getincrementaldecoder

from lictor.guard.views.protocol import Decoded

RUN_CHARS = 16
GAP_CHARS = 4
GROUP_CHARS = 4

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_VALUES = {char: value for value, char in enumerate(_ALPHABET)} | {"+": 62, "-": 62, "/": 63, "_": 63}


class Base64View:
    """Base64 runs as the text they decode to."""

    name = "base64"
    pending_limit = (RUN_CHARS + 1) * (1 + GAP_CHARS)
    spread = 2 * GROUP_CHARS * (1 + GAP_CHARS)

    def __init__(self) -> None:
        self._offset = 0
        self._run: _Run | None = None
        self._gap = ""
        self._dead = False
        """In a run that decodes to nothing readable; it ends at the next character that is not base64."""

    @property
    def pending_start(self) -> int | None:
        """Where the first character of the open run stands that was not decoded and given out."""
        return self._run.pending_start if self._run and self._run.is_suspect else None

    def push(self, text: str) -> list[Decoded]:
        """Groups decoded by now."""
        decoded: list[Decoded] = []
        for char in text:
            if char in _VALUES:
                self._take(char, decoded)
            else:
                self._break(char, decoded)
            self._offset += 1
        return decoded

    def finish(self) -> list[Decoded]:
        """The last, shorter group."""
        decoded: list[Decoded] = []
        self._close(decoded, padding=0)
        return decoded

    def _take(self, char: str, decoded: list[Decoded]) -> None:
        if self._dead:
            return
        run = self._run = self._run or _Run()
        if self._gap:
            run.start_line()
            self._gap = ""
        decoded += run.take(char, self._offset)
        while self._run and not self._run.is_readable:
            self._run = self._run.last_line()
        self._dead = self._run is None

    def _break(self, char: str, decoded: list[Decoded]) -> None:
        self._dead = False
        if self._run is None:
            return
        in_gap = char in "\r\n" or (self._gap and char in " \t>")
        if in_gap and len(self._gap) < GAP_CHARS:
            self._gap += char
        else:
            self._close(decoded, padding=1 if char == "=" else 0)

    def _close(self, decoded: list[Decoded], *, padding: int) -> None:
        if self._run:
            decoded += self._run.close(padding)
        self._run, self._gap = None, ""


class _Run:
    """One run of base64 characters: decoded so far, and given out once it is long enough."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")(errors="replace").decode
        self._group: list[tuple[str, int]] = []
        self._line: list[tuple[str, int]] = []
        self._lines = 1
        self._waiting: list[Decoded] = []
        self._chars = self._decoded = self._unreadable = 0
        self._fired = False
        self._start = self._read = 0
        """Source characters up to which groups were decoded."""

    @property
    def is_suspect(self) -> bool:
        """Whether at least one group decoded to readable text."""
        return self._chars >= GROUP_CHARS

    @property
    def is_readable(self) -> bool:
        """Whether at most one decoded character in eight is unprintable."""
        return self._unreadable * 8 <= self._decoded

    @property
    def pending_start(self) -> int:
        return self._read if self._fired else self._start

    def start_line(self) -> None:
        self._line.clear()
        self._lines += 1

    def last_line(self) -> "_Run | None":
        """A new run of the last line alone, when the lines before it were not part of one."""
        if self._lines == 1 or self._fired:
            return None
        run = _Run()
        for char, offset in self._line:
            run.take(char, offset)
        return run

    def take(self, char: str, offset: int) -> list[Decoded]:
        if self._chars == 0:
            self._start = self._read = offset
        self._chars += 1
        self._group.append((char, offset))
        if not self._fired:
            self._line.append((char, offset))
        if len(self._group) < GROUP_CHARS:
            return []
        self._decode_group(offset + 1, final=False)
        return self._give_out() if self._chars >= RUN_CHARS and self.is_readable else []

    def close(self, padding: int) -> list[Decoded]:
        padded = (GROUP_CHARS - len(self._group)) * padding if len(self._group) > 1 else 0
        whole = self._chars + padded >= RUN_CHARS
        if not (self._fired or whole):
            return []
        end = self._group[-1][1] + 1 if self._group else self._read
        self._decode_group(end, final=True)
        return self._give_out() if self.is_readable else []

    def _decode_group(self, end: int, *, final: bool) -> None:
        bits = 0
        for char, _ in self._group:
            bits = bits << 6 | _VALUES[char]
        size = len(self._group) * 6 // 8
        text = self._decode((bits >> (len(self._group) * 6 - size * 8)).to_bytes(size, "big"), final)
        self._group.clear()
        self._decoded += len(text)
        self._unreadable += sum(not (char.isprintable() or char in "\n\r\t") or char == "\ufffd" for char in text)
        if text:
            self._waiting.append(Decoded(text, self._read, end))
            self._read = end

    def _give_out(self) -> list[Decoded]:
        pieces, self._waiting = self._waiting, []
        if pieces and not self._fired:
            self._fired = True
            self._line.clear()
            pieces[0] = pieces[0]._replace(opens=True)
        return pieces
