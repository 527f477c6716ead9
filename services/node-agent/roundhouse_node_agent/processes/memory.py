"""How much host memory processes take, each shared page counted once over all that share it. Blocking."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.runtime import Clock

__all__ = ["MemoryMeter"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ALWAYS_UP_TO_BYTES = 32 * 1024**2
_NEVER_ABOVE_BYTES = 64 * 1024**3
_AGAIN_AFTER_S = 300.0
_AGAIN_WHEN_GROWN_BY = 0.1


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found when the kernel was last asked to walk a process's pages."""

    at: float
    resident_bytes: int
    share: float


class MemoryMeter:
    """Reads proportional shares (PSS) where they can be had, at a price that does not grow with the engines.

    The kernel walks every page to divide the shared ones: 10 ms a GiB, during which the process cannot change its
    mappings. So for a large process the share found is kept for minutes and applied to its resident size, as long as
    that stays about the same; a very large one is taken at its resident size.
    """

    def __init__(self, clock: Clock, *, root: Path = Path("/proc")) -> None:
        self._clock = clock
        self._root = root
        self._looks: dict[int, _Look] = {}

    def of_all(self, pids: Iterable[int]) -> int:
        """Return the bytes that the processes take together; one that has ended takes nothing."""
        return sum(self._of(pid) for pid in pids)

    def forget_others(self, pids: Iterable[int]) -> None:
        """Drop what is known of processes that are not among these."""
        kept = set(pids)
        self._looks = {pid: look for pid, look in self._looks.items() if pid in kept}

    def _of(self, pid: int) -> int:
        resident = _resident_bytes(self._root / str(pid) / "statm") or 0
        if resident > _NEVER_ABOVE_BYTES:
            return resident
        look = self._looks.get(pid)
        if look is None or resident <= _ALWAYS_UP_TO_BYTES or self._is_old(look, resident):
            shared = _share_bytes(self._root / str(pid) / "smaps_rollup")
            share = 1.0 if shared is None or resident == 0 else shared / resident
            look = self._looks[pid] = _Look(self._clock.monotonic(), resident, share)
        return round(resident * look.share)

    def _is_old(self, look: _Look, resident: int) -> bool:
        has_changed = abs(resident - look.resident_bytes) > _AGAIN_WHEN_GROWN_BY * look.resident_bytes
        return has_changed or self._clock.monotonic() - look.at > _AGAIN_AFTER_S


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
