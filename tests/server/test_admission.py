"""Keys, rates and room."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from string import ascii_letters

import pytest

from lictor.server.admission import ANONYMOUS, Gate, client_of
from lictor.server.errors import BusyError, RequestError
from lictor.server.memory import free_bytes
from lictor.server.probes import ProbeWatch, likeness, sketch_of
from lictor.server.settings import KeySection, ProbesSection
from lictor.types import Decision

KEY = KeySection(name="app", sha256=hashlib.sha256(b"open sesame").hexdigest(), requests_per_minute=2, streams=1)
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


def test_a_key_is_known_by_its_hash() -> None:
    """As a bearer token or in `x-api-key`; anything else is a 401, and without keys everybody is anonymous."""
    assert client_of("Bearer open sesame", None, [KEY]) == KEY
    assert client_of(None, "open sesame", [KEY]) == KEY
    assert client_of(None, None, []) == ANONYMOUS
    for authorization, key in (
        (None, None),
        ("Bearer x", None),
        ("Basic open sesame", None),
        ("Bearer ", ""),
        ("", "x"),
    ):
        with pytest.raises(RequestError) as caught:
            client_of(authorization, key, [KEY])
        assert caught.value.status == 401


def test_a_minute_is_spent_and_comes_back() -> None:
    """Two requests at once, none more, and another after half a minute; Retry-After says so."""
    gate = Gate(8, 1)
    gate.spend(KEY, 0.0, NOW)
    gate.spend(KEY, 0.0, NOW)
    with pytest.raises(BusyError) as caught:
        gate.spend(KEY, 0.0, NOW)
    assert caught.value.headers == {"retry-after": "30"}

    gate.spend(KEY, 30.0, NOW)


def test_room_is_limited_and_given_back() -> None:
    """Over all clients, and for one key; whatever happens inside, the room is free again."""
    gate = Gate(2, 7)
    with gate.slots(ANONYMOUS, 2), pytest.raises(BusyError) as caught, gate.slots(ANONYMOUS, 1):
        pass
    assert (caught.value.code, caught.value.headers) == ("overloaded", {"retry-after": "7"})
    with gate.slots(KEY, 1), pytest.raises(BusyError) as mine, gate.slots(KEY, 1):
        pass
    assert mine.value.code == "too_many_streams"
    with pytest.raises(ValueError), gate.slots(KEY, 1):
        raise ValueError

    assert gate.open == 0


def test_low_memory_takes_no_more_at_once_than_there_were() -> None:
    """One answer always finds room; two only where two were open before memory ran low."""
    gate = Gate(8, 1)
    with gate.slots(ANONYMOUS, 1, is_memory_low=True):
        with pytest.raises(BusyError) as caught, gate.slots(ANONYMOUS, 1, is_memory_low=True):
            pass
        assert caught.value.code == "overloaded"
        with gate.slots(ANONYMOUS, 1):
            pass
        with gate.slots(ANONYMOUS, 1, is_memory_low=True):
            pass


def test_free_memory_is_what_machine_and_container_leave(tmp_path: Path) -> None:
    """The lesser of both; files that were only read are free; no account, no number."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n")
    assert free_bytes(tmp_path) == 4_096_000

    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("1000000\n")
    (group / "memory.current").write_text("900000\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert free_bytes(tmp_path) == 150_000

    (group / "memory.max").write_text("max\n")
    assert free_bytes(tmp_path) == 4_096_000
    assert free_bytes(tmp_path / "none") is None


def test_a_day_is_spent_and_comes_back() -> None:
    """Tokens count against a key's day; at midnight there are new ones."""
    gate = Gate(8, 1)
    key = KEY.model_copy(update={"tokens_per_day": 100, "requests_per_minute": None})
    late = datetime(2026, 5, 20, 23, 59, tzinfo=UTC)
    gate.charge(key.name, 99, late)
    gate.spend(key, 0.0, late)
    gate.charge(key.name, 1, late)
    with pytest.raises(BusyError) as caught:
        gate.spend(key, 0.0, late)

    assert (caught.value.code, caught.value.headers) == ("budget_exhausted", {"retry-after": "60"})
    gate.spend(key, 0.0, late + timedelta(minutes=1))


def test_a_client_is_slowed_down_for_a_while() -> None:
    """A throttled client has its lower rate until the time is over."""
    gate = Gate(8, 1)
    gate.throttle(KEY.name, 1, until=90.0)
    gate.spend(KEY, 0.0, NOW)
    with pytest.raises(BusyError) as caught:
        gate.spend(KEY, 1.0, NOW)

    assert caught.value.code == "throttled"
    gate.spend(KEY, 91.0, NOW)
    gate.spend(KEY, 91.5, NOW)


def probe(watch: ProbeWatch, client: str, score: float, prompt: str, now: float) -> str | None:
    """The kind of campaign that one request makes."""
    campaign = watch.see(client, Decision("allow", None, None, score, 0.0), prompt, now)
    return campaign and campaign.kind


def test_probing_a_threshold_is_noticed() -> None:
    """Three near requests of one client within the window are a campaign; far, old or foreign ones are not."""
    watch = ProbeWatch(ProbesSection(count=3, margin=2.0, window_s=60))
    questions = iter(
        f"{word} {word * 3} and nothing else?" for word in ("leek", "oven", "harbour", "tulip", "comet", "x")
    )

    first = [probe(watch, c, s, next(questions), at) for c, s, at in (("a", -1, 0), ("a", -5, 1), ("b", -1, 1))]
    assert first == [None] * 3
    assert [probe(watch, "a", -1, next(questions), at) for at in (2, 3)] == [None, "edge"]
    assert probe(watch, "b", -1, next(questions), 100.0) is None


def test_rewordings_near_the_edge_are_noticed() -> None:
    """Small changes of one near question are a campaign; the same question again, and far ones, are not."""
    watch = ProbeWatch(ProbesSection(variants=3, count=50))
    ask = "How do I warm the pot before the ash goes in, and how long does it stay there{}"

    assert [probe(watch, "a", -1, ask.format("?"), at) for at in range(6)] == [None] * 6
    assert [probe(watch, "b", -9, ask.format(f" on day {at}?"), at) for at in range(6)] == [None] * 6
    kinds = [probe(watch, "c", -1, ask.format(end), 0) for end in ("?", " now?", ", please?", " at night?", " then?")]
    assert kinds == [None, None, None, "variants", None]


def test_a_busy_client_is_no_campaign() -> None:
    """As many near requests among a thousand are what any guard gives."""
    watch = ProbeWatch(ProbesSection(count=5, share=0.05))
    for at in range(1000):
        probe(watch, "a", -9, "soup", at)

    rng = Random(0)
    found = [probe(watch, "a", 1, "".join(rng.sample(ascii_letters, 40)), 1000) for _ in range(20)]

    assert found == [None] * 20


def test_likeness_is_about_the_share_of_spelling() -> None:
    """The same text, whatever its punctuation, is 1; another one near 0; half of it about half."""
    text = "the quick brown fox jumps over the lazy dog " * 2 + ascii_letters
    assert likeness(sketch_of(text), sketch_of(text.upper() + "!")) == 1
    assert likeness(sketch_of(text), sketch_of("seven kettles and no lid")) < 0.1
    assert likeness(sketch_of(""), sketch_of("")) == 1
