"""A process that serves leaves a core to whatever is not arithmetic."""

from collections.abc import Iterator

import pytest
import torch

from lictor.llm.cores import leave_a_core


@pytest.fixture
def three() -> Iterator[None]:
    """PyTorch on three cores, whatever there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three")
def test_one_core_fewer_and_never_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three become two, then one, and one stays."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    assert [leave_a_core() for _ in range(3)] == [2, 1, 1]


@pytest.mark.usefixtures("three")
def test_what_the_environment_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the process knows best."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    assert leave_a_core() == 3
