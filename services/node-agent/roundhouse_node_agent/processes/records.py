"""What is remembered of engines in the state directory: small JSON files, each written by one process, atomically.

STATE_DIR/
  node.json                       node id, highest epoch
  counters.json                   what engines that ended lately had counted (agent)
  agent.lock                      held by the one agent of this directory
  replicas/REPLICA/
    log/OFFSET.log                segments, over all attempts (written by the shim)
    forgotten                     present once the replica is history; its log stays for a while
    runs/ATTEMPT-LAUNCH/
      launch.json                 what was ordered (agent)
      run.json                    the processes (shim)
      ready.json                  when it was first ready (agent)
      stop.json                   why it was told to end (agent, or `stop-engines`)
      exit.json                   how it ended (shim)
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from roundhouse_common.contracts.node import EngineCounters
from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_node_agent.domain.errors import LaunchFailed, StateDirUnusable

__all__ = [
    "CountersFile",
    "ExitFile",
    "LaunchFile",
    "NodeFile",
    "ReadyFile",
    "RunDirectory",
    "RunFile",
    "StopFile",
    "read_file",
    "replica_directory",
    "run_directories",
    "write_file",
]

_log = structlog.get_logger(__name__)
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_RUN_NAME = re.compile(r"(\d{6})-(\d{2})")


class NodeFile(msgspec.Struct, frozen=True, kw_only=True):
    node_id: str
    highest_epoch: int = 0


class CountersFile(msgspec.Struct, frozen=True, kw_only=True):
    ended: tuple[EngineCounters, ...] = ()


class LaunchFile(msgspec.Struct, frozen=True, kw_only=True):
    assignment: Assignment
    epoch: int
    cookie: str
    port: int
    base_url: str
    environment_id: str = ""
    """Of the installed engine that it runs in; empty for one that was found."""
    container: str = ""
    """The name of the container that it runs in; empty without one."""


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    start_ticks: int
    shim_pid: int
    shim_start_ticks: int
    boot_id: str
    started_at: float
    cookie: str


class ReadyFile(msgspec.Struct, frozen=True, kw_only=True):
    at: float


class StopFile(msgspec.Struct, frozen=True, kw_only=True):
    reason: Reason


class ExitFile(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    code: int | None
    signal: int | None
    was_asked: bool = False


F = TypeVar("F", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDirectory:
    """The files of one run."""

    path: Path
    replica_id: str
    attempt: int
    launch: int

    @property
    def launch_file(self) -> Path:
        return self.path / "launch.json"

    @property
    def run_file(self) -> Path:
        return self.path / "run.json"

    @property
    def ready_file(self) -> Path:
        return self.path / "ready.json"

    @property
    def stop_file(self) -> Path:
        return self.path / "stop.json"

    @property
    def exit_file(self) -> Path:
        return self.path / "exit.json"

    @property
    def log_dir(self) -> Path:
        return self.path.parent.parent / "log"

    def keep(self, files: Mapping[str, str], links: Mapping[str, str]) -> None:
        """Write what the engine reads beside its arguments, for this user only. Raises LaunchFailed."""
        try:
            for parent in {(self.path / name).parent for name in (*links, *files)} - {self.path}:
                parent.mkdir(mode=0o700, exist_ok=True)
            for name, target in links.items():
                (self.path / name).symlink_to(target)
            for name, text in files.items():
                path = self.path / name
                path.touch(mode=0o600)
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise LaunchFailed(f"the engine's files cannot be written: {error}") from error


def replica_directory(state_dir: Path, replica_id: str) -> Path:
    """Return where a replica's files are. Raises ValueError for an id that is no plain file name."""
    if _SAFE_ID.fullmatch(replica_id) is None:
        raise ValueError(f"{replica_id!r} is no replica id")
    return state_dir / "replicas" / replica_id


def run_directory(state_dir: Path, replica_id: str, attempt: int, launch: int) -> RunDirectory:
    """Return where a run's files are or shall be."""
    path = replica_directory(state_dir, replica_id) / "runs" / f"{attempt:06d}-{launch:02d}"
    return RunDirectory(path=path, replica_id=replica_id, attempt=attempt, launch=launch)


def run_directories(state_dir: Path, replica_id: str = "") -> Iterator[RunDirectory]:
    """Yield every run that this directory remembers, of one replica or of all, each replica's oldest first."""
    replicas = [replica_directory(state_dir, replica_id)] if replica_id else _subdirectories(state_dir / "replicas")
    for replica in sorted(replicas):
        for run in sorted(_subdirectories(replica / "runs")):
            name = _RUN_NAME.fullmatch(run.name)
            if name is not None:
                yield RunDirectory(
                    path=run, replica_id=replica.name, attempt=int(name.group(1)), launch=int(name.group(2))
                )


def read_file(path: Path, kind: type[F]) -> F | None:
    """Return the file's content; None when it is not there or is not what it should be (which is logged)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("record_unreadable", path=str(path), why=str(error))
        return None


def write_file(path: Path, value: msgspec.Struct) -> None:
    """Write durably and atomically, readable by the owner only. Raises StateDirUnusable."""
    new = path.with_name(path.name + ".new")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = msgspec.json.encode(value)
            while data:  # a disk that becomes full takes a part first, and fails only at the rest
                data = data[os.write(fd, data) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise StateDirUnusable(f"cannot write {path}: {error.strerror}") from error


def _subdirectories(path: Path) -> list[Path]:
    try:
        return [entry for entry in path.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
