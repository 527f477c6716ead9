"""How much host memory processes take, each shared page counted once over all that share it. Blocking."""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["memory_of", "memory_of_all"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_EXACT_UP_TO_BYTES = 16 * 1024**3
"""The kernel walks every page to divide the shared ones (10 ms a GiB) and holds up the process's own changes
to its mappings meanwhile: above this the resident size has to do."""


def memory_of_all(pids: Iterable[int], *, root: Path = Path("/proc")) -> int:
    """Return the bytes that the processes take together; one that has ended takes nothing."""
    return sum(memory_of(pid, root=root) or 0 for pid in pids)


def memory_of(pid: int, *, root: Path = Path("/proc")) -> int | None:
    """Return the process's proportional share of its pages (PSS); its resident size where that cannot be read.

    None when there is no such process.
    """
    resident = _resident_bytes(root / str(pid) / "statm")
    if resident is None or resident > _EXACT_UP_TO_BYTES:
        return resident
    share = _share_bytes(root / str(pid) / "smaps_rollup")
    return resident if share is None else share


def _resident_bytes(statm: Path) -> int | None:
    try:
        return int(statm.read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None


def _share_bytes(rollup: Path) -> int | None:
    try:
        for line in rollup.read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None
