"""Curves and replica-hours of a real platform."""

from typing import Any

import pytest

from tests.process.platform import DEMO, Platform, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(200)]

MIB = 1024**2


@pytest.mark.contract("A12", "B08", "C01", "C02")
async def test_the_node_and_its_replica_have_curves(platform: Platform) -> None:
    own = (platform.data_dir / "node-id").read_text().strip()  # samples of hosts that left may be a minute old

    def sampled() -> list[dict[str, Any]]:
        return [node for node in platform.json("nodes", "top") if node["node_id"] == own and node["replicas"]]

    await until(sampled, within_s=60, what="a sample with a replica")
    (node,) = sampled()
    assert 0 < node["cpu_user"] + node["cpu_system"] <= node["cpu_cores"]
    (replica, *_) = node["replicas"]
    assert 50 * MIB < replica["memory_used_bytes"] < node["memory_used_bytes"] < node["memory_total_bytes"]
    curves = platform.json("replicas", "top", DEMO)
    points = {one["replica_id"]: one["points"] for one in curves["replicas"]}[replica["replica_id"]]
    assert all(0 <= point["cpu_user"] <= node["cpu_cores"] for point in points)
    assert DEMO not in platform.command("nodes", "top")
    assert "%" in platform.command("replicas", "top", DEMO)


@pytest.mark.contract("B09")
async def test_a_second_replica_shows_in_the_replica_hours(platform: Platform) -> None:
    (deployment,) = platform.json("deployments", "ls")

    def usage() -> dict[str, Any]:
        told = platform.ask(lambda services: services.metering.get("/api/v1/replica-usage", by="deployment"))
        return next((item for item in told["items"] if item["key"] == deployment["id"]), {})

    await until(lambda: usage().get("replicas_at_end") == 1, within_s=30, what="one replica in the ledger")
    before = usage()
    assert 0 < before["serving_s"] <= before["held_s"]
    platform.command("deployments", "scale", DEMO, "2")
    await until(lambda: usage()["replicas_at_end"] == 2, within_s=60, what="two replicas in the ledger")
    await until(lambda: len(platform.engine_pids()) == 2, within_s=60, what="two ready replicas")
    platform.command("deployments", "scale", DEMO, "1")
    await until(lambda: usage()["replicas_at_end"] == 1, within_s=60, what="one replica in the ledger again")
    assert usage()["held_s"] > before["held_s"]
    assert deployment["id"] in [item["key"] for item in platform.json("usage", "--replicas")]
