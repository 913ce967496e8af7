"""How many answers a machine carries is found out from the waits alone."""

import pytest

from lictor.server.admission import ANONYMOUS, Gate
from lictor.server.capacity import Capacity
from lictor.server.errors import BusyError
from lictor.server.scoring import TRIAL, ScoringThread, time_trial
from lictor.testing import KeywordStreamScorer


def _serve(capacity: Capacity, wait_of_each_s: float, seconds: float, offered: int = 64) -> float:
    """Let a machine serve whose batch takes so long an answer; the mean of answers open over the last half."""
    now, seen = 0.0, list[tuple[float, int]]()
    while now < seconds:
        opened = int(max(1, min(offered, capacity.answers)))
        wait_s = opened * wait_of_each_s
        now += max(wait_s, 0.5)
        for _ in range(opened):
            capacity.note(wait_s, opened, now)
        seen.append((now, opened))
    late = [opened for at, opened in seen if at > seconds / 2]
    return sum(late) / len(late)


@pytest.mark.parametrize("wait_of_each_s", [0.2, 0.06, 0.02])
@pytest.mark.parametrize("trial_s", [0.0, 0.02, 3.0])
def test_it_settles_at_what_the_machine_carries(wait_of_each_s: float, trial_s: float) -> None:
    """Whatever the trial said: near the number whose waits are as long as they may be."""
    capacity = Capacity(0.5)
    capacity.start(8, trial_s)
    carried = _serve(capacity, wait_of_each_s, seconds=120)

    assert 0.75 * 0.5 / wait_of_each_s <= carried <= 1.1 * 0.5 / wait_of_each_s


def test_it_recovers_from_a_stall() -> None:
    """After waits of minutes one answer still may be open, and soon as many as before."""
    capacity = Capacity(0.5)
    for at in range(200):
        capacity.note(60.0, 8, float(2 * at))
    assert capacity.holds(1)
    assert not capacity.holds(2)

    assert _serve(capacity, 0.05, seconds=60) > 7


def test_waits_of_one_batch_are_one_piece_of_news() -> None:
    """Sixteen answers that waited too long together shrink it once."""
    capacity = Capacity(0.5, answers=16.0)
    for _ in range(16):
        capacity.note(0.51, 16, now=10.0)

    assert capacity.answers == pytest.approx(16 * 0.9)


def test_it_does_not_grow_on_idle_hours() -> None:
    """Short waits of a few answers say nothing about many."""
    capacity = Capacity(0.5, answers=8.0)
    for at in range(1_000):
        capacity.note(0.01, 2, float(at))

    assert capacity.answers == 8


def test_a_trial_says_how_many_to_begin_with() -> None:
    """Eight answers in 0.4 s: of 0.5 s a third goes by before one's own batch is begun."""
    capacity = Capacity(0.5)
    assert capacity.holds(10_000)
    capacity.start(8, 0.4)
    assert capacity.answers == pytest.approx(8 * 0.5 / 0.6)

    capacity.start(8, 40.0)
    assert capacity.holds(1)


def test_the_trial_is_of_a_stride_each() -> None:
    """Every session of the trial reads so many tokens, twice; its time is that of the second round."""
    scorer = KeywordStreamScorer("melt")
    thread = ScoringThread()
    try:
        assert 0 < time_trial(thread, scorer, 16) < 5
    finally:
        thread.close()

    assert [session.batches for session in scorer.sessions] == [[16, 16]] * TRIAL


def test_an_overloaded_gate_refuses_and_takes_again() -> None:
    """Late scores: two answers instead of eight, a clear refusal with Retry-After, and one answer always."""
    gate = Gate(64, 3, Capacity(0.5, answers=2.0))
    with gate.slots(ANONYMOUS, 1), gate.slots(ANONYMOUS, 1):
        with pytest.raises(BusyError) as caught, gate.slots(ANONYMOUS, 1):
            pass
        assert (caught.value.code, caught.value.headers) == ("overloaded", {"retry-after": "3"})
        for _ in range(4):
            gate.note_wait(0.1, now=1.0)
        with gate.slots(ANONYMOUS, 1):
            pass

    gate.capacity.answers = 1.0
    with gate.slots(ANONYMOUS, 4):
        assert gate.open == 4


def test_without_a_wait_load_refuses_nobody() -> None:
    """A gate as it is without the setting."""
    gate = Gate(64, 1)
    gate.note_wait(100.0, now=1.0)
    with gate.slots(ANONYMOUS, 60), gate.slots(ANONYMOUS, 4):
        assert gate.open == 64
