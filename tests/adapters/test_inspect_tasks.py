"""The suites as Inspect tasks: Inspect runs them, and its mean is the attack success that the records say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lictor.types import Policy

inspect_ai = pytest.importorskip("inspect_ai", reason="needs the extra `inspect`")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries Inspect stands on

SaveGuard = Callable[[Path, Policy], Path]


@pytest.mark.parametrize(("threshold", "success"), [(1e9, 1.0), (-1e9, 0.0)])
def test_inspect_measures_the_guard(
    threshold: float, success: float, save_tiny_guard: SaveGuard, tmp_path: Path
) -> None:
    """With a guard that lets all pass every attack succeeds and no request is stopped; with one that halts, all are."""
    from lictor.adapters.inspect_tasks import attacks, benign

    guard = save_tiny_guard(tmp_path / "guard", Policy(1e9, threshold))
    made = [task(str(guard), n=10, worst_case=True, knowledge="starter:emberglass") for task in (attacks, benign)]

    logs = inspect_ai.eval(
        made,
        model="mockllm/model",
        log_dir=str(tmp_path / "logs"),
        limit=4,
        display="none",
    )

    means = [log.results.scores[0].metrics["mean"].value for log in logs]
    assert [log.status for log in logs] == ["success", "success"]
    assert means == [success, 1 - success]
