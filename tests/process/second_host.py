"""A second host: another node agent with a data directory of its own, on the same machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process.platform import Platform

__all__ = ["NODE_ID", "second_host"]

NODE_ID = "nod_second"


@contextmanager
def second_host(platform: Platform, directory: Path, *, nats_port: int | None = None) -> Iterator[str]:
    """Run it until the end, and stop what it started; yields its node id. `nats_port` leads over another way."""
    platform.command("nodes", "credentials", NODE_ID, "--out", str(directory))
    settings = dict(line.split("=", 1) for line in (directory / "node.env").read_text().splitlines() if "=" in line)
    if nats_port is not None:
        settings["ROUNDHOUSE_NODE_AGENT_NATS_URL"] = f"nats://127.0.0.1:{nats_port}"
    environment = {**os.environ, **settings, "ROUNDHOUSE_NODE_AGENT_STATE_DIR": str(directory / "state")}
    with (directory / "agent.log").open("w") as log:
        agent = subprocess.Popen([sys.executable, "-m", "roundhouse_node_agent"], env=environment, stderr=log)
        try:
            yield NODE_ID
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(30)
            stop = [sys.executable, "-m", "roundhouse_node_agent", "stop-engines", "--state-dir"]
            subprocess.run([*stop, str(directory / "state")], env=environment, check=True, timeout=60)
