"""What engines use, read from `/proc`: every process below an engine's guard belongs to it. Blocking."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse_node_agent.domain.usage import Counters
from roundhouse_node_agent.processes.identity import Recorded

__all__ = ["ProcessTree", "read_trees"]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """The processes below one guard, the guard included, and the processor time they used together."""

    pids: tuple[int, ...]
    cpu: Counters


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    start_ticks: int
    user_ticks: int
    system_ticks: int


def read_trees(guards: Mapping[str, Recorded], *, root: Path = Path("/proc")) -> dict[str, ProcessTree]:
    """Return everything below each guard; a guard that is gone is left out.

    Nothing escapes: a guard is the subreaper of all that its engine starts, so what loses its parent becomes the
    guard's child, and what ends leaves its time on the counters of whoever gathered it. The sum never goes back.
    """
    if not guards:
        return {}
    processes = _all_processes(root)
    children: dict[int, list[int]] = defaultdict(list)
    for pid, process in processes.items():
        children[process.parent].append(pid)
    found = {}
    for name, guard in guards.items():
        top = processes.get(guard.pid)
        if top is not None and top.start_ticks == guard.start_ticks:
            found[name] = _tree(guard.pid, processes, children)
    return found


def _tree(top: int, processes: Mapping[int, _Process], children: Mapping[int, list[int]]) -> ProcessTree:
    members, left = [], [top]
    while left:
        pid = left.pop()
        members.append(pid)
        left += children.get(pid, ())
    user = sum(processes[pid].user_ticks for pid in members)
    system = sum(processes[pid].system_ticks for pid in members)
    return ProcessTree(tuple(members), Counters(user_s=user / _TICKS_PER_S, system_s=system / _TICKS_PER_S))


def _all_processes(root: Path) -> dict[int, _Process]:
    found = {}
    for name in os.listdir(root):
        if name.isdigit() and (process := _process(f"{root}/{name}/stat")) is not None:
            found[int(name)] = process
    return found


def _process(path: str) -> _Process | None:
    """Read one `stat`: parent, start, and times with those of the children that it gathered."""
    try:
        with open(path, "rb", buffering=0) as file:
            text = file.read(4096)
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split(maxsplit=20)
    return _Process(
        parent=int(fields[1]),
        start_ticks=int(fields[19]),
        user_ticks=int(fields[11]) + int(fields[13]),
        system_ticks=int(fields[12]) + int(fields[14]),
    )
