"""The runs of one state directory: made, found again, ended, forgotten. Blocking; shared with `stop-engines`."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_node_agent.domain.errors import LaunchFailed, StateDirUnusable
from roundhouse_node_agent.processes.identity import ProcessTable, Recorded
from roundhouse_node_agent.processes.records import (
    ExitFile,
    LaunchFile,
    ReadyFile,
    RunDirectory,
    RunFile,
    StopFile,
    read_file,
    replica_directory,
    run_directories,
    run_directory,
    write_file,
)

__all__ = ["RunStore", "StoredRun"]

_FORGOTTEN = "forgotten"
_KEPT_RUNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """Everything on disk about one run. Without `process` its engine never came to be."""

    directory: RunDirectory
    launch: LaunchFile
    process: RunFile | None
    ready: ReadyFile | None
    stop: StopFile | None
    exit: ExitFile | None

    def shim(self) -> Recorded | None:
        """Return the shim as it was written down."""
        if self.process is None:
            return None
        return Recorded(
            pid=self.process.shim_pid,
            start_ticks=self.process.shim_start_ticks,
            boot_id=self.process.boot_id,
            cookie=self.launch.cookie,
        )


class RunStore:
    """One state directory's runs."""

    def __init__(self, state_dir: Path, table: ProcessTable) -> None:
        self._state_dir = state_dir
        self.table = table

    def run_of(self, assignment: Assignment, launch_number: int) -> RunDirectory:
        """Return where a run is kept, or will be. Raises LaunchFailed for ids that are no names of files."""
        try:
            return run_directory(self._state_dir, assignment.replica_id, assignment.attempt, launch_number)
        except ValueError as error:
            raise LaunchFailed(f"the run cannot be written down: {error}") from error

    def create(self, assignment: Assignment, launch_number: int, launch: LaunchFile) -> RunDirectory:
        """Make the directory of a new run. Raises LaunchFailed when this run was started before or cannot be kept.

        What still runs of the replica's former runs is killed: nobody watches it, since a replica has one engine.
        """
        try:
            self._end_strays(assignment.replica_id)
            run = self.run_of(assignment, launch_number)
            run.path.mkdir(parents=True, mode=0o700)
            (run.path.parent.parent / _FORGOTTEN).unlink(missing_ok=True)
            write_file(run.launch_file, launch)
        except FileExistsError as error:
            raise LaunchFailed(f"attempt {assignment.attempt} was already started on this node") from error
        except (OSError, ValueError) as error:
            raise LaunchFailed(f"the run cannot be written down: {error}") from error
        except StateDirUnusable as error:
            raise LaunchFailed(f"the run cannot be written down: {error.message}") from error
        self._prune(run)
        return run

    def load(self, run: RunDirectory) -> StoredRun | None:
        """Return what is on disk; None when the order itself cannot be read."""
        launch = read_file(run.launch_file, LaunchFile)
        if launch is None:
            return None
        return StoredRun(
            directory=run,
            launch=launch,
            process=read_file(run.run_file, RunFile),
            ready=read_file(run.ready_file, ReadyFile),
            stop=read_file(run.stop_file, StopFile),
            exit=read_file(run.exit_file, ExitFile),
        )

    def newest(self) -> list[StoredRun]:
        """Return the newest run of every replica that is not history."""
        newest = {directory.replica_id: directory for directory in run_directories(self._state_dir)}
        remembered = [item for item in newest.values() if not (item.path.parent.parent / _FORGOTTEN).exists()]
        return [stored for directory in remembered if (stored := self.load(directory)) is not None]

    def running(self) -> list[StoredRun]:
        """Return every run whose shim still runs, forgotten or not."""
        return [
            stored
            for directory in run_directories(self._state_dir)
            if (stored := self.load(directory)) is not None and self.is_running(stored)
        ]

    def is_running(self, stored: StoredRun) -> bool:
        """Whether the run's shim, exactly that one, still runs: also in the moment after it wrote down the end."""
        shim = stored.shim()
        return shim is not None and self.table.is_running(shim)

    def ask_to_end(self, stored: StoredRun, reason: Reason) -> None:
        """Write the reason down (the first one stays) and have the shim end its engine. Safe to repeat."""
        if not stored.directory.stop_file.exists():
            with contextlib.suppress(StateDirUnusable):  # a full disk must not keep an engine running
                write_file(stored.directory.stop_file, StopFile(reason=reason))
        self._signal(stored, signal.SIGTERM)

    def kill(self, stored: StoredRun) -> int:
        """Kill the shim and everything that carries the run's cookie; return how many processes there were."""
        self._signal(stored, signal.SIGKILL)
        return self.table.kill_leftovers(stored.launch.cookie)

    def forget(self, replica_id: str, *, keep: int) -> None:
        """Mark a replica as history, and remove the oldest histories beyond `keep`."""
        directory = replica_directory(self._state_dir, replica_id)
        with contextlib.suppress(OSError):
            (directory / _FORGOTTEN).touch(mode=0o600)
        for old in _oldest_first((self._state_dir / "replicas").glob(f"*/{_FORGOTTEN}"))[:-keep]:
            shutil.rmtree(old.parent, ignore_errors=True)

    def log_dir(self, replica_id: str) -> Path:
        """Return where a replica's log is. Raises ValueError for an id that is no plain file name."""
        return replica_directory(self._state_dir, replica_id) / "log"

    def _end_strays(self, replica_id: str) -> None:
        for directory in run_directories(self._state_dir, replica_id):
            stored = self.load(directory)
            if stored is not None and self.is_running(stored):
                self.kill(stored)

    def _prune(self, newest: RunDirectory) -> None:
        """Keep the last few runs of a replica: one that fails for days would fill the disk with records."""
        for old in sorted(newest.path.parent.iterdir())[:-_KEPT_RUNS]:
            shutil.rmtree(old, ignore_errors=True)

    def _signal(self, stored: StoredRun, number: signal.Signals) -> None:
        """Signal the shim: opened first, then recognised, so that a reused pid is never hit."""
        shim = stored.shim()
        if shim is None:
            return
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(shim.pid)
            try:
                if self.table.is_running(shim):
                    signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)


def _oldest_first(marks: Iterable[Path]) -> list[Path]:
    dated = []
    for mark in marks:
        with contextlib.suppress(OSError):
            dated.append((mark.stat().st_mtime, mark))
    return [mark for _, mark in sorted(dated)]
