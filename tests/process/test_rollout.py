"""One version replaces another under load; one that does not start is taken back."""

import asyncio
from pathlib import Path

import pytest

from tests.process.control import Control
from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, send
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]


async def settled(control: Control, deployment_id: str, *, version: int, replicas: int, within_s: float) -> None:
    """Wait until exactly so many replicas of this version run, and nothing else."""
    async with asyncio.timeout(within_s):
        while True:
            found = await control.replicas(deployment_id)
            if [(item["version_number"], item["phase"]) for item in found] == [(version, "ready")] * replicas:
                return
            await asyncio.sleep(0.2)


@pytest.mark.contract("B01", "B04")
async def test_a_rolling_update_of_three_replicas_fails_no_request(platform: Platform, ledger: Ledger) -> None:
    control = Control(platform)
    deployment = await control.deployment(DEMO)
    old, key = deployment["active_version"]["number"], deployment["id"]
    try:
        await control.change(key, replicas=3, rollout={"max_surge": 1, "max_unavailable": 0, "min_ready_s": 0.5})
        await settled(control, key, version=old, replicas=3, within_s=90)
        async with Traffic(platform.connection["router_url"], ledger.secret, clients=4) as traffic:
            await traffic.more(8)
            added = await control.add_version(key, parameters={"parallel": "2"})
            await settled(control, key, version=added["number"], replicas=3, within_s=150)
            await traffic.more(8)

        assert traffic.failures == []
        assert len(await ledger.settled(traffic.completed)) == traffic.completed
        states = await control.versions(key)
        assert states[added["number"]]["state"] == "Running"
        assert states[old]["state"] == "Stopped"
    finally:
        await control.change(key, replicas=1)


@pytest.mark.contract("B02", "B03")
async def test_a_broken_new_version_is_taken_back_with_its_diagnosis(
    platform: Platform, ledger: Ledger, tmp_path: Path
) -> None:
    control = Control(platform)
    deployment = await control.deployment(DEMO)
    good, key = deployment["active_version"]["number"], deployment["id"]
    broken_file = tmp_path / "broken.gguf"
    broken_file.write_bytes(b"GGUF" + bytes(4096))
    model = await send(
        "POST",
        f"{control.catalog}/models",
        control.token,
        {
            "name": "broken",
            "kind": "chat",
            "source": {"kind": "path", "uri": str(broken_file)},
            "memory_bytes": 64 * 1024 * 1024,
        },
        expect=201,
    )
    await control.change(key, replicas=1, rollout={"max_surge": 1, "max_unavailable": 0})
    await settled(control, key, version=good, replicas=1, within_s=120)
    engines = platform.engine_pids()

    async with Traffic(platform.connection["router_url"], ledger.secret, clients=2) as traffic:
        await traffic.more(4)
        added = await control.add_version(key, model=model["id"])
        async with asyncio.timeout(120):
            while (await control.deployment(DEMO))["active_version"]["number"] != good:
                await asyncio.sleep(0.2)
        await settled(control, key, version=good, replicas=1, within_s=60)
        await traffic.more(4)

    assert traffic.failures == []
    assert platform.engine_pids() == engines
    failed = (await control.versions(key))[added["number"]]
    assert failed["state"] == "Error"
    assert "damaged or not a GGUF file" in failed["failure"]["detail"], failed["failure"]
    assert failed["failure"]["log_tail"]
    async with asyncio.timeout(20):
        while not (rolled_back := [event for event in await control.events(key) if event["reason"] == "rolled_back"]):
            await asyncio.sleep(0.2)
    assert len(rolled_back) == 1
    assert "damaged or not a GGUF file" in rolled_back[0]["detail"]
