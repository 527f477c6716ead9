"""A host leaves: because its operator says so, or because the network is cut and it comes back later."""

import asyncio
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.process.control import Control
from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, send, until
from tests.process.proxy import Link
from tests.process.second_host import second_host, states
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]


def ready_on(platform: Platform) -> Counter[str]:
    """Return how many replicas are ready on each node."""
    return Counter(item["node_id"] for item in platform.replicas() if item["phase"] == "ready")


async def spread_over_both(platform: Platform, node_id: str) -> None:
    await until(lambda: states(platform).get(node_id) == "ready", within_s=90, what="the second host is a ready node")
    platform.command("deployments", "scale", DEMO, "2")
    await until(
        lambda: (found := ready_on(platform))[node_id] == 1 and found.total() == 2,
        within_s=90,
        what="one ready replica on each host",
    )


@pytest.mark.contract("A33")
async def test_draining_one_of_two_hosts_fails_no_request(platform: Platform, ledger: Ledger, tmp_path: Path) -> None:
    control = Control(platform)
    with second_host(platform, tmp_path) as node_id:
        await spread_over_both(platform, node_id)
        async with Traffic(platform.connection["router_url"], ledger.secret, clients=4) as traffic:
            await traffic.more(8)
            await send("POST", f"{control.scheduler}/nodes/{node_id}:drain", control.token, {"reason": "new disks"})
            lowest = 2
            async with asyncio.timeout(120):
                while (found := ready_on(platform))[node_id] or found.total() != 2:
                    lowest = min(lowest, found.total())
                    await asyncio.sleep(0.1)
            await traffic.more(8)

        assert traffic.failures == []
        assert lowest == 2, "its replacement was ready before it went"
        await until(lambda: len(platform.replicas()) == 2, within_s=30, what="the drained replica has ended")
        reasons = {event["reason"] for event in await control.events((await control.deployment(DEMO))["id"])}
        assert "node-drained" in reasons
        await send("POST", f"{control.scheduler}/nodes/{node_id}:uncordon", control.token, {})
        platform.command("deployments", "scale", DEMO, "1")
        await until(lambda: len(platform.replicas()) == 1, within_s=60, what="one replica left")


async def test_a_partitioned_host_returns_and_one_of_each_pair_survives(
    platform: Platform, ledger: Ledger, tmp_path: Path
) -> None:
    control = Control(platform)
    key = (await control.deployment(DEMO))["id"]
    await control.change(key, disconnect_grace_s=4.0)
    async with Link(platform.base_port + 5) as link:
        with second_host(platform, tmp_path, nats_port=link.port) as node_id:
            await spread_over_both(platform, node_id)
            (cut_off,) = [item for item in platform.replicas() if item["node_id"] == node_id]
            async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
                link.cut()
                await until(
                    lambda: (found := ready_on(platform)).total() == 2 and node_id not in found,
                    within_s=90,
                    what="its replica was replaced",
                )
                assert psutil.pid_exists(cut_off["pid"]), "nobody stopped the engine on the far side"
                link.mend()
                await until(
                    lambda: (
                        sorted(item["phase"] for item in platform.replicas()) == ["ready", "ready"]
                        and not psutil.pid_exists(cut_off["pid"])
                    ),
                    within_s=90,
                    what="one of the two stays",
                )
                await traffic.more(6)

            assert traffic.failures == []
            mine = [event for event in await control.events(key) if event["replica_id"] == cut_off["id"]]
            assert "survivor-elsewhere" in {event["reason"] for event in mine}
            for node in platform.nodes():
                assert node["claimed_memory_bytes"] <= node["memory_total_bytes"]
            platform.command("deployments", "scale", DEMO, "1")
            await until(lambda: len(platform.replicas()) == 1, within_s=60, what="one replica left")
    await control.change(key, disconnect_grace_s=60.0)
