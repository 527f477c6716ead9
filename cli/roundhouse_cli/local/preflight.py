"""What must be true before anything is started. Every answer is one sentence that says what to do."""

import os
import shutil
import sys
from pathlib import Path

from roundhouse_cli.errors import Failure
from roundhouse_cli.local.files import private_dir
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.port_owner import is_free, is_own, owner

__all__ = ["check_directory", "check_disk", "check_platform", "check_ports"]

_GIB = 1024**3
_FREE_BYTES_NEEDED = 1 * _GIB


def check_platform(platform: str = sys.platform) -> None:
    """Raise Failure where the node agent and the supervisor cannot work."""
    if platform != "linux":
        raise Failure(f"Roundhouse runs on Linux; this is {platform}.")


def check_directory(data_dir: DataDir) -> None:
    """Make the data directory, private, and try to write into it. Raises Failure."""
    try:
        private_dir(data_dir.path)
        probe = data_dir.path / f".write-test-{os.getpid()}"
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        raise Failure(
            f"The data directory {data_dir.path} cannot be written: {error.strerror}. Choose another with --data-dir."
        ) from error


def check_disk(data_dir: DataDir, *, needed_bytes: int = _FREE_BYTES_NEEDED) -> None:
    """Raise Failure when the disk of the data directory is nearly full."""
    free_bytes = shutil.disk_usage(_nearest_existing(data_dir.path)).free
    if free_bytes < needed_bytes:
        raise Failure(
            f"The disk of {data_dir.path} has {free_bytes / _GIB:.2f} GiB free and {needed_bytes / _GIB:.2f} GiB are"
            " needed. Free some space or choose another place with --data-dir."
        )


def check_ports(ports: Ports) -> None:
    """Raise Failure naming every port in use, who wanted it and who has it."""
    if not is_own(ports.listen):
        raise Failure(f"{ports.listen} is no address of this host; `ip address` lists them, 0.0.0.0 is all.")
    taken = [(name, port) for name, port in ports.services.items() if not is_free(port, ports.listen)]
    if not taken:
        return
    words = ", ".join(f"{port} (wanted for {name}, {_owner(port)})" for name, port in taken)
    head = "Port {} is in use" if len(taken) == 1 else "Ports {} are in use"
    raise Failure(f"{head.format(words)}. Stop that, or choose others with --base-port.")


def _owner(port: int) -> str:
    found = owner(port)
    return f"held by pid {found[0]} {found[1]}" if found else "held by a process that this user cannot see"


def _nearest_existing(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.absolute().parents) if candidate.exists())
