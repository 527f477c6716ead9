"""Starting, finding and stopping the local Roundhouse of one data directory."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from roundhouse_cli.errors import Failure
from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_cli.local.layout import DataDir
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.local.services import stop_engines_command
from roundhouse_cli.output import note
from roundhouse_cli.supervisor.leftovers import end_leftovers, end_process
from roundhouse_cli.supervisor.plan import Plan
from roundhouse_cli.supervisor.processes import COOKIE_VARIABLE
from roundhouse_cli.supervisor.records import SUPERVISOR, ProcessRecord, is_alive, read_record, remove_record
from roundhouse_common.runtime import Clock

__all__ = ["Platform"]

_POLL_S = 0.05
_START_S = 15.0
_STOP_S = 180.0
_ENGINES_STOP_S = 60.0


class Platform:
    """The processes of one data directory, whoever started them."""

    def __init__(self, data_dir: DataDir, clock: Clock) -> None:
        self.data_dir = data_dir
        self._clock = clock

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Hold off every other `up` on this directory; waits for one that is at it."""
        with (private_dir(self.data_dir.run) / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                note("Another `roundhouse up` is starting it; waiting for that.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def supervisor(self) -> ProcessRecord | None:
        """Return the running supervisor, or None."""
        record = read_record(self.data_dir.run, SUPERVISOR)
        return record if record and is_alive(record, self._cookie()) else None

    def end_leftovers(self) -> list[str]:
        """End the services that a killed supervisor left; engines go on and are adopted by the next node agent."""
        return end_leftovers(self.data_dir.run, self._cookie(), self._clock)

    def start(self, plan: Plan, *, is_detached: bool) -> "subprocess.Popen[bytes]":
        """Start the supervisor and return when it has begun. Raises Failure with what it said."""
        private_dir(self.data_dir.logs)
        write_private(self.data_dir.plan, plan.dumps())
        command = [sys.executable, "-m", "roundhouse_cli.supervisor", str(self.data_dir.plan)]
        if not is_detached:
            command.append(f"--parent={os.getpid()}")
        with self.data_dir.log("supervisor.err").open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, COOKIE_VARIABLE: plan.cookie},
                cwd=self.data_dir.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._await_begin(process)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        return process

    def _await_begin(self, process: "subprocess.Popen[bytes]") -> None:
        """Return when the supervisor has taken the directory. Raises Failure with what it said."""
        deadline = self._clock.monotonic() + _START_S
        while self.supervisor() is None:
            if process.poll() is not None or self._clock.monotonic() > deadline:
                said = self.data_dir.log("supervisor.err").read_text(errors="replace").strip().splitlines()
                raise Failure(f"The supervisor did not start: {said[-1] if said else 'it said nothing'}")
            time.sleep(_POLL_S)

    def is_stopped(self) -> bool:
        """Tell whether the last supervisor ended in order: then nothing of this directory runs."""
        return read_record(self.data_dir.run, SUPERVISOR) is None

    def stop(self) -> Iterator[str]:
        """Stop everything in order, yielding what is being stopped. Nothing is left when it ends; safe to repeat."""
        if (record := self.supervisor()) is not None:
            if not record.doing.startswith("stopping"):
                _signal(record, signal.SIGTERM)
            yield from self._watch_end(record)
        if self.is_stopped():
            return
        yield "cleaning up after a supervisor that was killed"
        self.end_leftovers()
        self._stop_engines()
        remove_record(self.data_dir.run, SUPERVISOR)

    def hurry(self) -> None:
        """Tell a supervisor that is stopping to kill what does not stop at once."""
        if (record := self.supervisor()) is not None:
            _signal(record, signal.SIGTERM)

    def _watch_end(self, record: ProcessRecord) -> Iterator[str]:
        """Wait for the supervisor's end, or end it."""
        deadline, doing = self._clock.monotonic() + _STOP_S, ""
        while is_alive(record, self._cookie()):
            now = read_record(self.data_dir.run, SUPERVISOR)
            if now is not None and now.doing != doing:
                doing = now.doing
                yield doing
            if self._clock.monotonic() > deadline:
                yield "killing the supervisor"
                end_process(record, self._clock)
            time.sleep(_POLL_S)

    def _stop_engines(self) -> None:
        """Stop engines that outlived their agent. Quick when there are none."""
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                stop_engines_command(self.data_dir),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_ENGINES_STOP_S,
                check=False,
            )

    def _cookie(self) -> str:
        return Secrets(self.data_dir.secrets).cookie()


def _signal(record: ProcessRecord, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(record.pid, number)
