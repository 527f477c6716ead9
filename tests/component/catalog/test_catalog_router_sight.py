"""`/endpoint-states` and `/answer-cache`: asked of every router over the bus, and told to those who may see it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roundhouse_catalog.bus.routers import RouterSight
from roundhouse_common.auth import Role
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import CLEAR_ANSWERS, READ_ROUTER
from roundhouse_common.contracts.routers import (
    AnswersCleared,
    ClearAnswers,
    EndpointJudged,
    EndpointStanding,
    ReadRouter,
    RouterRead,
)
from roundhouse_common.runtime import SystemClock
from tests.component.catalog.world import World

pytestmark = pytest.mark.contract("D19", "D14")


class Router:
    """One that has seen some endpoints, and keeps some answers."""

    def __init__(self, router_id: str, *endpoints: EndpointJudged, answers: int = 0, is_shared: bool = False) -> None:
        self.router_id = router_id
        self.endpoints = endpoints
        self.answers = answers
        self.is_shared = is_shared
        self.asked: list[str] = []

    async def read(self, query: ReadRouter, _ids: tuple[str, ...]) -> RouterRead:
        self.asked.append(query.tenant_id)
        size = -1 if self.is_shared else 100 * self.answers
        return RouterRead(
            router_id=self.router_id,
            endpoints=self.endpoints,
            answers=self.answers,
            answer_bytes=size,
            is_shared=self.is_shared,
        )

    async def clear(self, query: ClearAnswers, _ids: tuple[str, ...]) -> AnswersCleared:
        self.asked.append(query.tenant_id)
        cleared, self.answers = self.answers, 0
        error = "the store of the answers is away" if cleared < 0 else ""
        return AnswersCleared(router_id=self.router_id, answers=max(0, cleared), error=error)


@asynccontextmanager
async def fleet(world: World, *routers: Router) -> AsyncIterator[None]:
    broker = MemoryBroker(SystemClock())
    buses = [MemoryBus(broker, Service.ROUTER, clock=SystemClock()) for _ in routers]
    asker = MemoryBus(broker, Service.CATALOG, clock=SystemClock())
    for bus in (*buses, asker):
        await bus.connect()
    for bus, router in zip(buses, routers, strict=True):
        await bus.serve(READ_ROUTER, router.read)
        await bus.serve(CLEAR_ANSWERS, router.clear)
    world.sight = RouterSight(asker, timeout_s=2.0, quiet_s=0.05)
    try:
        yield
    finally:
        for bus in (*buses, asker):
            await bus.close()


def ejected(deployment_id: str, endpoint_id: str = "rep_1", **stated: object) -> EndpointJudged:
    fields = {"standing": EndpointStanding.EJECTED, "reason": "status-503", "left_s": 8.0, "ejections": 2, **stated}
    return EndpointJudged(endpoint_id=endpoint_id, deployment_id=deployment_id, **fields)  # type: ignore[arg-type]  # named fields


async def test_what_routers_pass_over_is_listed_with_why_and_until_when(sqlite_world: World) -> None:
    world = sqlite_world
    await world.model()
    made = await world.deployment()
    probing = ejected(made["id"], "rep_2", standing=EndpointStanding.PROBING, left_s=0.0)
    async with fleet(world, Router("rtr_1", ejected(made["id"]), probing), Router("rtr_2")):
        told = (await world.get("/endpoint-states")).json()
    assert told["routers"] == ["rtr_1", "rtr_2"]
    first, second = told["items"]
    assert (first["router_id"], first["name"], first["state"], first["reason"], first["ejections"]) == (
        "rtr_1",
        made["name"],
        "ejected",
        "status-503",
        2,
    )
    assert first["until"] is not None
    assert (second["state"], second["until"]) == ("probing", None)


async def test_endpoints_of_others_are_not_told(sqlite_world: World) -> None:
    world = sqlite_world
    await world.model()
    made = await world.deployment()
    async with fleet(world, Router("rtr_1", ejected("dep_of_another_tenant"), ejected(made["id"], "rep_2"))):
        told = (await world.get("/endpoint-states")).json()
        headers = {"authorization": f"Bearer {world.token(Role.USER)}"}
        refused = await world.http.get("/api/v1/endpoint-states", headers=headers)
    assert [one["endpoint_id"] for one in told["items"]] == ["rep_2"]
    assert refused.status_code == 403


async def test_answers_are_summed_over_routers_that_keep_their_own(sqlite_world: World) -> None:
    async with fleet(sqlite_world, Router("rtr_1", answers=2), Router("rtr_2", answers=3)):
        told = (await sqlite_world.get("/answer-cache")).json()
    assert told == {"answers": 5, "size_bytes": 500, "is_shared": False, "routers": ["rtr_1", "rtr_2"]}


async def test_answers_that_routers_share_count_once(sqlite_world: World) -> None:
    routers = [Router(f"rtr_{number}", answers=7, is_shared=True) for number in (1, 2)]
    async with fleet(sqlite_world, *routers):
        told = (await sqlite_world.get("/answer-cache")).json()
    assert (told["answers"], told["size_bytes"], told["is_shared"]) == (7, None, True)


async def test_a_store_that_is_away_is_said_so(sqlite_world: World) -> None:
    async with fleet(sqlite_world, Router("rtr_1", answers=-1, is_shared=True)):
        assert (await sqlite_world.get("/answer-cache")).json()["answers"] is None
        cleared = (await sqlite_world.post("/answer-cache:clear")).json()
    assert cleared == {"answers": 0, "failed": ["rtr_1"]}


async def test_the_callers_tenants_answers_are_forgotten_by_all_and_that_is_audited(sqlite_world: World) -> None:
    routers = [Router("rtr_1", answers=2), Router("rtr_2", answers=1)]
    async with fleet(sqlite_world, *routers):
        cleared = (await sqlite_world.post("/answer-cache:clear")).json()
    assert cleared == {"answers": 3, "failed": []}
    assert {tenant for router in routers for tenant in router.asked} == {"ten_default"}
    entries = (await sqlite_world.get("/audit")).json()["items"]
    assert any("answers forgotten: 3" in str(one) for one in entries)


async def test_without_a_router_it_is_said_so(sqlite_world: World) -> None:
    for answer in (await sqlite_world.get("/endpoint-states"), await sqlite_world.post("/answer-cache:clear")):
        assert answer.status_code == 503
