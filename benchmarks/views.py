"""Measure what views cost, and how often they open on ordinary text.

In: nothing, or JSON-lines files of benign conversations. Out: characters a second that all views read together, with
and without the stream guard around them; for each kind of ordinary text, the share of texts in which each view opens
and the tokens scored for views, as a share of those of the text itself.

    python benchmarks/views.py --pool everyday=prompts.jsonl.gz --limit 5000 --json
"""

import argparse
import gzip
import json
import random
import sys
import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from lictor.guard.stream import StreamGuard
from lictor.guard.tokens import segments
from lictor.guard.views import VIEWS, View, Views
from lictor.types import Policy, ScoreRequest, Token

TOKEN_CHARS = 4
CHUNK_CHARS = 20
TEXTS = 100
"""Texts of each kind that code generates."""
PROSE = (
    "The museum opened its doors at nine, and the visitors who had waited in the rain went in at once. They looked at "
    "the old glass, read the labels, and asked the guide how it had been made. Most of it came from a small workshop "
    "by the river, where three brothers blew bottles, lamps and window panes until 1911; their ledgers survive. "
)
TEXT_FIELDS = ("text", "prompt", "response", "content")


@dataclass(frozen=True)
class Opened:
    """What views did on texts of one kind."""

    kind: str
    texts: int
    chars: int
    extra_tokens: float
    """Tokens scored for views, over tokens of the text."""
    opened: dict[str, float]
    """Share of texts in which each view read something."""
    blocked: int
    """Texts halted because too many views opened or too much was held back."""


class QuarterTokenizer:
    """A token for every `TOKEN_CHARS` characters of a segment."""

    def encode(self, segment: str) -> Sequence[Token]:
        """Its tokens; ids mean nothing."""
        ends = [*range(TOKEN_CHARS, len(segment), TOKEN_CHARS), len(segment)]
        return [Token(0, end) for end in ends]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--pool", action="append", default=[], metavar="NAME=FILE", help="benign texts, JSON lines")
    parser.add_argument("--limit", type=int, default=2000, help="texts taken of each pool, evenly spread")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    speeds = measure_speeds(PROSE * 100)
    kinds = {kind: [make(random.Random(seed)) for seed in range(TEXTS)] for kind, make in ORDINARY.items()}
    for pool in options.pool:
        name, _, file = pool.partition("=")
        kinds[name] = read_texts(Path(file), options.limit)
    found = [measure_opened(kind, texts) for kind, texts in kinds.items()]
    if options.json:
        json.dump({"chars_per_second": speeds, "ordinary": [asdict(one) for one in found]}, sys.stdout, indent=2)
        return
    for name, speed in speeds.items():
        print(f"{name:24} {speed:12,.0f} characters/s")
    for one in found:
        shares = ", ".join(f"{view} {share:.2%}" for view, share in one.opened.items()) or "none"
        print(f"{one.kind:16} n {one.texts:5} extra {one.extra_tokens:8.3%} halted {one.blocked} opened: {shares}")


def measure_speeds(text: str) -> dict[str, float]:
    """Characters a second: of each view alone, of all together, and of the stream guard without and with views."""
    cut = segments(text)
    taken = {name: _seconds(lambda make=make: _read(make, cut)) for name, make in VIEWS.items()}
    speeds = {name: len(text) / seconds for name, seconds in taken.items()}
    speeds["all views"] = len(text) / sum(taken.values())
    speeds["stream without views"] = len(text) / _seconds(lambda: _stream(text, {}))
    speeds["stream with views"] = len(text) / _seconds(lambda: _stream(text, VIEWS))
    return speeds


def measure_opened(kind: str, texts: Sequence[str]) -> Opened:
    """Which views open on `texts`, read as answers."""
    opened: Counter[str] = Counter()
    plain = extra = blocked = 0
    for text in texts:
        tokens, halted = _stream(text, VIEWS)
        plain += tokens.pop(None, 0)
        extra += sum(tokens.values())
        opened.update(view for view in tokens if view)
        blocked += halted
    shares = {view: count / len(texts) for view, count in opened.most_common()}
    return Opened(kind, len(texts), sum(map(len, texts)), extra / max(1, plain), shares, blocked)


def read_texts(path: Path, limit: int) -> list[str]:
    """Up to `limit` texts of a JSON-lines file, evenly spread: the fields of a row that hold text, joined."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rows = [json.loads(line) for line in lines]
    rows = rows[:: max(1, len(rows) // limit)][:limit]
    return ["\n\n".join(str(row[field]) for field in TEXT_FIELDS if row.get(field)) for row in rows]


def _read(make: Callable[[], View], cut: Sequence[str]) -> None:
    view = make()
    for segment in cut:
        view.push(segment)


def _stream(text: str, views: Views) -> tuple[Counter[str | None], bool]:
    """Tokens asked for by view, and whether the stream was halted."""
    guard = StreamGuard(QuarterTokenizer(), Policy(0.0, 0.0), views=views)
    tokens: Counter[str | None] = Counter()
    for at in range(0, len(text) + CHUNK_CHARS, CHUNK_CHARS):
        steps = guard.push(text[at : at + CHUNK_CHARS]) if at < len(text) else guard.finish()
        for step in steps:
            if isinstance(step, ScoreRequest):
                tokens[step.view] += len(step.token_ids)
                guard.scored(step.view, [-1.0] * len(step.token_ids))
        if guard.ended:
            break
    return tokens, guard.decision.action == "block"


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    times: list[float] = []
    for _ in range(repeats):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(PROSE.replace(",", "").replace(".", "").split(), k=count))


def _hex(rng: random.Random, length: int) -> str:
    return sha256(rng.randbytes(8)).hexdigest()[:length]


def _code(rng: random.Random) -> str:
    names = [f"{rng.choice('abcdefgh')}{rng.randrange(100)}_{rng.choice(['size', 'rows', 'flag'])}" for _ in range(12)]
    lines = [
        f"    {a} = {b}[{rng.randrange(256)}:0x{rng.randrange(65536):04x}] ^ 0xFF  # keep {a}"
        for a, b in zip(names, reversed(names), strict=True)
    ]
    return "def f(x: int) -> str:\n" + "\n".join(lines) + '\n    return "\\n".join(rows)\n'


def _log(rng: random.Random) -> str:
    def line() -> str:
        time = f"2024-03-{rng.randrange(1, 29):02} 12:{rng.randrange(60):02}:{rng.randrange(60):02}"
        return (
            f"{time},{rng.randrange(1000):03} INFO [{rng.randbytes(2).hex()}] GET /v1/{rng.randrange(10**6)}?page=2 200"
        )

    return "\n".join(line() for _ in range(20))


def _table(rng: random.Random, mark: str) -> str:
    cells = [[str(rng.choice([rng.randrange(30, 130), _words(rng, 2)])) for _ in range(8)] for _ in range(12)]
    return "\n".join(mark.join(row) for row in cells)


def _numbers(rng: random.Random) -> str:
    low = rng.randrange(20, 90)
    return ", ".join(str(rng.randrange(low, low + rng.randrange(10, 60))) for _ in range(60))


def _chess(rng: random.Random) -> str:
    moves = [
        rng.choice(["", "N", "B", "R", "Q"]) + rng.choice("abcdefgh") + str(rng.randrange(1, 9)) for _ in range(60)
    ]
    return " ".join(f"{at // 2 + 1}. {one}" if at % 2 == 0 else one for at, one in enumerate(moves))


def _address(rng: random.Random) -> str:
    query = f"q={_words(rng, 3).replace(' ', '+')}&token={b64encode(rng.randbytes(24)).decode()}"
    return f"https://example.org/{_hex(rng, 12)}/a%20b%2Fc?{query}"


def _formula(rng: random.Random) -> str:
    return " + ".join(f"x_{{{n}}}^{{{rng.randrange(9)}}} α{n} sin(θ t) = ∫ f(x) dx" for n in range(12))


def _language(words: str) -> Callable[[random.Random], str]:
    return lambda rng: " ".join(rng.choices(words.split(), k=80))


EMOJI = ("😀", "👩\u200d👧", "❤️", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🇩🇪", " ok ")
ORDINARY: dict[str, Callable[[random.Random], str]] = {
    "prose": lambda rng: _words(rng, 150),
    "code": _code,
    "log": _log,
    "hashes": lambda rng: "\n".join(_hex(rng, rng.choice([32, 40, 64])) for _ in range(10)),
    "uuids": lambda rng: "\n".join(str(uuid.UUID(bytes=rng.randbytes(16))) for _ in range(10)),
    "keys": lambda rng: "\n".join(f"key {at} = {b64encode(rng.randbytes(32)).decode()}" for at in range(10)),
    "addresses": lambda rng: "\n".join(_address(rng) for _ in range(8)),
    "dna": lambda rng: "".join(rng.choices("ACGT", k=600)),
    "protein": lambda rng: "".join(rng.choices("ACDEFGHIKLMNPQRSTVWY", k=600)),
    "chess": _chess,
    "numbers": _numbers,
    "bits": lambda rng: ", ".join(rng.choices("01", k=200)),
    "csv": lambda rng: _table(rng, ","),
    "markdown table": lambda rng: _table(rng, " | "),
    "html": lambda rng: f"<p>{_words(rng, 20)}&nbsp;&mdash; caf&#233; &amp; cr&#232;me &lt;b&gt;</p>" * 4,
    "json": lambda rng: json.dumps({_words(rng, 1): [_words(rng, 4), "naïve café", rng.random()] for _ in range(12)}),
    "mathematics": _formula,
    "initials": lambda rng: " ".join(f"{rng.choice('ABCDEFG')}. H. Smith, U.S.A.," for _ in range(20)),
    "poem": lambda rng: "\n".join(_words(rng, 6) for _ in range(24)),
    "chinese": lambda rng: "".join(rng.choices("玻璃在窑里慢慢冷却人们说夜晚的风很轻，。", k=300)),
    "russian": _language("в мастерской у реки делали лампы и бутылки из старого стекла он и она"),
    "greek": _language("το παλιό εργαστήριο στο ποτάμι έκανε λάμπες και μπουκάλια από γυαλί"),
    "german": _language("in der Werkstatt am Fluss machten drei Brüder Lampen und Flaschen aus altem Glas"),
    "turkish": _language("nehir kıyısındaki atölyede üç kardeş camdan lambalar ve şişeler yapardı ışık"),
    "vietnamese": _language("xưởng nhỏ bên sông nơi ba anh em thổi chai đèn và kính cửa sổ"),
    "emoji": lambda rng: "".join(rng.choices(EMOJI, k=60)),
    "capitals": lambda rng: _words(rng, 100).upper(),
}
"""Texts that hide nothing, by kind."""

if __name__ == "__main__":
    main()
