"""Scaling under traffic."""

import pytest

from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, until
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.contract("A05", "B07", "B08")
async def test_scaling_to_three_and_back_under_traffic_fails_no_request(platform: Platform, ledger: Ledger) -> None:
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(3)
        platform.command("deployments", "scale", DEMO, "3")
        await until(lambda: len(platform.engine_pids()) == 3, within_s=60, what="three ready replicas")
        assert all(replica["reason"] for replica in platform.replicas())
        await traffic.more(10)
        platform.command("deployments", "scale", DEMO, "1")
        await until(lambda: len(platform.replicas()) == 1, within_s=60, what="one replica left")
        await traffic.more(5)

    assert traffic.failures == []
    records = await ledger.settled(traffic.completed)
    assert len(records) == traffic.completed
    assert len({record["replica_id"] for record in records}) == 3
