"""`stop-engines`: end every engine of a state directory whose agent is gone."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from roundhouse_common.contracts.scheduler import Reason
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.processes.identity import ProcessTable
from roundhouse_node_agent.processes.run_store import RunStore, StoredRun
from roundhouse_node_agent.processes.state_dir import StateDir

__all__ = ["stop_engines"]

_POLL_S = 0.05


def stop_engines(
    state_dir: Path,
    *,
    within_s: float,
    clock: Clock,
    say: Callable[[str], None],
    containers: ContainerTool | None = None,
) -> int:
    """Have every engine ended: SIGTERM first, SIGKILL for what is left after `within_s`. Return how many there were.

    Raises StateDirUnusable while an agent works on the directory. Nothing of any engine is left when it returns.
    """
    if not state_dir.is_dir():
        return 0
    lock = StateDir.hold(state_dir)
    try:
        store = RunStore(state_dir, ProcessTable())
        running = store.running()
        for stored in running:
            say(f"stopping {stored.launch.assignment.deployment_name} ({stored.directory.replica_id})")
            store.ask_to_end(stored, Reason.NODE_SHUTDOWN)
        _wait(store, running, within_s, clock)
        for stored in running:
            store.kill(stored)
        _wait(store, running, within_s, clock)
        tool = containers or ContainerTool()
        for name in [stored.launch.container for stored in running if stored.launch.container]:
            tool.remove(name)
        return len(running)
    finally:
        os.close(lock)


def _wait(store: RunStore, running: list[StoredRun], within_s: float, clock: Clock) -> None:
    deadline = clock.monotonic() + within_s
    while clock.monotonic() < deadline and any(store.is_running(stored) for stored in running):
        time.sleep(_POLL_S)
