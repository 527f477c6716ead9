"""A second host: another node agent with a directory of its own, on the same machine. It joins by a token."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process.platform import Platform

__all__ = ["second_host", "states"]


@contextmanager
def second_host(platform: Platform, directory: Path, *, nats_port: int | None = None) -> Iterator[str]:
    """Run it until the end, and remove what it was; yields its node id. `nats_port` leads over another way."""
    node_id = f"nod_second_{secrets.token_hex(3)}"
    url, token = (
        platform.connection["router_url"],
        platform.command("nodes", "join-token", "--node-id", node_id).strip(),
    )
    platform.command("node", "join", url, "--token", token, "--state-dir", str(directory), "--no-run")
    environment = dict(os.environ)
    if nats_port is not None:
        environment["ROUNDHOUSE_NODE_AGENT_NATS_URL"] = f"nats://127.0.0.1:{nats_port}"
    command = [sys.executable, "-m", "roundhouse_cli", "node", "run", "--state-dir", str(directory)]
    with (directory / "agent.log").open("w") as log:
        agent = subprocess.Popen(command, env=environment, stderr=log)
        try:
            yield node_id
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(30)
            platform.command("node", "stop", "--engines", "--state-dir", str(directory))
            platform.try_command("nodes", "rm", node_id)  # refused where the test has failed half way


def states(platform: Platform) -> dict[str, str]:
    """Return the state of each node."""
    return {node["id"]: node["state"] for node in platform.nodes()}
