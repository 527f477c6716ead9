"""What a spool on disk tells when it is opened again."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from roundhouse_router.domain.records import Admission
from roundhouse_router.store.segments import Head, Line, decode_admission, scan, segment_numbers, segment_path
from roundhouse_router.store.writer import Sealed

__all__ = ["Recovered", "recover"]


@dataclass(slots=True, kw_only=True)
class Recovered:
    """Where to go on."""

    router_id: str
    next_sequence: int = 1
    next_segment: int = 1
    sealed: list[Sealed] = field(default_factory=list)
    interrupted: list[Admission] = field(default_factory=list)
    """Admissions without an outcome, oldest first."""
    damaged_lines: int = 0


@dataclass(slots=True)
class _Reader:
    admissions: dict[str, Line] = field(default_factory=dict)
    last_admission: Line | None = None
    heads: list[Head] = field(default_factory=list)
    damaged: int = 0

    def segment(self, path: Path, number: int) -> Sealed:
        """Read one segment and return it as a closed one."""
        sealed_at = path.stat().st_mtime
        data = _without_room(path)
        finals, end = 0, 0
        for line in scan(data):
            end = line.end
            finals += line.is_final
            if line.is_head:
                self.heads.append(msgspec.json.decode(line.payload, type=Head))
            self._entry(line)
        self.damaged += end < len(data)  # a torn last line
        return Sealed(number=number, size=len(data), finals=finals, sealed_at=sealed_at)

    def _entry(self, line: Line) -> None:
        if line.is_admission:
            self.admissions[line.request_id] = line
            self.last_admission = line
        elif line.is_final:
            self.admissions.pop(line.request_id, None)
        elif line.is_damaged:
            self.damaged += 1


def _without_room(path: Path) -> bytes:
    """Return what was written; room that a killed router had reserved behind it is given back."""
    data = path.read_bytes()
    written = data.rstrip(b"\0")
    if len(written) < len(data):
        os.truncate(path, len(written))
    return written


def recover(directory: Path, *, new_router_id: Callable[[], str]) -> Recovered:
    """Read every segment. Torn and damaged lines are counted and passed over. Raises OSError."""
    reader, sealed = _Reader(), []
    numbers = segment_numbers(directory)
    for number in numbers:
        sealed.append(reader.segment(segment_path(directory, number), number))
    interrupted = [decode_admission(line) for line in reader.admissions.values()]
    last = [decode_admission(reader.last_admission).sequence] if reader.last_admission else []
    return Recovered(
        router_id=reader.heads[-1].router_id if reader.heads else new_router_id(),
        next_sequence=max([1, *(head.next_sequence for head in reader.heads), *(number + 1 for number in last)]),
        next_segment=numbers[-1] + 1 if numbers else 1,
        sealed=sealed,
        interrupted=interrupted,
        damaged_lines=reader.damaged,
    )
