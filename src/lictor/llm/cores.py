"""How many cores PyTorch computes on in a process that also serves.

In: what the environment says. Out: PyTorch set to it. Knows no model.
"""

import os

import torch


def leave_a_core() -> int:
    """Compute on one core fewer than PyTorch would, at least one; `OMP_NUM_THREADS`, where it is set, stands.

    A matrix product ends with its slowest thread: one that shares its core with an event loop holds up all others.

    Returns:
        The number of cores.
    """
    if not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    return torch.get_num_threads()
