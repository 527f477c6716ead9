"""The REST applications of all services in one process, for callers of every kind."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from roundhouse_common.auth import Subject
from roundhouse_common.auth.tokens import TokenSigner
from roundhouse_common.bus.memory import MemoryBroker
from roundhouse_common.database import Database
from roundhouse_common.nats_auth.authority import Root
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_scheduler.api.attempts import Attempts
from roundhouse_scheduler.api.joining import Joining, joining_routes
from roundhouse_scheduler.domain.joining import Approval
from tests.component.catalog.world import World, a_world, on_the_bus
from tests.component.scheduler.running import running
from tests.support.access_routes import Endpoint, endpoints_of
from tests.support.databases import Migrate
from tests.support.metering_api import metering_api

__all__ = ["SERVICES", "Platform", "a_platform"]

SERVICES = ("catalog", "scheduler", "metering")


@dataclass(frozen=True, kw_only=True)
class Served:
    """One service's application, the database under it, and who signs its tokens."""

    app: FastAPI
    http: httpx.AsyncClient
    signer: TokenSigner
    db: Database


@dataclass(frozen=True, kw_only=True)
class Platform:
    """All services that have REST."""

    services: dict[str, Served]
    catalog: World

    def endpoints(self) -> list[Endpoint]:
        found = [one for name, served in self.services.items() for one in endpoints_of(name, served.app)]
        return sorted(found, key=lambda one: one.key)

    async def call(
        self,
        endpoint: Endpoint,
        subject: Subject | None,
        *,
        values: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: Any = None,  # Any: whatever JSON can be
    ) -> httpx.Response:
        """Ask as the subject, or without a token. What has a body gets an empty object unless it is stated."""
        served = self.services[endpoint.service]
        headers = {"if-match": "*", "authorization": ""}
        if subject is not None:
            headers["authorization"] = f"Bearer {served.signer.sign(subject, 3600)}"
        has_body = endpoint.method in ("POST", "PUT", "PATCH")
        url = endpoint.url(values or {})
        sent = ({} if body is None else body) if has_body else None
        return await served.http.request(endpoint.method, url, params=query, json=sent, headers=headers)


def _app(client: httpx.AsyncClient) -> FastAPI:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    return cast(FastAPI, transport.app)


def _joining(db: Database) -> Joining:
    """Return what lets nodes in, without a server that would be told."""
    clock = SystemClock()
    return Joining(
        db=db,
        clock=clock,
        ids=SystemIds(),
        secret_bytes=secrets.token_bytes,
        authority=Root.new(secrets.token_bytes).node_authority(at=1),
        nats_url="nats://10.0.0.5:8805",
        approval=Approval.AUTO,
        attempts=Attempts(clock, per_minute=1_000_000),
        wake=lambda: None,
    )


@asynccontextmanager
async def a_platform(
    directory: Path, migrated: Migrate, *, urls: Mapping[str, str] | None = None
) -> AsyncIterator[Platform]:
    """Open every service, on SQLite unless other databases are given by its name. Nothing turns by itself."""
    urls = urls or {name: f"sqlite+aiosqlite:///{directory}/{name}.db" for name in SERVICES}
    for name, url in urls.items():
        await migrated(url, name)
    async with AsyncExitStack() as stack:
        catalog = await stack.enter_async_context(a_world(urls["catalog"], directory / "uploads", most_open=100_000))
        await stack.enter_async_context(on_the_bus(catalog, MemoryBroker(SystemClock()), turns=False))
        scheduler_db = await stack.enter_async_context(Database(urls["scheduler"], service="scheduler"))
        scheduler = await stack.enter_async_context(running(scheduler_db))
        _app(scheduler.http).include_router(joining_routes(_joining(scheduler_db)))
        metering_db = await stack.enter_async_context(Database(urls["metering"], service="metering"))
        metering = await stack.enter_async_context(metering_api(metering_db, MemoryBroker(SystemClock())))
        yield Platform(
            catalog=catalog,
            services={
                "catalog": Served(app=_app(catalog.http), http=catalog.http, signer=catalog.signer, db=catalog.db),
                "scheduler": Served(
                    app=_app(scheduler.http), http=scheduler.http, signer=scheduler.signer, db=scheduler_db
                ),
                "metering": Served(app=_app(metering.http), http=metering.http, signer=metering.signer, db=metering_db),
            },
        )
