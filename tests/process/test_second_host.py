"""A node agent with its own data directory joins the running cluster."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, until
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.fixture
def second_host(platform: Platform, tmp_path: Path) -> Iterator[str]:
    """A second agent on loopback; its node id."""
    node_id = "nod_second"
    platform.command("nodes", "credentials", node_id, "--out", str(tmp_path))
    settings = dict(line.split("=", 1) for line in (tmp_path / "node.env").read_text().splitlines() if "=" in line)
    environment = {**os.environ, **settings, "ROUNDHOUSE_NODE_AGENT_STATE_DIR": str(tmp_path / "state")}
    with (tmp_path / "agent.log").open("w") as log:
        agent = subprocess.Popen([sys.executable, "-m", "roundhouse_node_agent"], env=environment, stderr=log)
        yield node_id
        agent.send_signal(signal.SIGTERM)
        agent.wait(30)
    stop = [sys.executable, "-m", "roundhouse_node_agent", "stop-engines", "--state-dir", str(tmp_path / "state")]
    subprocess.run(stop, env=environment, check=True, timeout=60)


@pytest.mark.contract("A23", "A33")
async def test_four_replicas_spread_over_two_hosts(platform: Platform, ledger: Ledger, second_host: str) -> None:
    await until(
        lambda: {node["id"]: node["state"] for node in platform.json("nodes", "ls")}.get(second_host) == "ready",
        within_s=30,
        what="the second host is a ready node",
    )

    platform.command("deployments", "scale", DEMO, "4")
    await until(lambda: len(platform.engine_pids()) == 4, within_s=90, what="four ready replicas")

    per_node = Counter(replica["node_id"] for replica in platform.replicas())
    assert sorted(per_node.values()) == [2, 2]
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(12)
        platform.command("deployments", "scale", DEMO, "1")
        await until(lambda: len(platform.replicas()) == 1, within_s=90, what="one replica left")
    assert traffic.failures == []
    assert {record["node_id"] for record in await ledger.settled(traffic.completed)} == set(per_node)
