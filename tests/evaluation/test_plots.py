"""Every picture of the report, and none where there is nothing to draw."""

from lictor.calibration.curves import roc
from lictor.evaluation.plots import draw_cost, draw_heat_map, draw_roc, draw_stops, draw_traces
from lictor.evaluation.records import Record
from lictor.evaluation.suites import Kind
from lictor.types import Policy

POLICY = Policy(0.0, 2.0)


def record(kind: Kind, logits: tuple[float, ...] | None, halt_token: int | None = None) -> Record:
    """What became of a case whose answer had these logits."""
    return Record(
        id="r",
        kind=kind,
        suite="plain",
        source="",
        target="worst case",
        family="plain",
        strategy="plain",
        question="q1",
        rule="melt",
        bucket=None,
        lang="en",
        prompt_peak=0.0,
        answer_peak=3.0,
        refused=False,
        halted=halt_token is not None,
        prompt_error=None,
        answer_error=None,
        view=None,
        halt_token=halt_token,
        facts=4,
        facts_delivered=1,
        prompt_chars=9,
        answer_chars=90,
        delivered_chars=20,
        tokens=len(logits or ()),
        logits=logits,
    )


def test_pictures_are_drawn() -> None:
    """Each is SVG, and names what it shows."""
    records = [record("attack", (-1.0, 2.5, 3.0), 1), record("permitted", (-2.0, -1.0))]
    pictures = [
        draw_roc({"guard": roc([1.0, 2.0, 3.0], [False, False, True])}, 0.02),
        draw_traces(records, POLICY),
        draw_stops(records),
        draw_heat_map({"plain": {"q1": (1, 2), "q10": (0, 2), "q2": (2, 2)}, "code": {"q1": (0, 1)}}),
        draw_cost({128: 1.0, 4096: 1.2}),
    ]

    for picture in pictures:
        assert picture is not None
        assert (picture[:4], picture.rstrip()[-6:]) == ("<svg", "</svg>")


def test_nothing_is_drawn_of_nothing() -> None:
    """A guard without an output stage has no traces, stops or cost; a run without a benign conversation no curve."""
    bare = [record("attack", None)]

    assert draw_roc({}, None) is draw_heat_map({}) is draw_cost({}) is None
    assert draw_traces(bare, POLICY) is draw_stops(bare) is None
