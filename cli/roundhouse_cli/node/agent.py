"""Running the node agent of this host: in the foreground, in the background, or under systemd."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import NoReturn

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import Failure
from roundhouse_cli.local.files import private_dir
from roundhouse_cli.node.home import NodeHome
from roundhouse_cli.output import note
from roundhouse_cli.rest import Services
from roundhouse_cli.steps import Step
from roundhouse_cli.supervisor.child import describe_exit
from roundhouse_cli.supervisor.processes import COOKIE_VARIABLE, start_ticks
from roundhouse_cli.supervisor.records import ProcessRecord, is_alive, read_record, remove_record, write_record
from roundhouse_common.runtime import Clock

__all__ = ["NodeAgent", "unit_text"]

_MODULE = "roundhouse_node_agent"
_NAME = "agent"
_READY_S = 60.0
_STOP_S = 60.0
_POLL_S = 0.1
_LOG_LINES = 8
_EXITS = {
    4: "another agent has registered for this node",
    5: "the node was removed; it joins again with `roundhouse node join URL --token T`",
}


class NodeAgent:
    """The agent of one home, whoever started it."""

    def __init__(self, home: NodeHome, clock: Clock) -> None:
        self._home = home
        self._clock = clock

    def run(self) -> NoReturn:
        """Become the agent. Raises Failure when the host has not joined, or one runs already."""
        environment = self._environment()
        note("The node agent runs; Ctrl-C ends it and leaves its engines running.")
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, self._command(), environment)

    def start(self, step: Step) -> None:
        """Start it in the background and return when it has registered. Raises Failure with what it said."""
        environment = self._environment()
        self._home.log.touch(mode=0o600)
        with self._home.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        private_dir(self._home.run)
        record = ProcessRecord(name=_NAME, pid=process.pid, start_ticks=start_ticks(process.pid) or 0)
        write_record(self._home.run, record)
        self._await_ready(process, environment, step)

    def stop(self) -> bool:
        """End an agent in the background; engines go on. Return whether one ran."""
        record = self._record()
        if record is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGTERM)
        deadline = self._clock.monotonic() + _STOP_S
        while self._record() is not None:
            if self._clock.monotonic() > deadline:
                raise Failure(f"The node agent (pid {record.pid}) does not end; see {self._home.log}.")
            time.sleep(_POLL_S)
        remove_record(self._home.run, _NAME)
        return True

    def stop_engines(self) -> None:
        """Stop every engine of this host; its agent must not run. Raises Failure."""
        command = [*self._command(), "stop-engines", "--state-dir", str(self._home.state)]
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            raise Failure("The engines were not stopped; an agent still runs on this directory.")

    def _command(self) -> list[str]:
        if find_spec(_MODULE) is None:
            raise Failure("The node agent is not installed here; install `roundhouse-cli[node]`.")
        return [sys.executable, "-m", _MODULE]

    def _environment(self) -> dict[str, str]:
        environment = self._home.environment()
        if (record := self._record()) is not None:
            raise Failure(f"A node agent runs already (pid {record.pid}); `roundhouse node stop` ends it.")
        return {**environment, COOKIE_VARIABLE: str(self._home.path)}

    def _record(self) -> ProcessRecord | None:
        record = read_record(self._home.run, _NAME)
        return record if record and is_alive(record, str(self._home.path)) else None

    def _await_ready(self, process: "subprocess.Popen[bytes]", environment: dict[str, str], step: Step) -> None:
        port, deadline = environment["ROUNDHOUSE_NODE_AGENT_PORT"], self._clock.monotonic() + _READY_S
        with Services(Connection.nowhere()) as services:
            agent = services.api("node-agent", f"http://127.0.0.1:{port}")
            while not (found := agent.readiness()).is_ready:
                step.note(found.why_not)
                if (code := process.poll()) is not None:
                    raise Failure(f"The node agent ended: {_EXITS.get(code) or describe_exit(code)}. {self._said()}")
                if self._clock.monotonic() > deadline:
                    raise Failure(
                        f"The node agent (pid {process.pid}) is not ready after {_READY_S:.0f} s: {found.why_not}."
                        f" It goes on trying; {self._said()}"
                    )
                time.sleep(_POLL_S)

    def _said(self) -> str:
        """Return the end of its log."""
        with suppress(OSError):
            lines = self._home.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
            return f"The last lines of {self._home.log}: {' | '.join(lines)}"
        return f"See {self._home.log}."


def unit_text(home: NodeHome, user: str) -> str:
    """Return a systemd unit. Stopping it leaves the engines running, and the next start adopts them."""
    return f"""[Unit]
Description=Roundhouse node agent
After=network-online.target
Wants=network-online.target

[Service]
User={user}
ExecStart={sys.executable} -m roundhouse_cli node run --state-dir {home.path}
Restart=on-failure
RestartSec=2
# 4: another agent has registered for this node; 5: the node was removed
RestartPreventExitStatus=4 5
KillMode=process

[Install]
WantedBy=multi-user.target
"""
