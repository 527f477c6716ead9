"""The buckets are the record's shadow: they follow it, and come back from it when they are lost."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from roundhouse_common.bus.api import BusUnavailable, Delivery
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentChanged, DeploymentDesired, DeploymentSpec, ModelKind
from roundhouse_common.contracts.registry import DEPLOYMENT_CHANGED, KEYS, LIMITS, ROUTES, SPECS
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitDimension, LimitRecord, RouteMatch, RouteRecord
from tests.component.catalog.world import World, created, on_the_bus, running
from tests.support.eventually import eventually


class Others:
    """What the scheduler and a router find on the bus."""

    def __init__(self, broker: MemoryBroker, world: World) -> None:
        self.scheduler = MemoryBus(broker, Service.SCHEDULER, clock=world.clock)
        self.router = MemoryBus(broker, Service.ROUTER, clock=world.clock)

    async def specs(self) -> dict[str, DeploymentSpec]:
        return {key: entry.value for key, entry in (await self.scheduler.bucket(SPECS).list()).items()}

    async def keys(self) -> dict[str, ApiKeyRecord]:
        return {key: entry.value for key, entry in (await self.router.bucket(KEYS).list()).items()}

    async def routes(self) -> list[RouteRecord]:
        return [entry.value for entry in (await self.router.bucket(ROUTES).list()).values()]

    async def everything(self) -> tuple[Any, Any, Any]:
        """Return all three buckets, or nothings while they are not there."""
        try:
            return await self.specs(), await self.keys(), await self.routes()
        except BusUnavailable:
            return {}, {}, []

    async def until(self, is_true: Callable[[dict[str, DeploymentSpec]], bool]) -> dict[str, DeploymentSpec]:
        async def look() -> dict[str, DeploymentSpec] | None:
            specs = await self.specs()
            return specs if is_true(specs) else None

        found = await eventually(look)
        assert found is not None
        return found


@asynccontextmanager
async def others_on(broker: MemoryBroker, world: World) -> AsyncIterator[Others]:
    others = Others(broker, world)
    await others.scheduler.connect()
    await others.router.connect()
    try:
        yield others
    finally:
        await others.scheduler.close()
        await others.router.close()


@pytest.fixture
def broker(world: World) -> MemoryBroker:
    return MemoryBroker(world.clock)


async def fill(world: World) -> tuple[str, str]:
    """Make a deployment and a key; return their ids."""
    await world.model()
    deployment = await world.deployment()
    key = (await world.post("/api-keys", {"name": "laptop"})).json()
    return deployment["id"], key["id"]


async def test_a_write_reaches_the_buckets(world: World, broker: MemoryBroker) -> None:
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        deployment_id, key_id = await fill(world)
        specs = await others.until(lambda specs: deployment_id in specs)
        spec = specs[deployment_id]
        assert (spec.name, spec.desired, spec.replicas, spec.generation) == ("smol-a", DeploymentDesired.RUN, 1, 1)
        await world.patch(f"/deployments/{deployment_id}", {"replicas": 3})
        await others.until(lambda specs: (specs[deployment_id].replicas, specs[deployment_id].generation) == (3, 2))
        keys = await eventually(others.keys)
        assert keys[key_id].name == "laptop"
        [route] = await eventually(others.routes)
        assert (route.name, route.model_kind, route.targets[0].deployment_id) == (
            "smol-a",
            ModelKind.CHAT,
            deployment_id,
        )


async def test_what_is_deleted_stays_as_a_tombstone(world: World, broker: MemoryBroker) -> None:
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        deployment_id, key_id = await fill(world)
        await world.post(f"/deployments/{deployment_id}:stop")
        await world.delete(f"/deployments/{deployment_id}")
        await world.delete(f"/api-keys/{key_id}")
        await others.until(lambda specs: specs[deployment_id].desired is DeploymentDesired.DELETE)

        async def is_told() -> bool:
            return (await others.keys())[key_id].is_revoked and (await others.routes())[0].is_deleted

        await eventually(is_told)


@pytest.mark.contract("D08")
async def test_routes_and_limits_reach_routers_with_all_their_settings(world: World, broker: MemoryBroker) -> None:
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        deployment_id, key_id = await fill(world)
        targets = [{"deployment_id": deployment_id, "match": {"header": "x-beta"}}, {"deployment_id": deployment_id}]
        shared = {"name": "gpt-*", "is_platform": True, "targets": targets, "cache": {"ttl_s": 60}, "key_ids": [key_id]}
        made = created(await world.post("/routes", shared))
        bounded = created(await world.post("/limits", {"name": "x", "per": ["key"], "requests_per_day": 0}))
        limits = others.router.bucket(LIMITS)

        async def told() -> tuple[RouteRecord, LimitRecord] | None:
            routes = {route.route_id: route for route in await others.routes()}
            found = await limits.list()
            both = made["id"] in routes and bounded["id"] in found
            return (routes[made["id"]], found[bounded["id"]].value) if both else None

        pair = await eventually(told)
        assert pair is not None
        route, limit = pair
        assert (route.tenant_id, route.cache.ttl_s, route.key_ids) == ("", 60.0, (key_id,))
        assert route.targets[0].match == RouteMatch(header="x-beta")
        assert (limit.per, limit.requests_per_day, limit.tokens_per_day) == ((LimitDimension.KEY,), 0, None)

        await world.delete(f"/routes/{made['id']}")
        await world.delete(f"/limits/{bounded['id']}")

        async def is_buried() -> bool:
            pair = await told()
            return pair is not None and pair[0].is_deleted and pair[1].is_deleted

        await eventually(is_buried)


async def test_rebuilding_restores_wiped_buckets(world: World, broker: MemoryBroker) -> None:
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        await fill(world)

        async def is_complete() -> bool:
            return all(await others.everything())

        await eventually(is_complete)
        before = await others.everything()
        broker.wipe()
        assert await others.everything() == ({}, {}, [])
        answer = await world.post("/bus:rebuild")
        written = {"specs": 1, "keys": 1, "routes": 1, "providers": 0, "limits": 0, "tenants": 1}
        assert answer.json() == {"written": written}
        assert await others.everything() == before


async def test_a_restart_with_an_empty_bus_publishes_everything_again(world: World, broker: MemoryBroker) -> None:
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        await fill(world)

        async def is_complete() -> bool:
            return all(await others.everything())

        await eventually(is_complete)
        before = await others.everything()
    empty = MemoryBroker(world.clock)
    async with on_the_bus(world, empty), others_on(empty, world) as others:

        async def is_restored() -> bool:
            return await others.everything() == before

        await eventually(is_restored)


async def test_writes_go_on_without_the_bus_and_arrive_when_it_is_back(world: World, broker: MemoryBroker) -> None:
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        broker.stop()
        deployment_id, _ = await fill(world)
        await world.patch(f"/deployments/{deployment_id}", {"replicas": 2})
        refused = await world.post("/bus:rebuild")
        assert (refused.status_code, refused.json()["code"]) == (503, "bus_unavailable")
        broker.start()

        async def is_published() -> bool:
            specs, _, _ = await others.everything()
            return deployment_id in specs and specs[deployment_id].generation == 2

        await eventually(is_published, within_s=15)


async def test_what_somebody_else_wrote_into_a_bucket_is_overwritten(world: World, broker: MemoryBroker) -> None:
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        deployment_id, _ = await fill(world)
        specs = await others.until(lambda specs: deployment_id in specs)
        intruder = MemoryBus(broker, Service.CATALOG, clock=world.clock)
        await intruder.connect()
        await intruder.bucket(SPECS).put(deployment_id, msgspec.structs.replace(specs[deployment_id], replicas=99))
        await others.until(lambda now: now == specs)
        await intruder.close()


@pytest.mark.contract("E05")
async def test_every_change_is_one_event_in_order_with_its_actor(world: World, broker: MemoryBroker) -> None:
    received: list[DeploymentChanged] = []

    async def handler(batch: Sequence[Delivery[DeploymentChanged]]) -> None:
        received.extend(delivery.message for delivery in batch)

    await world.model()
    deployment_id = (await world.deployment())["id"]  # nobody publishes yet: a crash right after the commit
    async with on_the_bus(world, broker), others_on(broker, world) as others:
        path = f"/deployments/{deployment_id}"
        await world.patch(path, {"replicas": 3})
        await world.patch(path, {"replicas": 3})
        await world.patch(path, {"replicas": 5000})
        await world.post(f"{path}/versions", {"parameters": {"parallel": "8"}})
        await world.post(f"{path}:stop", idempotency_key="one")
        await world.post(f"{path}:stop", idempotency_key="one")
        await world.delete(path)
        consumer = others.scheduler.consumer(DEPLOYMENT_CHANGED, "scheduler-timeline", handler)
        async with running(consumer.run):
            await eventually(lambda: len(received) == 5)
    assert [(event.generation, event.change, event.detail) for event in received] == [
        (1, "created", "model smol on llama.cpp, replicas 1"),
        (2, "scaled", "replicas 1 -> 3"),
        (3, "version_added", "version 1 -> 2: parameters"),
        (4, "stopped", "replicas 3 -> 0"),
        (5, "deleted", ""),
    ]
    assert {event.actor for event in received} == {"user:usr_test"}
