"""Models that nobody uses make room, and come back with the next request."""

import asyncio

import pytest

from tests.process.control import Control
from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, until
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

SLEEPY = {"min_replicas": 0, "max_replicas": 1, "target_in_flight": 8, "idle_s": 2, "down_stabilization_s": 1}


@pytest.mark.contract("A36")
async def test_a_sleeping_model_is_woken_once_and_serves_all_who_waited(platform: Platform, ledger: Ledger) -> None:
    control = Control(platform)
    key = (await control.deployment(DEMO))["id"]
    await control.change(key, autoscale=SLEEPY)
    try:
        await until(lambda: platform.replicas() == [], within_s=60, what="the unused model sleeps")
        assert (await control.status(key))["is_sleeping"]
        before = await created(control, key)
        await platform.kill("scheduler")
        async with Traffic(platform.connection["router_url"], ledger.secret, clients=4) as traffic:
            await traffic.more(8)
        assert traffic.failures == []
        assert await created(control, key) == before + 1, "one engine was started for all of them"
        assert len(await ledger.settled(traffic.completed)) == traffic.completed

        await until(lambda: platform.replicas() == [], within_s=60, what="it sleeps again")
    finally:
        await control.change(key, autoscale=None, replicas=1)
    await until(lambda: len(platform.engine_pids()) == 1, within_s=60, what="one ready replica, without a request")


@pytest.mark.contract("A13", "A15", "D10")
async def test_two_models_that_do_not_fit_together_take_turns(platform: Platform, ledger: Ledger) -> None:
    control = Control(platform)
    (node,) = platform.json("nodes", "ls")
    most = str(node["memory_total_bytes"] * 6 // 10)
    url = platform.connection["router_url"]
    platform.command("deploy", DEMO, "--name", "red", "--memory", most, "--evictable", "--wait")
    platform.command("deploy", DEMO, "--name", "green", "--memory", most, "--evictable")
    try:
        red, green = [(await control.deployment(name))["id"] for name in ("red", "green")]
        (waiting,) = await control.replicas(green)
        assert waiting["phase"] == "pending"
        assert "GiB free of" in waiting["detail"]

        platform.command("switch", "green")
        assert [item["phase"] for item in await control.replicas(green)] == ["ready"]
        assert (await control.status(red))["is_sleeping"]
        (switch,) = platform.json("switches", "green")
        assert switch["state"] == "ready"
        assert [victim["name"] for victim in switch["victims"]] == ["red"]

        async with Traffic(url, ledger.secret, clients=2, model="green") as traffic:
            await traffic.more(4)
            watched = await asyncio.to_thread(platform.try_command, "switch", "red", "--timeout-s", "12")
            assert watched.returncode != 0, "green is in use"
            await traffic.more(4)
        assert traffic.failures == []
        assert [item["phase"] for item in await control.replicas(green)] == ["ready"]

        async with Traffic(url, ledger.secret, clients=1, model="red") as back:
            await back.more(2)
        assert back.failures == []
        assert (await control.status(green))["is_sleeping"]
    finally:
        for name in ("red", "green"):
            platform.try_command("deployments", "stop", name)
            platform.try_command("deployments", "rm", name)
    await until(lambda: len(platform.replicas()) == 1, within_s=60, what="the demo model alone")


async def created(control: Control, deployment_id: str) -> int:
    """Return how many replicas it has had."""
    return sum(event["kind"] == "replica.created" for event in await control.events(deployment_id))
