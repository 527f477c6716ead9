"""The supervisor's own log: one JSON object a line, like those of the services."""

import json
from datetime import UTC, datetime

from roundhouse_cli.supervisor.logfile import RotatingFile
from roundhouse_common.runtime import Clock

__all__ = ["EventLog"]


class EventLog:
    """Writes one event a line to the supervisor's log file."""

    def __init__(self, file: RotatingFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def info(self, event: str, **fields: object) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something a person may have to look at."""
        self._write("warning", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        at = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        line = {"timestamp": at, "level": level, "service": "supervisor", "event": event, **fields}
        self._file.write(json.dumps(line).encode() + b"\n")
