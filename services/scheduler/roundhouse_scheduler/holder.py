"""Who holds the leadership, named so that another scheduler on the same machine can tell that its process has ended."""

from pathlib import Path

__all__ = ["holder_name", "is_gone"]

_PROC = Path("/proc")
_PARTS = 4
_STARTED = 19
"""Place of the start time in /proc/PID/stat, counted behind the name in parentheses."""


def holder_name(instance: str, pid: int, *, proc: Path = _PROC) -> str:
    """Return `instance@boot/namespace/pid/start`, or just the instance where the machine does not tell these."""
    machine, started = _machine(proc), _started(pid, proc)
    return f"{instance}@{machine}/{pid}/{started}" if machine and started else instance


def is_gone(holder: str, *, proc: Path = _PROC) -> bool:
    """Return whether the holder was a process of this machine, seen from the same namespace, that runs no more. False
    means that nothing is known."""
    place = holder.rpartition("@")[2].split("/")
    if len(place) != _PARTS or not place[2].isdigit() or f"{place[0]}/{place[1]}" != _machine(proc):
        return False
    return _started(int(place[2]), proc) != place[3]


def _machine(proc: Path) -> str:
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(proc / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int, proc: Path) -> str:
    try:
        return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[_STARTED]
    except (OSError, IndexError):
        return ""
