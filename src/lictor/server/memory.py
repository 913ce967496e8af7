"""How much memory is left, to this machine and to the container the process runs in.

In: the kernel's own accounts. Out: bytes, or None where it keeps none (not Linux). Decides nothing.
"""

from pathlib import Path

ROOT = Path("/")


def free_bytes(root: Path = ROOT) -> int | None:
    """Bytes that can still be had: the least of what the machine and its control group leave."""
    found = [_machine(root / "proc/meminfo"), _group(root / "sys/fs/cgroup")]
    return min((free for free in found if free is not None), default=None)


def _machine(path: Path) -> int | None:
    kilobytes = _table(path).get("MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def _group(folder: Path) -> int | None:
    """What a limited group leaves; files that were only read can be dropped, so they are free."""
    limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
    if limit is None or used is None:
        return None
    return max(0, limit - used + _table(folder / "memory.stat").get("inactive_file", 0))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # no such account, or no limit: "max"


def _table(path: Path) -> dict[str, int]:
    try:
        rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
