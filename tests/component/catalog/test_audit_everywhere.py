"""Every service's writes reach the audit: by their handlers, or by the last look at each request."""

import asyncio
from collections.abc import Callable, Sequence

import httpx
import pytest
from fastapi import Depends, FastAPI

from roundhouse_catalog.api.app import UNAUDITED as CATALOG_UNAUDITED
from roundhouse_catalog.bus.audit import audit_consumers
from roundhouse_common.auth import Role, Subject
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.identity import AuditOutcome, AuditRecord
from roundhouse_common.contracts.registry import AUDIT
from roundhouse_common.http import create_app, requires
from roundhouse_common.http.trail import Trail
from roundhouse_metering.api.app import UNAUDITED as METERING_UNAUDITED
from roundhouse_metering.main import openapi as metering_document
from roundhouse_scheduler.api.app import UNAUDITED as SCHEDULER_UNAUDITED
from roundhouse_scheduler.main import openapi as scheduler_document
from tests.component.catalog.world import World, running
from tests.support.eventually import eventually

WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))
CHANGE_NOTHING = {
    "catalog": {
        "check_oidc_provider",
        "check_provider",
        "exchange_token",
        "preview_route",
        "redeem_login_code",
        "refresh_session",
        "send_file",
        "take_provider_logout",
        "validate_deployment",
    },
    "metering": {"preview_price"},
    "scheduler": {"dry_run"},
}
"""Nothing else may go by the audit."""


class Noted:
    """An audit that keeps what it is told at the end of requests."""

    def __init__(self) -> None:
        self.finished: list[tuple[str, str, str, int]] = []

    async def enter(self, session: object, **change: object) -> None:
        raise AssertionError("these endpoints forget it")

    async def finish(self, trail: Trail, status: int) -> None:
        actor = trail.subject.actor if trail.subject else ""
        self.finished.append((actor, trail.action, trail.object_id, status))


@pytest.mark.contract("E05")
def test_only_what_changes_nothing_goes_by_the_audit() -> None:
    assert CHANGE_NOTHING["catalog"] >= CATALOG_UNAUDITED
    assert set(METERING_UNAUDITED) == CHANGE_NOTHING["metering"]
    assert set(SCHEDULER_UNAUDITED) == CHANGE_NOTHING["scheduler"]


def test_the_exceptions_are_operations_that_there_are() -> None:
    for document, names in ((metering_document(), METERING_UNAUDITED), (scheduler_document(), SCHEDULER_UNAUDITED)):
        operations = [one["operationId"] for path in document["paths"].values() for one in path.values()]
        for name in names:
            assert any(operation.startswith(f"{name}_api") for operation in operations), name


@pytest.mark.contract("E05")
async def test_whatever_an_endpoint_forgets_is_entered_at_the_end(world: World) -> None:
    noted = Noted()
    app = create_app("T", "1", world.verifier, audit=noted, unaudited=frozenset(["check_thing"]))
    add_forgetful(app)
    headers = {"authorization": f"Bearer {world.token(Role.ADMINISTRATOR)}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers=headers) as http:
        for method, path in (("PUT", "/things/7"), ("POST", "/things/7:check"), ("GET", "/things/7"), ("POST", "/no")):
            await http.request(method, path)
        await http.put("/things/7", headers={"authorization": "Bearer x"})
    assert noted.finished == [("user:usr_test", "thing.change", "7", 200), ("", "thing.change", "7", 401)]


def add_forgetful(app: FastAPI) -> None:
    """Add endpoints that enter nothing by themselves."""

    @app.put("/things/{thing_id}")
    @app.get("/things/{thing_id}", name="show_thing")
    async def change_thing(thing_id: str, subject: Subject = Depends(requires("models:write"))) -> str:
        return thing_id + subject.id

    @app.post("/things/{thing_id}:check")
    async def check_thing(thing_id: str) -> str:
        return thing_id


async def test_the_catalogs_write_endpoints_are_watched(world: World) -> None:
    transport = world.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    app = transport.app
    assert isinstance(app, FastAPI)
    paths = app.openapi()["paths"].values()
    writes = {one["operationId"] for path in paths for method, one in path.items() if method.upper() in WRITES}
    assert writes >= CATALOG_UNAUDITED
    [middleware] = [one for one in app.user_middleware if one.kwargs.get("audit") is not None]
    assert middleware.kwargs["unaudited"] == CATALOG_UNAUDITED


@pytest.mark.contract("E05")
async def test_what_other_services_tell_is_entered_once(world: World) -> None:
    broker = MemoryBroker(world.clock)
    catalog, scheduler = (MemoryBus(broker, name, clock=world.clock) for name in (Service.CATALOG, Service.SCHEDULER))
    await catalog.connect()
    await scheduler.connect()
    drained = AuditRecord(
        record_id="aud_1",
        at=world.clock.now(),
        service="scheduler",
        actor="user:usr_o",
        tenant_id="ten_default",
        action="node.drain",
        object_kind="node",
        object_id="nod_1",
        outcome=AuditOutcome.DONE,
    )
    runs: Sequence[Callable[[], object]] = [one.run for one in audit_consumers(catalog, world.db)]
    async with running(*runs):  # type: ignore[arg-type]  # loops that never return
        for event_id in ("aud_1", "again"):
            await scheduler.append(AUDIT[Service.SCHEDULER], drained, "aud_1", event_id=event_id)

        async def entered() -> bool:
            return bool((await world.get("/audit")).json()["items"])

        await eventually(entered)
        await asyncio.sleep(0)
    [entry] = (await world.get("/audit")).json()["items"]
    assert (entry["action"], entry["service"], entry["object_id"]) == ("node.drain", "scheduler", "nod_1")
    for bus in (catalog, scheduler):
        await bus.close()
