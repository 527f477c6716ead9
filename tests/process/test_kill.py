"""kill -9 of each process in turn, under continuous streaming traffic."""

import os
import signal

import pytest

from roundhouse_cli.rest import Services
from tests.process.ledger import Ledger
from tests.process.platform import DEMO, Platform, until
from tests.process.traffic import Traffic
from tests.support.eventually import eventually

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.contract("F02", "F04")
@pytest.mark.parametrize("service", ["nats", "catalog", "scheduler", "metering"])
async def test_killing_a_control_plane_service_fails_no_request_and_loses_no_record(
    platform: Platform, ledger: Ledger, service: str
) -> None:
    engines = platform.engine_pids()
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(4)
        await platform.kill(service)
        await traffic.more(8)

    assert traffic.failures == []
    records = await ledger.settled(traffic.completed)
    assert len(records) == traffic.completed
    assert {record["request_id"] for record in records} == set(traffic.request_ids)
    assert sum(record["output_tokens"] for record in records) == traffic.output_tokens
    await until(lambda: platform.engine_pids() == engines, within_s=30, what="the same engines are ready")


@pytest.mark.contract("A12")
async def test_engines_outlive_their_node_agent_and_are_adopted(platform: Platform, ledger: Ledger) -> None:
    engines = platform.engine_pids()
    assert engines
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(3)
        await platform.kill("node-agent")
        await traffic.more(6)
        await until(
            lambda: platform.engine_pids() == engines and platform.nodes()[0]["state"] == "ready",
            within_s=30,
            what="the same engines under the new agent",
        )
        await traffic.more(3)

    assert traffic.failures == []
    await ledger.settled(traffic.completed)
    await until(lambda: is_reconciled(platform, traffic.output_tokens), within_s=60, what="the ledger as engines count")


def _demo_id(services: Services) -> str:
    (found,) = (one["id"] for one in services.catalog.items("/api/v1/deployments") if one["name"] == DEMO)
    demo: str = found
    return demo


def is_reconciled(platform: Platform, least: int) -> bool:
    """Whether the ledger agrees with what the demo's engines counted, which is not little. Other tests' engines on this
    platform may be of kinds that count nothing."""
    found = platform.ask(
        lambda services: services.metering.get(
            "/api/v1/reconciliation/engines", until="2999-01-01T00:00:00Z", deployment_id=_demo_id(services)
        )
    )
    states = {row["state"] for row in found["items"]}
    totals = found["totals"]["output"]
    return totals is not None and totals["counted"] >= least and states <= {"equal", "within-tolerance", "explained"}


@pytest.mark.contract("A12", "B02")
async def test_a_killed_engine_is_ready_again_with_the_reason_on_its_timeline(platform: Platform) -> None:
    (before,) = platform.engine_pids()

    os.kill(before, signal.SIGKILL)

    await until(lambda: platform.engine_pids() - {before}, within_s=20, what="a new engine is ready")
    events = platform.json("deployments", "events", DEMO)
    failed = [event for event in events if event["after"] == "failed"]
    assert failed, f"no failure on the timeline: {events}"
    assert failed[-1]["reason"] == "engine-exited"
    assert "SIGKILL" in failed[-1]["detail"]


@pytest.mark.contract("F01", "F04")
async def test_a_killed_router_loses_no_finished_request(platform: Platform, ledger: Ledger) -> None:
    async with Traffic(platform.connection["router_url"], ledger.secret) as traffic:
        await traffic.more(4)
        await platform.kill("router")
        traffic.failures.clear()
        await traffic.more(4)

    records = await ledger.settled(traffic.completed)
    by_id = {record["request_id"]: record for record in records}
    assert len(by_id) == len(records)
    assert {by_id[request_id]["outcome"] for request_id in traffic.request_ids} == {"completed"}
    cut_off = [record for record in records if record["request_id"] not in set(traffic.request_ids)]
    assert {record["outcome"] for record in cut_off} <= {"aborted"}

    async def nothing_is_missing() -> bool:
        return await ledger.missing() == 0

    await eventually(nothing_is_missing, why="the router's next life tells of what it had admitted")
