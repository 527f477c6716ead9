"""Two tenants side by side: everything in the other one has the word `zebra` in its name."""

from typing import Any

from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.bus.api import Delivery
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.bus.replicas import ReplicaRecorder
from roundhouse_metering.store.ledger import enter
from roundhouse_scheduler.store import tables as scheduler_tables
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from tests.component.access.worlds import Platform
from tests.component.catalog.directory import acting, new_person, new_tenant
from tests.component.scheduler.test_scheduler_store import a_spec
from tests.support.metering import transition
from tests.support.prices import price
from tests.support.scheduler import a_replica
from tests.support.usage import NOON, UsageRecords

__all__ = ["MARK", "OURS", "everybody", "made", "neighbour"]

OURS = "ten_default"
MARK = "zebra"


def everybody(tenant_id: str = OURS, user_id: str = "usr_test") -> Subject:
    """Return who has every role in a tenant, and none on the platform."""
    return Subject(id=user_id, tenant_id=tenant_id, roles=frozenset(Role))


async def made(platform: Platform, path: str, body: Any) -> dict[str, Any]:
    answer = await platform.catalog.post(path, body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def neighbour(platform: Platform, mark: str = MARK) -> dict[str, str]:
    """Make a tenant and fill it; return the ids by the names that paths have for them."""
    world = platform.catalog
    tenant_id = await new_tenant(world, f"{mark} incorporated")
    person = await new_person(world, f"{mark}@example.org", tenant_id, display_name=mark, roles=["administrator"])
    async with acting(world, person, tenant_id):
        ids = await _in_the_catalog(platform, mark)
    ids |= {"tenant_id": tenant_id, "user_id": person, "replica_id": f"rep_{tenant_id[-6:]}"}
    await _in_the_scheduler(platform, ids, mark)
    return ids | await _in_metering(platform, ids, mark)


async def _in_the_catalog(platform: Platform, mark: str) -> dict[str, str]:
    model = await made(platform, "/models", {
        "name": f"{mark}-model", "kind": "chat", "source": {"kind": "path", "uri": f"/models/{mark}.gguf"},
        "memory_bytes": 1024, "is_published": True,
    })  # fmt: skip
    file = {"path": f"{mark}.gguf", "size": 3, "sha256": "0" * 64}
    return {
        "model_id": model["id"],
        "deployment_id": (await made(platform, "/deployments", {"name": f"{mark}-chat", "model": f"{mark}-model"}))[
            "id"
        ],
        "number": "1",
        "key_id": (await made(platform, "/api-keys", {"name": f"{mark} key"}))["id"],
        "token_id": (await made(platform, "/tokens", {"name": f"{mark} token"}))["id"],
        "limit_id": (await made(platform, "/limits", {"name": f"{mark} limit", "requests_per_minute": 5}))["id"],
        "upload_id": (await made(platform, "/uploads", {"files": [file]}))["id"],
        "path": f"{mark}.gguf",
        "project_id": (await made(platform, "/projects", {"name": f"{mark} project"}))["id"],
        "role_id": (await made(platform, "/roles", {"name": f"{mark} role", "actions": ["logs:read"]}))["id"],
        "account_id": (await made(platform, "/service-accounts", {"name": f"{mark} bot"}))["id"],
        "template": (await made(platform, "/templates", {"name": f"{mark}-template"}))["name"],
        "provider_id": (
            await made(
                platform,
                "/providers",
                {
                    "name": f"{mark}-provider",
                    "format": "openai",
                    "base_url": "http://127.0.0.1:9/v1",
                    "keys": [{"secret": "sk-abcdefgh1234", "name": f"{mark}-provider-key"}],
                },
            )
        )["id"],
        "route_id": next(one["id"] for one in (await platform.catalog.get("/routes")).json()["items"]),
    }


async def _in_the_scheduler(platform: Platform, ids: dict[str, str], mark: str) -> None:
    of_deployment: dict[str, Any] = {"deployment_id": ids["deployment_id"]}
    async with platform.services["scheduler"].db.write() as session:
        await take_specs(session, [a_spec(**of_deployment, tenant_id=ids["tenant_id"], name=f"{mark}-chat")], at=1.0)
        replica = a_replica(ids["replica_id"], **of_deployment, detail=f"{mark} starts")
        await add(session, scheduler_tables.replicas, replica)


async def _in_metering(platform: Platform, ids: dict[str, str], mark: str) -> dict[str, str]:
    """Enter three requests and a replica's time, and make a budget."""
    served = platform.services["metering"]
    of_replica = {name: ids[name] for name in ("tenant_id", "deployment_id", "replica_id")}
    recorder = ReplicaRecorder(served.db, registry=CollectorRegistry())
    started = transition(1.0, Phase.PENDING, Phase.READY, node_id=f"nod_{mark}", **of_replica)
    await recorder([Delivery(message=started, event_id=f"evt_{mark}", subject="", stream_sequence=1, deliveries=1)])
    named = {name: f"{mark}-{name}" for name in ("model_requested", "model_served", "device_class", "region")}
    one = UsageRecords(router_id=f"{mark}-router")
    who = {name: ids[name] for name in ("key_id", "user_id", "project_id", "route_id")}
    records = [one.next(admitted_at=NOON + second, **of_replica, **who, **named) for second in range(3)]
    async with served.db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=PriceTable([price()]))
    body = {"name": f"{mark} budget", "scope": "tenant", "scope_id": ids["tenant_id"], "amount": 5}
    insider = everybody(ids["tenant_id"], ids["user_id"])
    headers = {"authorization": f"Bearer {served.signer.sign(insider, 3600)}"}
    budget = await served.http.post("/api/v1/budgets", json=body, headers=headers)
    assert budget.status_code == 201, budget.text
    return {"budget_id": budget.json()["id"]}
