"""The whole control plane is gone for long: engines go on, clients notice nothing, and no record is lost."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, until
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

_CONTROL_PLANE = ("nats", "catalog", "scheduler", "metering")


@contextmanager
def down(platform: Platform, *services: str) -> Iterator[None]:
    """Kill them with -9 and keep them from being restarted until the end."""
    nats = platform.pid("nats")
    assert nats is not None
    supervisor = psutil.Process(nats).parent()
    assert supervisor is not None
    supervisor.suspend()
    try:
        for service in services:
            pid = platform.pid(service)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        yield
    finally:
        supervisor.resume()


@pytest.mark.contract("A12", "F04")
@pytest.mark.parametrize("away_s", [25, pytest.param(240, marks=pytest.mark.slow)])
async def test_traffic_goes_on_while_the_control_plane_is_down(
    platform: Platform, ledger: Ledger, away_s: float
) -> None:
    engines = platform.engine_pids()
    assert engines
    async with Traffic(platform.connection["router_url"], ledger.secret, rest_s=0.5) as traffic:
        await traffic.more(3)
        with down(platform, *_CONTROL_PLANE):
            down_since = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() - down_since < away_s:
                await traffic.more(2)
                assert traffic.failures == []
                assert {pid for pid in engines if psutil.pid_exists(pid)} == engines
        await until(lambda: all(map(platform.pid, _CONTROL_PLANE)), within_s=60, what="the control plane runs again")
        await traffic.more(6)

    assert traffic.failures == []
    records = await ledger.settled(traffic.completed)
    assert {record["request_id"] for record in records} == set(traffic.request_ids)
    assert await ledger.missing() == 0
    await until(lambda: platform.engine_pids() == engines, within_s=60, what="the same engines are ready")


@pytest.mark.contract("A12")
async def test_engines_go_on_when_the_database_of_the_scheduler_is_lost(platform: Platform, ledger: Ledger) -> None:
    engines = platform.engine_pids()
    assert engines
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(3)
        with down(platform, "scheduler"):
            lost = list(platform.data_dir.rglob("scheduler.db*"))
            assert lost
            for file in lost:
                file.unlink()
        await until(lambda: platform.pid("scheduler"), within_s=60, what="the scheduler runs again")
        await until(
            lambda: platform.try_command("ps").returncode == 0 and platform.engine_pids() == engines,
            within_s=90,
            what="the same engines are in the new record",
        )
        await traffic.more(6)
    assert traffic.failures == []
    assert len(platform.replicas()) == len(engines)
    platform.command("deployments", "scale", DEMO, "2")
    await until(lambda: len(platform.engine_pids()) == 2, within_s=60, what="the new record can be worked with")
    platform.command("deployments", "scale", DEMO, "1")
    await until(lambda: len(platform.replicas()) == 1, within_s=60, what="one replica left")
