"""Processes that a killed supervisor left behind: found by their records, ended, forgotten."""

import os
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from roundhouse_cli.supervisor.processes import start_ticks
from roundhouse_cli.supervisor.records import SUPERVISOR, ProcessRecord, is_alive, read_records, remove_record
from roundhouse_common.runtime import Clock

__all__ = ["end_leftovers", "end_process", "leftovers"]


def leftovers(run_dir: Path, cookie: str) -> list[ProcessRecord]:
    """Return the recorded processes that still run though their supervisor does not.

    Never by name: pid, start time and the data directory's cookie in the environment must all fit.
    """
    found = read_records(run_dir)
    return [record for record in found if record.name != SUPERVISOR and is_alive(record, cookie)]


def end_leftovers(run_dir: Path, cookie: str, clock: Clock, *, patience_s: float = 5.0) -> list[str]:
    """End what is left, all at once: SIGTERM, then SIGKILL. Return the names; repeating does nothing more.

    The dead supervisor's own record stays: it says that engines may be left too.
    """
    found = leftovers(run_dir, cookie)
    with _opened(found) as descriptors:
        _signal(descriptors, signal.SIGTERM)
        remaining = _wait(descriptors, clock, patience_s)
        _signal(remaining, signal.SIGKILL)
        _wait(remaining, clock, patience_s)
    for record in read_records(run_dir):
        if record.name != SUPERVISOR:
            remove_record(run_dir, record.name)
    return [record.name for record in found]


def end_process(record: ProcessRecord, clock: Clock) -> None:
    """SIGKILL one process and wait for its end."""
    with _opened([record]) as descriptors:
        _signal(descriptors, signal.SIGKILL)
        _wait(descriptors, clock, 5.0)


@contextmanager
def _opened(records: Sequence[ProcessRecord]) -> Iterator[list[int]]:
    """Yield a pidfd for each record whose process still is the recorded one: a pidfd cannot change its process."""
    descriptors: list[int] = []
    try:
        for record in records:
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(record.pid))
                if start_ticks(record.pid) != record.start_ticks:
                    os.close(descriptors.pop())
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _signal(descriptors: Sequence[int], number: signal.Signals) -> None:
    for descriptor in descriptors:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)


def _wait(descriptors: Sequence[int], clock: Clock, patience_s: float) -> list[int]:
    """Return those whose process has not ended in time."""
    waiting = set(descriptors)
    deadline = clock.monotonic() + patience_s
    while waiting and (left_s := deadline - clock.monotonic()) > 0:
        poll = select.poll()
        for descriptor in waiting:
            poll.register(descriptor, select.POLLIN)
        waiting -= {descriptor for descriptor, _ in poll.poll(left_s * 1000)}
    return list(waiting)
