"""What the supervisor tells others about its processes: one small JSON file each, in DIR/run/."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from roundhouse_cli.supervisor.processes import has_cookie, start_ticks

__all__ = ["SUPERVISOR", "ProcessRecord", "is_alive", "read_record", "read_records", "remove_record", "write_record"]

SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """One process, now."""

    name: str
    pid: int
    start_ticks: int
    """With the pid, what tells this process from any other since boot."""
    restarts: int = 0
    """How often it was started again since the supervisor began."""
    last_exit: str = ""
    """How it ended the last time, in words."""
    doing: str = "running"
    """What it is at, in words: the supervisor says here what it stops."""


def write_record(run_dir: Path, record: ProcessRecord) -> None:
    """Write atomically; readers see the old record or the new one."""
    path = run_dir / f"{record.name}.json"
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
    temporary.replace(path)


def read_record(run_dir: Path, name: str) -> ProcessRecord | None:
    """Return the record, or None when there is none or it cannot be read."""
    try:
        return ProcessRecord(**json.loads((run_dir / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def read_records(run_dir: Path) -> list[ProcessRecord]:
    """Return all records, of live processes and of dead ones."""
    found = (read_record(run_dir, path.stem) for path in sorted(run_dir.glob("*.json")))
    return [record for record in found if record is not None]


def remove_record(run_dir: Path, name: str) -> None:
    (run_dir / f"{name}.json").unlink(missing_ok=True)


def is_alive(record: ProcessRecord, cookie: str) -> bool:
    """Tell whether the very process of the record still runs: same pid, same start, started for this directory."""
    return start_ticks(record.pid) == record.start_ticks and has_cookie(record.pid, cookie)
