"""The routing table follows its buckets and its snapshot, those of older routers too."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import LIMITS, PROVIDERS, ROUTES
from roundhouse_common.contracts.routing import LimitRecord, ProviderRecord, RouteRecord
from roundhouse_common.runtime import SystemClock
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.store.snapshot import SavedTable, load_table, save_table
from tests.support.choosing import provider
from tests.support.eventually import eventually
from tests.support.nats import NatsServer
from tests.support.running_router import api_key, deployment_endpoints, route


def limit(limit_id: str = "lim_1", **changed: object) -> LimitRecord:
    return LimitRecord(**{"limit_id": limit_id, "name": limit_id, "requests_per_minute": 5, **changed})  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def following(bus: Bus, saved: SavedTable | None = None) -> AsyncIterator[ControlPlane]:
    plane = ControlPlane(bus, SystemClock(), saved, on_endpoints=lambda table: None)
    tasks = [asyncio.ensure_future(run()) for _, run in plane.loops]
    try:
        yield plane
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def buses() -> AsyncIterator[tuple[MemoryBus, MemoryBus]]:
    broker = MemoryBroker(SystemClock())
    names = (Service.CATALOG, Service.SCHEDULER, Service.ROUTER)
    found = [MemoryBus(broker, name, clock=SystemClock()) for name in names]
    async with contextlib.AsyncExitStack() as stack:
        for bus in found:
            await bus.connect()
            stack.push_async_callback(bus.close)
        yield found[0], found[2]


async def test_providers_and_limits_are_followed_and_their_tombstones_end_them() -> None:
    async with buses() as (catalog, router), following(router) as plane:
        await eventually(lambda: plane.table.is_known)

        async def put(record: ProviderRecord | LimitRecord) -> None:
            if isinstance(record, ProviderRecord):
                await catalog.bucket(PROVIDERS).put(record.provider_id, record)
            else:
                await catalog.bucket(LIMITS).put(record.limit_id, record)

        await put(provider())
        await put(limit("lim_2"))
        await put(limit("lim_1"))
        await eventually(lambda: plane.table.providers == {"prv_1": provider()})
        await eventually(lambda: plane.table.limits == (limit("lim_1"), limit("lim_2")))
        limits = plane.table.limits
        await put(provider(is_deleted=True))
        await eventually(lambda: not plane.table.providers)
        assert plane.table.limits is limits, "the same object until a limit changes"
        await put(limit("lim_1", is_deleted=True))
        await eventually(lambda: plane.table.limits == (limit("lim_2"),))


async def test_nothing_is_known_before_all_buckets_were_heard_of() -> None:
    async with buses() as (_, router):
        plane = ControlPlane(router, SystemClock(), None, on_endpoints=lambda table: None)
        loops = dict(plane.loops)
        assert set(loops) == {"keys", "routes", "endpoints", "providers", "limits", "prices", "budgets", "tenants"}
        tasks = [asyncio.ensure_future(run()) for name, run in loops.items() if name != "limits"]
        await asyncio.wait_for(plane.changed(), 20)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not plane.table.is_known, "requests before the limits are known would not be bounded"
        tasks.append(asyncio.ensure_future(loops["limits"]()))
        await eventually(lambda: plane.table.is_known)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_was_saved_is_what_a_later_start_knows(tmp_path: Path) -> None:
    async with buses() as (catalog, router):
        async with following(router) as plane:
            for one in (provider("prv_2", is_deleted=True), provider()):
                await catalog.bucket(PROVIDERS).put(one.provider_id, one)
            for bound in (limit("lim_2", is_deleted=True), limit()):
                await catalog.bucket(LIMITS).put(bound.limit_id, bound)
            await eventually(lambda: plane.table.providers and plane.table.limits and plane.table.is_known)
            save_table(tmp_path, plane.to_save())
        table = ControlPlane(router, SystemClock(), load_table(tmp_path), on_endpoints=lambda table: None).table
        assert table.is_known
        assert (dict(table.providers), table.limits) == ({"prv_1": provider()}, (limit(),))


def test_a_snapshot_of_an_older_router_is_read(tmp_path: Path) -> None:
    saved = SavedTable(
        saved_at=1.0,
        keys={"key_1": api_key()},
        routes={"rte_1": route()},
        endpoints={"dep_1": deployment_endpoints()},
    )
    save_table(tmp_path, saved)
    path = tmp_path / "snapshot.json"
    document = json.loads(path.read_bytes())
    for name in ("providers", "limits"):
        del document[name]
    for name in ("alias_of", "balancing", "fallbacks", "queue"):
        document["routes"]["rte_1"].pop(name, None)
    path.write_text(json.dumps(document))
    assert load_table(tmp_path) == saved


async def test_a_change_is_in_force_on_every_router_within_a_second(nats_server: NatsServer) -> None:
    def bus(name: Service) -> NatsBus:
        return NatsBus(name, url=nats_server.url, seed_file=nats_server.seed_file(name), clock=SystemClock())

    async with contextlib.AsyncExitStack() as stack:
        found = [bus(name) for name in (Service.CATALOG, Service.SCHEDULER, Service.ROUTER, Service.ROUTER)]
        for one in found:
            await one.connect()
            stack.push_async_callback(one.close)
        planes = [await stack.enter_async_context(following(one)) for one in found[2:]]
        await eventually(lambda: all(plane.table.is_known for plane in planes))
        took_s = []  # what else runs on the machine only ever adds
        for number in range(3):
            changed = route(is_coalesced=number % 2 == 0, created_at=float(number))
            await found[0].bucket(ROUTES).put(changed.route_id, changed)
            await found[0].bucket(LIMITS).put("lim_1", limit(requests_per_minute=number))
            began = SystemClock().monotonic()
            await eventually(lambda: all(_is_in_force(plane, changed, number) for plane in planes))  # noqa: B023 - awaited here
            took_s.append(SystemClock().monotonic() - began)
        assert min(took_s) < 1.0


def _is_in_force(plane: ControlPlane, changed: RouteRecord, requests_per_minute: int) -> bool:
    limits = (limit(requests_per_minute=requests_per_minute),)
    return plane.table.routes.get(("ten_default", "tiny")) == changed and plane.table.limits == limits
