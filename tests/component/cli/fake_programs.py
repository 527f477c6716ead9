"""Tiny programs for the supervisor to run, and what they left in their directory."""

import sys
import textwrap
from pathlib import Path

from roundhouse_cli.supervisor.plan import ChildPlan, Plan, TaskPlan
from roundhouse_cli.supervisor.processes import COOKIE_VARIABLE

COOKIE = "cookie-of-the-test"

_PROGRAM = textwrap.dedent(
    """
    import os, signal, sys
    name, journal, behaviour = sys.argv[1:4]

    def write(word):
        with open(journal, "a") as file:
            file.write(f"{name} {word} {os.getpid()}\\n")

    def stop(number, frame):
        write("stopped")
        if behaviour != "stubborn":
            sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    print(f"{name} says hello", flush=True)
    write("started")
    if behaviour == "dies":
        sys.exit(7)
    while True:
        signal.pause()
    """
)


def program(directory: Path) -> Path:
    """Write the program once and return its path."""
    path = directory / "program.py"
    path.write_text(_PROGRAM)
    return path


def child(directory: Path, name: str, *, behaviour: str = "steady", stop_timeout_s: float = 10.0) -> ChildPlan:
    """A program that writes `NAME started PID` and `NAME stopped PID` into the journal.

    `dies` ends at once with code 7; `stubborn` notes a SIGTERM and goes on.
    """
    argv = (sys.executable, "-S", str(program(directory)), name, str(directory / "journal"), behaviour)
    return ChildPlan(name=name, argv=argv, environment={COOKIE_VARIABLE: COOKIE}, stop_timeout_s=stop_timeout_s)


def plan(directory: Path, *children: ChildPlan, tasks: tuple[TaskPlan, ...] = (), stop_order: tuple[str, ...]) -> Plan:
    """A plan whose data directory is made."""
    made = Plan(data_dir=directory, cookie=COOKIE, children=children, tasks=tasks, stop_order=stop_order)
    made.run_dir.mkdir()
    made.log_dir.mkdir()
    (directory / "plan").write_text(made.dumps())
    return made


def journal(directory: Path) -> list[tuple[str, str, int]]:
    """Return what the programs wrote: name, word, pid."""
    path = directory / "journal"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, word, int(pid)) for name, word, pid in (line.split() for line in lines)]


def pids(directory: Path, name: str) -> list[int]:
    """Return the pids under which a program was started, oldest first."""
    return [pid for found, word, pid in journal(directory) if (found, word) == (name, "started")]
