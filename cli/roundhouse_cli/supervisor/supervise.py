"""Start everything, keep it running, stop it in order."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from roundhouse_cli.supervisor.child import Child, describe_exit
from roundhouse_cli.supervisor.events import EventLog
from roundhouse_cli.supervisor.logfile import RotatingFile
from roundhouse_cli.supervisor.plan import Plan, TaskPlan
from roundhouse_cli.supervisor.processes import start_ticks, wait_for_exit
from roundhouse_cli.supervisor.records import SUPERVISOR, ProcessRecord, remove_record, write_record

__all__ = ["supervise"]

_PORT_WAIT_S = 5.0
_PORT_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class _Signals:
    stop: asyncio.Event
    """Stop in order."""
    hurry: asyncio.Event
    """Asked twice: kill what does not stop at once."""

    @classmethod
    def listen(cls) -> "_Signals":
        signals = cls(asyncio.Event(), asyncio.Event())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, signals.asked)
        return signals

    def asked(self) -> None:
        (self.hurry if self.stop.is_set() else self.stop).set()


async def supervise(plan: Plan, events: EventLog) -> None:
    """Run the plan until SIGTERM or SIGINT, then stop everything in its order. A second signal hurries."""
    signals = _Signals.listen()
    _tell(plan.run_dir, "running")
    children = {
        child.name: Child(
            child, run_dir=plan.run_dir, log=RotatingFile(plan.log_dir / f"{child.name}.log"), events=events
        )
        for child in plan.children
    }
    async with asyncio.TaskGroup() as group:
        started: set[str] = set()
        for child in plan.children:
            if signals.stop.is_set():
                break
            group.create_task(children[child.name].run(), name=child.name)
            started.add(child.name)
            if child.wait_port:
                await _wait_for_port(child.wait_host, child.wait_port, signals.stop)
        await signals.stop.wait()
        events.info("stopping")
        tasks = {task.name: task for task in plan.tasks}
        for step in plan.stop_order:
            _tell(plan.run_dir, f"stopping {step}")
            if step in started:
                await children[step].stop(signals.hurry)
            elif step in tasks:
                await _run_task(tasks[step], plan.log_dir, events)
    events.info("stopped")
    remove_record(plan.run_dir, SUPERVISOR)


def _tell(run_dir: Path, doing: str) -> None:
    pid = os.getpid()
    with suppress(OSError):
        write_record(run_dir, ProcessRecord(name=SUPERVISOR, pid=pid, start_ticks=start_ticks(pid) or 0, doing=doing))


async def _wait_for_port(host: str, port: int, stop: asyncio.Event) -> None:
    """Return when host:port accepts, or after five seconds: whoever needs it must cope without it anyway."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PORT_WAIT_S
    while loop.time() < deadline and not stop.is_set():
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(_PORT_POLL_S)


async def _run_task(task: TaskPlan, log_dir: Path, events: EventLog) -> None:
    """Run to the end, or kill it at its timeout; its output goes to its own log."""
    process = _start_task(task, log_dir)
    try:
        code = await asyncio.wait_for(wait_for_exit(process), task.timeout_s)
    except TimeoutError:
        process.kill()
        code = await wait_for_exit(process)
    log_at = events.info if code == 0 else events.warning
    log_at("task_ended", task=task.name, how=describe_exit(code))


def _start_task(task: TaskPlan, log_dir: Path) -> "subprocess.Popen[bytes]":
    with (log_dir / f"{task.name}.log").open("ab") as log:
        return subprocess.Popen(
            task.argv, env={**os.environ, **task.environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
