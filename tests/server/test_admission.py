"""Keys, rates and room."""

import hashlib

import pytest

from lictor.server.admission import ANONYMOUS, Gate, client_of
from lictor.server.errors import BusyError, RequestError
from lictor.server.probes import ProbeWatch
from lictor.server.settings import KeySection, ProbesSection
from lictor.types import Decision

KEY = KeySection(name="app", sha256=hashlib.sha256(b"open sesame").hexdigest(), requests_per_minute=2, streams=1)


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
    gate.spend(KEY, 0.0)
    gate.spend(KEY, 0.0)
    with pytest.raises(BusyError) as caught:
        gate.spend(KEY, 0.0)
    assert caught.value.headers == {"retry-after": "30"}

    gate.spend(KEY, 30.0)


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


def test_probing_a_threshold_is_noticed() -> None:
    """Three near requests of one client within the window are a campaign; far, old or foreign ones are not."""
    watch = ProbeWatch(ProbesSection(count=3, margin=2.0, window_s=60))
    near, far = (Decision("allow", None, None, score, 0.0) for score in (-1.0, -5.0))

    assert [watch.see("a", near, 0.0), watch.see("a", far, 1.0), watch.see("b", near, 1.0)] == [False] * 3
    assert [watch.see("a", near, 2.0), watch.see("a", near, 3.0)] == [False, True]
    assert [watch.see("b", near, 100.0), watch.see("b", near, 101.0)] == [False, False]
