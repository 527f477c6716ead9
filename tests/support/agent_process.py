"""A node agent as a process of its own, on a real bus."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from roundhouse_common.contracts.base import Service
from tests.support.nats import NODE_A, NatsServer
from tests.support.ports import engine_ports, free_port

__all__ = ["AgentProcess"]


class AgentProcess:
    """`python -m roundhouse_node_agent` with a directory of its own."""

    def __init__(self, directory: Path, nats: NatsServer, **settings: str) -> None:
        """`settings` by their names without the prefix, in lower case."""
        self.state_dir = directory / "state"
        self.port = free_port()
        first, last = engine_ports()
        self.log = directory / "agent.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "ROUNDHOUSE_NODE_AGENT_NODE_ID": NODE_A,
            "ROUNDHOUSE_NODE_AGENT_STATE_DIR": str(self.state_dir),
            "ROUNDHOUSE_NODE_AGENT_PORT": str(self.port),
            "ROUNDHOUSE_NODE_AGENT_NATS_URL": nats.url,
            "ROUNDHOUSE_NODE_AGENT_NATS_SEED_FILE": str(nats.seed_file(Service.NODE_AGENT, NODE_A)),
            "ROUNDHOUSE_NODE_AGENT_ENGINE_PORT_FIRST": str(first),
            "ROUNDHOUSE_NODE_AGENT_ENGINE_PORT_LAST": str(last),
            **{f"ROUNDHOUSE_NODE_AGENT_{name.upper()}": value for name, value in settings.items()},
        }

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), env=self._environment, stdout=log, stderr=log)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "roundhouse_node_agent", *arguments]

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        variables = {**self._environment, **environment}
        return subprocess.run(self.command(*arguments), env=variables, capture_output=True, text=True, timeout=30)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Return its exit code once it has ended."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, 20)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
