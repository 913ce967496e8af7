"""Keep freed memory in the process.

In: nothing. Out: whether the C library agreed. Knows no model.

glibc hands large blocks back to the kernel as soon as they are freed, and the next layer's activations fault them in
again, page by page: 6% to 12% of a forward pass or a training step on the CPU.
"""

import ctypes
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Have blocks up to a gigabyte reused instead of handed back; False where the C library knows no such setting."""
    if sys.platform != "linux":
        return False
    mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(which, _BYTES) == 1 for which in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
