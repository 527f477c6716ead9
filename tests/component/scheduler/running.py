"""A scheduler without a process: the core on a memory bus, with its REST API and whoever speaks to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.database import Database
from roundhouse_common.http.audit import Audit, to_outbox
from roundhouse_common.http.idempotency import Idempotency
from roundhouse_common.runtime import SystemClock, SystemIds, system_random
from roundhouse_scheduler.api.app import create_scheduler_app
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.store import tables
from tests.support.kept_apps import kept_app

__all__ = ["Running", "running", "who"]


@dataclass(frozen=True, kw_only=True)
class Running:
    """One scheduler; nothing of it turns by itself: a test calls `core.planner.step()`."""

    broker: MemoryBroker
    bus: MemoryBus
    core: SchedulerCore
    db: Database
    http: httpx.AsyncClient
    signer: TokenSigner

    async def get(self, path: str, *, subject: Subject | None = None, **query: Any) -> httpx.Response:
        return await self.http.get(f"/api/v1{path}", params=query, headers=self.headers(subject))

    async def post(self, path: str, body: Any = None, *, subject: Subject | None = None) -> httpx.Response:
        return await self.http.post(f"/api/v1{path}", json=body, headers=self.headers(subject))

    async def patch(self, path: str, body: Any, *, if_match: str = "*") -> httpx.Response:
        return await self.http.patch(f"/api/v1{path}", json=body, headers=self.headers() | {"if-match": if_match})

    async def delete(self, path: str) -> httpx.Response:
        return await self.http.delete(f"/api/v1{path}", headers=self.headers())

    def headers(self, subject: Subject | None = None) -> dict[str, str]:
        """Return credentials, by default an administrator's."""
        return {"authorization": f"Bearer {self.signer.sign(subject or who(), 60)}"}

    @asynccontextmanager
    async def node(self, node_id: str) -> AsyncIterator[MemoryBus]:
        """Connect to the bus as the agent of a node."""
        bus = MemoryBus(self.broker, Service.NODE_AGENT, clock=SystemClock(), node_id=node_id)
        await bus.connect()
        try:
            yield bus
        finally:
            await bus.close()


def who(tenant_id: str = "ten_default", role: Role = Role.ADMINISTRATOR) -> Subject:
    return Subject(id="usr_admin", tenant_id=tenant_id, roles=frozenset({role}), platform_roles=frozenset({role}))


@asynccontextmanager
async def running(db: Database) -> AsyncIterator[Running]:
    """Start one on an open database."""
    clock = SystemClock()
    broker = MemoryBroker(clock)
    bus = MemoryBus(broker, Service.SCHEDULER, clock=clock)
    await bus.connect()
    core = SchedulerCore(
        db=db,
        bus=bus,
        clock=clock,
        ids=SystemIds(),
        rng=system_random(),
        rules=Rules(),
        registry=CollectorRegistry(),
    )
    await core.start()
    core.specs._take({})  # what their loops do when they turn: nothing is told yet
    core.reports._take({})
    private, public = generate_keypair()
    seen = Scheduler(
        db=db,
        bus=bus,
        rules=core.rules,
        load_of=core.hearing.load_of,
        wake=core.wake,
        stores=core.stores.current,
        live=core.preparing.live,
        wake_orders=core.provisioning.everything,
        idempotency=Idempotency(db, tables.idempotency, clock),
        clock=clock,
        ids=SystemIds(),
        log_timeout_s=2.0,
    )
    verifier = TokenVerifier(public, clock=clock)
    consumers = [core.changes]
    audit = Audit(
        Service.SCHEDULER, db, to_outbox(Service.SCHEDULER), clock=clock, ids=SystemIds(), wake=core.relay.wake
    )
    with kept_app(
        create_scheduler_app, seen, consumers=consumers, rebuild=core.rebuild_bus, verifier=verifier, audit=audit
    ) as app:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
            yield Running(broker=broker, bus=bus, core=core, db=db, http=http, signer=TokenSigner(private, clock=clock))
    await bus.close()
