"""What a transform says of the guard's views is checked against the views themselves."""

import numpy as np
import pytest

from lictor.augment import Transform, transforms
from lictor.guard.views import view_texts

REQUEST = "please describe how bakers store fresh bread in winter and which cupboard keeps a wooden tray dry"
HIDING = [made for made in transforms().values() if made.kind == "hide"]


@pytest.mark.parametrize("made", HIDING, ids=[made.name for made in HIDING])
def test_a_transform_names_the_view_that_undoes_it(made: Transform) -> None:
    """The named view, or stack of views, reads every word; a transform that names none is read by none."""
    readings = [view_texts(made.apply(REQUEST, np.random.default_rng(seed))) for seed in range(6)]
    readers = {
        view
        for view in readings[0]
        if all(word in reading.get(view, "") for reading in readings for word in REQUEST.split())
    }

    assert made.view in readers if made.view else not readers, f"{made.name} names {made.view}, is read by {readers}"
