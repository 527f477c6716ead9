"""Cores and memory that this process may really use: the machine's, or its control group's when that allows less."""

import contextlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from roundhouse_node_agent.domain.usage import Counters

__all__ = ["HostLimits", "read_cpu_counters", "read_host_limits"]

_NO_LIMIT = 1 << 60
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    cpu_cores: int
    memory_total_bytes: int
    memory_available_bytes: int


def read_host_limits(
    *, cgroup_root: Path = Path("/sys/fs/cgroup"), own_cgroup: Path = Path("/proc/self/cgroup")
) -> HostLimits:
    """Return the lower of the machine's figures and those of every control group above this process."""
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    cores = float(len(os.sched_getaffinity(0)))
    for group in _groups(cgroup_root, own_cgroup):
        limit, used = group.memory_limit_bytes(), group.memory_used_bytes()
        if limit is not None:
            total = min(total, limit)
            available = min(available, max(0, limit - used))
        quota = group.cpu_quota()
        if quota is not None:
            cores = min(cores, quota)
    return HostLimits(cpu_cores=max(1, math.floor(cores)), memory_total_bytes=total, memory_available_bytes=available)


def read_cpu_counters(
    *,
    cgroup_root: Path = Path("/sys/fs/cgroup"),
    own_cgroup: Path = Path("/proc/self/cgroup"),
    stat: Path = Path("/proc/stat"),
) -> Counters:
    """Return the processor time used so far by whoever shares the cores that `read_host_limits` counts.

    Where a control group limits them, that group's own time; else that of the machine's cores this process may use.
    """
    limited = [group for group in _groups(cgroup_root, own_cgroup) if group.cpu_quota() is not None]
    for group in sorted(limited, key=lambda group: group.cpu_quota() or math.inf):
        if (counters := group.cpu_counters()) is not None:
            return counters
    own = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    user = system = 0
    for line in stat.read_text().splitlines():
        name, *fields = line.split()
        if name in own:
            ticks = [int(field) for field in fields]
            user += ticks[0] + ticks[1]
            system += ticks[2] + ticks[5] + ticks[6]
    return Counters(user_s=user / _TICKS_PER_S, system_s=system / _TICKS_PER_S)


@dataclass(frozen=True, slots=True)
class _Group:
    """One control group's directories: the same one in version 2, one per controller in version 1."""

    memory: Path
    cpu: Path

    def memory_limit_bytes(self) -> int | None:
        limits = (_number(self.memory / "memory.max"), _number(self.memory / "memory.limit_in_bytes"))
        return next((limit for limit in limits if limit is not None and limit < _NO_LIMIT), None)

    def memory_used_bytes(self) -> int:
        """Return what is in use and cannot be reclaimed: cached files do not count."""
        used = _number(self.memory / "memory.current") or _number(self.memory / "memory.usage_in_bytes") or 0
        return max(0, used - _statistic(self.memory / "memory.stat", "inactive_file", "total_inactive_file"))

    def cpu_quota(self) -> float | None:
        with contextlib.suppress(OSError, ValueError):
            quota, period = (self.cpu / "cpu.max").read_text().split()
            return None if quota == "max" else int(quota) / int(period)
        quota_us, period_us = _number(self.cpu / "cpu.cfs_quota_us"), _number(self.cpu / "cpu.cfs_period_us")
        return quota_us / period_us if quota_us is not None and quota_us > 0 and period_us else None

    def cpu_counters(self) -> Counters | None:
        """Return what version 2 tells in microseconds, version 1 in ticks; None when neither is there."""
        with contextlib.suppress(OSError, KeyError, ValueError):
            told = _statistics(self.cpu / "cpu.stat")
            return Counters(user_s=int(told["user_usec"]) / 1e6, system_s=int(told["system_usec"]) / 1e6)
        with contextlib.suppress(OSError, KeyError, ValueError):
            told = _statistics(self.cpu / "cpuacct.stat")
            return Counters(user_s=int(told["user"]) / _TICKS_PER_S, system_s=int(told["system"]) / _TICKS_PER_S)
        return None


def _groups(root: Path, own: Path) -> list[_Group]:
    """Return the process's groups and those above it."""
    memory, cpu = [root], [root]
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            names = controllers.split(",")
            if controllers == "":
                memory += _chain(root, path)
                cpu += _chain(root, path)
            if "memory" in names:
                memory += [root / "memory", *_chain(root / "memory", path)]
            if "cpu" in names:
                cpu += [root / "cpu", *_chain(root / "cpu", path)]
    return [_Group(path, root) for path in memory] + [_Group(root, path) for path in cpu]


def _chain(root: Path, path: str) -> list[Path]:
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [root.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _statistic(path: Path, *names: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        values = _statistics(path)
        return max(int(values.get(name, 0)) for name in names)
    return 0


def _statistics(path: Path) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
