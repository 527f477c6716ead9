"""What is kept of engines on the disk, and their environments. Blocking.

STATE_DIR/engines/ID/
  environment.json    what was ordered and how far it is; `ready` in it is what makes an environment an offer
  env/                the environment, built in its place: its scripts name their interpreter by its whole path
  cache/              of uv, while it is built
  log/OFFSET.log      one segment per attempt
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from roundhouse_common.contracts.provisioning import EngineEnvironment
from roundhouse_node_agent.processes.log_files import end_offset
from roundhouse_node_agent.processes.records import read_file, write_file

__all__ = ["EnvironmentFile", "EnvironmentStore"]

_log = structlog.get_logger(__name__)
_KEPT_LOGS: Final = 5
_REMOVED: Final = ".removed-"


class EnvironmentFile(msgspec.Struct, frozen=True, kw_only=True):
    """`environment.json`."""

    told: EngineEnvironment
    path: str = ""
    """For a path: as it was ordered."""
    image: str = ""
    """For an image: as it was ordered."""


class EnvironmentStore:
    """One node's engines."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self) -> list[EnvironmentFile]:
        """Return what former agents left, and drop what they were removing or had hardly begun.

        An environment whose record cannot be read stays where it is, for replicas may run in it: it is no offer, and
        the next order for it builds it anew once nothing runs in it.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = []
        for directory in sorted(self.root.iterdir()):
            record = read_file(directory / "environment.json", EnvironmentFile)
            if record is not None and record.told.environment_id == directory.name:
                found.append(record)
            elif (directory / "env").is_dir() and not directory.name.startswith(_REMOVED):
                _log.warning("engine_record_unreadable", environment_id=directory.name)
            elif directory.is_dir():
                shutil.rmtree(directory, ignore_errors=True)
        return found

    def directory(self, environment_id: str) -> Path:
        """Return where an environment is. Only for ids that this node made."""
        return self.root / environment_id

    def log_dir(self, environment_id: str) -> Path:
        return self.directory(environment_id) / "log"

    def write(self, record: EnvironmentFile) -> None:
        """Keep it. Raises StateDirUnusable."""
        directory = self.directory(record.told.environment_id)
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(directory / "environment.json", record)

    def begin_log(self, environment_id: str) -> Path:
        """Return the file for the log of a new attempt. Raises OSError."""
        log_dir = self.log_dir(environment_id)
        log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = log_dir / f"{end_offset(log_dir):020d}.log"
        path.touch(mode=0o600)
        for old in sorted(log_dir.glob("*.log"))[:-_KEPT_LOGS]:
            old.unlink(missing_ok=True)
        return path

    def begin_build(self, environment_id: str, excluded: Iterable[str]) -> Path:
        """Return the directory to build in, without what a former attempt left of an environment. Raises OSError.

        What uv has fetched already stays: an installation that an agent's end broke off goes on from there.
        """
        directory = self.directory(environment_id)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._discard(directory / "env")
        (directory / "excludes.txt").write_text("\n".join(excluded), encoding="utf-8")
        return directory

    def finish_build(self, environment_id: str, *, is_kept: bool) -> None:
        """Drop what only the installation needed, and of a failed one all but its log and its record."""
        directory = self.directory(environment_id)
        self._discard(directory / "cache")
        (directory / "excludes.txt").unlink(missing_ok=True)
        if not is_kept:
            self._discard(directory / "env")

    def remove(self, environment_id: str) -> None:
        """Delete an environment. From the first moment it is no environment any more, whatever happens meanwhile."""
        self._discard(self.directory(environment_id))

    def free_bytes(self) -> int:
        """Return what the file system has left for this user."""
        return shutil.disk_usage(self.root).free

    def size_bytes(self, environment_id: str) -> int:
        """Return what the environment takes on the disk; files that are linked twice count once."""
        seen: set[int] = set()
        total = 0
        for entry in _files(str(self.directory(environment_id) / "env")):
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if found.st_ino not in seen:
                    seen.add(found.st_ino)
                    total += found.st_blocks * 512
        return total

    def _discard(self, directory: Path) -> None:
        """Rename, then delete: half a directory is never seen under its name."""
        if not directory.exists():
            return
        grave = self.root / f"{_REMOVED}{directory.parent.name}-{directory.name}"
        shutil.rmtree(grave, ignore_errors=True)
        directory.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)


def _files(directory: str) -> Iterator["os.DirEntry[str]"]:
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        else:
            yield entry
