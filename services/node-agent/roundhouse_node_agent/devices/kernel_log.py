"""The kernel's log since the machine started, where this process may read it."""

import contextlib
import os
from pathlib import Path

__all__ = ["read_kernel_log"]

_MOST_RECORDS = 200_000


def read_kernel_log(path: Path = Path("/dev/kmsg")) -> list[str]:
    """Return its records that speak of NVIDIA's driver; nothing where it may not be read. Never blocks."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            for _ in range(_MOST_RECORDS):
                try:
                    record = os.read(descriptor, 8192)
                except BrokenPipeError:  # records were overwritten while reading: the next read goes on behind them
                    continue
                if not record:
                    break
                found += [line for line in record.decode("utf-8", "replace").splitlines() if "NVRM" in line]
        finally:
            os.close(descriptor)
    return found
