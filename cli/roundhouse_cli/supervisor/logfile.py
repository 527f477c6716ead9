"""A log file that is kept below a bound by rotation."""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["RotatingFile"]


class RotatingFile:
    """Appends bytes to PATH; PATH.1 is the previous part, PATH.2 the one before.

    A disk that is full or gone loses log lines and nothing else: `write` never raises.
    """

    def __init__(self, path: Path, *, max_bytes: int = 10 * 1024 * 1024, kept: int = 2) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._file: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append, after rotating when the part would grow past its bound."""
        with suppress(OSError):
            if self._file is not None and self._size + len(data) > self._max_bytes:
                self._rotate()
            if self._file is None:
                self._open()
            assert self._file is not None
            self._size += os.write(self._file, data)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            newer = self._path if number == 1 else self._part(number - 1)
            with suppress(FileNotFoundError):
                newer.replace(self._part(number))

    def _part(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
