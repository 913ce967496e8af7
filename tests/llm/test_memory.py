"""Freed blocks are reused: a second pass over as much memory faults few pages in."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from lictor.llm.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.zeros(16_000_000).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_freed_blocks_are_used_again() -> None:
    """Eight blocks of 64 MB: thousands of faults as the C library is, next to none as it is told."""
    found: dict[str, list[str]] = {}
    for how in ("keep", "leave"):
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)  # noqa: S603 -- our own script
        found[how] = done.stdout.split()

    assert found["keep"][0] == "True"
    assert int(found["keep"][1]) * 10 < int(found["leave"][1])
