"""Calling the REST API of metering in process."""

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
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_metering.api.app import create_metering_app
from roundhouse_metering.bus.event_stream import EventStream
from roundhouse_metering.bus.publications import Publications
from roundhouse_metering.loops.webhooks import WebhookSender
from tests.support.kept_apps import kept_app

__all__ = ["CLOCK", "WEBHOOK_KEY", "Caller", "metering_api", "who"]

CLOCK = SystemClock()
WEBHOOK_KEY = b"k" * 32


@dataclass(frozen=True)
class Caller:
    """Calls the API as an administrator of ten_default, or as whom it is told."""

    http: httpx.AsyncClient
    signer: TokenSigner

    async def get(
        self, path: str, query: dict[str, str] | None = None, *, subject: Subject | None = None
    ) -> httpx.Response:
        return await self.http.get(f"/api/v1{path}", params=query, headers=self.headers(subject))

    async def post(self, path: str, *, subject: Subject | None = None) -> httpx.Response:
        return await self.http.post(f"/api/v1{path}", headers=self.headers(subject))

    async def send(
        self, method: str, path: str, body: Any = None, *, subject: Subject | None = None, if_match: str = ""
    ) -> httpx.Response:
        """Send JSON. Any: whatever JSON can be."""
        headers = self.headers(subject) | ({"if-match": if_match} if if_match else {})
        return await self.http.request(method, f"/api/v1{path}", json=body, headers=headers)

    def headers(self, subject: Subject | None = None) -> dict[str, str]:
        return {"authorization": f"Bearer {self.signer.sign(subject or who(), 60)}"}


def who(tenant_id: str = "ten_default", role: Role = Role.ADMINISTRATOR) -> Subject:
    return Subject(id="usr_admin", tenant_id=tenant_id, roles=frozenset({role}), platform_roles=frozenset({role}))


@asynccontextmanager
async def metering_api(db: Database, broker: MemoryBroker) -> AsyncIterator[Caller]:
    """Serve the API on a database and a bus in memory."""
    private, public = generate_keypair()
    bus = MemoryBus(broker, Service.METERING, clock=CLOCK)
    await bus.connect()
    with kept_app(
        create_metering_app,
        db,
        bus,
        consumers=[],
        verifier=TokenVerifier(public, clock=CLOCK),
        clock=CLOCK,
        rebuild_timeout_s=0.2,
        publications=Publications(db, bus, CLOCK, every_s=0.05),
        webhook_sender=WebhookSender(WEBHOOK_KEY, may_be_private=True, clock=CLOCK),
        audit=Audit(Service.METERING, db, to_outbox(Service.METERING), clock=CLOCK, ids=SystemIds(), wake=lambda: None),
        event_stream=EventStream(db, bus, clock=CLOCK, registry=CollectorRegistry()),
    ) as app:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://metering") as http:
            yield Caller(http, TokenSigner(private, clock=CLOCK))
    await bus.close()
