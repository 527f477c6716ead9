"""One program that is kept running until it is told to stop."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from roundhouse_cli.supervisor.events import EventLog
from roundhouse_cli.supervisor.logfile import RotatingFile
from roundhouse_cli.supervisor.plan import ChildPlan
from roundhouse_cli.supervisor.processes import die_with_parent, start_ticks, wait_for_exit
from roundhouse_cli.supervisor.records import ProcessRecord, remove_record, write_record

__all__ = ["Child", "describe_exit", "restart_delay_s"]

_STEADY_S = 10.0
"""Who ran so long before it died is started again at once."""
_LONGEST_DELAY_S = 5.0
_READ_BYTES = 65_536
_READS = 16


def restart_delay_s(failures_in_a_row: int) -> float:
    """Return how long to wait before the next start: nothing after the first failure, then 0.25 s, doubling to 5 s."""
    if failures_in_a_row <= 1:
        return 0.0
    return float(min(0.25 * 2 ** min(failures_in_a_row - 2, 10), _LONGEST_DELAY_S))


def describe_exit(code: int) -> str:
    """Say an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class Child:
    """Runs one `ChildPlan`: starts it, keeps its output, starts it again when it dies.

    The program gets SIGTERM when the supervisor dies in whatever way, so that nothing outlives it unwatched.
    """

    def __init__(self, plan: ChildPlan, *, run_dir: Path, log: RotatingFile, events: EventLog) -> None:
        self._plan = plan
        self._run_dir = run_dir
        self._log = log
        self._events = events
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._restarts = 0
        self._last_exit = ""

    async def run(self) -> None:
        """Keep the program running; returns after `stop`."""
        loop, failures = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            started_at = loop.time()
            self._last_exit = await self._run_once()
            if self._stopping.is_set():
                break
            failures = 1 if loop.time() - started_at >= _STEADY_S else failures + 1
            delay_s = restart_delay_s(failures)
            self._restarts += 1
            self._events.warning(
                "child_exited", child=self._plan.name, how=self._last_exit, restart_in_s=delay_s, failures=failures
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
        remove_record(self._run_dir, self._plan.name)
        self._log.close()
        self._ended.set()

    async def stop(self, hurry: asyncio.Event) -> None:
        """End the program: SIGTERM, and SIGKILL when it takes longer than it may or `hurry` is set."""
        self._stopping.set()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
        ended, hurried = asyncio.ensure_future(self._ended.wait()), asyncio.ensure_future(hurry.wait())
        await asyncio.wait({ended, hurried}, timeout=self._plan.stop_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ended.done() and self._process is not None:
            self._events.warning("child_killed", child=self._plan.name, after_s=self._plan.stop_timeout_s)
            self._process.kill()
        await ended

    async def _run_once(self) -> str:
        """Start the program, wait for its end and say how it ended."""
        reader, writer = os.pipe()
        try:
            process = self._start(writer)
        except OSError as error:
            os.close(reader)
            return f"could not start: {error}"
        finally:
            os.close(writer)
        self._process = process
        self._note(process.pid)
        os.set_blocking(reader, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(reader, self._copy_output, reader)
        try:
            code = await wait_for_exit(process)
        finally:
            self._process = None
            self._copy_output(reader)
            loop.remove_reader(reader)
            os.close(reader)
        return describe_exit(code)

    def _start(self, output: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._plan.argv,
            env={**os.environ, **self._plan.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Safe: the supervisor has no threads.
            preexec_fn=die_with_parent(signal.SIGTERM),
        )

    def _note(self, pid: int) -> None:
        self._events.info("child_started", child=self._plan.name, pid=pid, restarts=self._restarts)
        record = ProcessRecord(
            name=self._plan.name,
            pid=pid,
            start_ticks=start_ticks(pid) or 0,
            restarts=self._restarts,
            last_exit=self._last_exit,
        )
        with suppress(OSError):
            write_record(self._run_dir, record)

    def _copy_output(self, reader: int) -> None:
        """Copy what is there; called when there is something, and once more at the end."""
        with suppress(BlockingIOError):
            for _ in range(_READS):  # bounded: a program that never stops writing must not stop the supervisor
                data = os.read(reader, _READ_BYTES)
                if not data:  # the program closed its output
                    asyncio.get_running_loop().remove_reader(reader)
                    return
                self._log.write(data)
