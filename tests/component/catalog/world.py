"""A catalog in process: a real database, the real application, and a clock and ids that tests rule."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from roundhouse_catalog.api.app import build_app
from roundhouse_catalog.api.context import Catalog, RequestLogs, Routers, Uploads
from roundhouse_catalog.api.logins import LoginRules
from roundhouse_catalog.bus.publications import Publications
from roundhouse_catalog.bus.routers import RouterSight
from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.errors import RoutersAway, SchedulerAway
from roundhouse_catalog.domain.request_logs import LogLevel
from roundhouse_catalog.domain.sessions import SessionRules
from roundhouse_catalog.domain.signing_keys import KeyRules
from roundhouse_catalog.domain.version_states import States
from roundhouse_catalog.login_parts import LoginParts, build_logins
from roundhouse_catalog.store import audit as audit_store
from roundhouse_catalog.store import tables, tenants
from roundhouse_catalog.store.upload_disk import UploadDisk
from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.passwords import Passwords
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.models import ModelInspected
from roundhouse_common.contracts.request_log import ReadRequestLog, RequestLogPart
from roundhouse_common.contracts.routers import AnswersCleared, RouterRead
from roundhouse_common.contracts.scheduler import VersionState
from roundhouse_common.database import Database, OutboxRelay
from roundhouse_common.http.audit import Audit
from roundhouse_common.http.idempotency import Idempotency
from roundhouse_common.runtime import SystemIds, UnixTime
from roundhouse_common.secret_box import SecretFile, new_secrets_key
from tests.support.kept_apps import kept_app

__all__ = ["API", "ManualClock", "World", "a_world", "deployment_body", "model_body", "on_the_bus", "running"]

API = "/api/v1"
GIB = 1024**3


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_795_000_000.0

    def now(self) -> UnixTime:
        return UnixTime(self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(kw_only=True)
class World:
    """Everything a test of the REST API touches. `wakes` counts how often the publishers were hurried."""

    db: Database
    clock: ManualClock
    signer: TokenSigner
    verifier: TokenVerifier
    disk: UploadDisk
    uploads_dir: Path
    http: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)
    secrets: SecretFile
    login_parts: LoginParts
    wakes: int = 0
    wakers: list[Callable[[], None]] = field(default_factory=list)
    publications: Publications | None = None
    states: dict[str, VersionState] = field(default_factory=dict)
    """What the scheduler says, by version id."""
    files: dict[str, ModelInspected] = field(default_factory=dict)
    """What nodes find, by the uri of the source."""
    inspections: int = 0
    scheduler_is_away: bool = False
    read_routers: Callable[[ReadRequestLog], Awaitable[list[RequestLogPart]]] | None = None
    """Put in the place of asking routers; None: there are none."""
    sight: RouterSight | None = None
    """Put in the place of asking routers about themselves; None: there are none."""
    ask: Callable[[Deployment], Awaitable[States]] | None = None
    """Put in the place of asking the scheduler."""

    async def asked(self, deployment: Deployment) -> States:
        return await (self.ask or self.version_states)(deployment)

    async def read_request_log(self, query: ReadRequestLog) -> list[RequestLogPart]:
        if self.read_routers is None:
            raise RoutersAway("nobody answers")
        return await self.read_routers(query)

    async def read_router_sight(self, tenant_id: str) -> list[RouterRead]:
        if self.sight is None:
            raise RoutersAway("nobody answers")
        return await self.sight.read(tenant_id)

    async def clear_answers(self, tenant_id: str) -> list[AnswersCleared]:
        if self.sight is None:
            raise RoutersAway("nobody answers")
        return await self.sight.clear(tenant_id)

    async def version_states(self, _deployment: Deployment) -> States:
        if self.scheduler_is_away:
            raise SchedulerAway("nobody answers")
        return self.states

    async def inspect(self, source: ModelSource) -> ModelInspected:
        self.inspections += 1
        if self.scheduler_is_away:
            raise SchedulerAway("nobody answers")
        return self.files.get(source.uri, ModelInspected(error="no node has the files"))

    def wake(self) -> None:
        self.wakes += 1
        for waker in self.wakers:
            waker()

    async def rebuild(self) -> dict[str, int]:
        assert self.publications is not None, "this test needs `on_the_bus`"
        return await self.publications.rebuild()

    def token(self, *roles: Role, tenant_id: str = tenants.DEFAULT_TENANT_ID) -> str:
        subject = Subject(id="usr_test", tenant_id=tenant_id, roles=frozenset(roles), platform_roles=frozenset(roles))
        return self.signer.sign(subject, 3600)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(API + path, json=body, headers=named)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(API + path, params=params)

    async def patch(self, path: str, body: Any, *, if_match: str | None = "*") -> httpx.Response:
        headers = {} if if_match is None else {"if-match": if_match}
        return await self.http.patch(API + path, json=body, headers=headers)

    async def delete(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.delete(API + path, headers=named)

    async def model(self, **changes: Any) -> dict[str, Any]:
        """Add a model and return it."""
        return created(await self.post("/models", model_body(**changes)))

    async def deployment(self, **changes: Any) -> dict[str, Any]:
        """Create a deployment of a model that is there, and return it."""
        return created(await self.post("/deployments", deployment_body(**changes)))


def created(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


def model_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "smol",
        "kind": "chat",
        "source": {"kind": "path", "uri": "/models/smol.gguf"},
        "memory_bytes": GIB,
        "is_published": True,
        **changes,
    }


def deployment_body(**changes: Any) -> dict[str, Any]:
    return {"name": "smol-a", "model": "smol", **changes}


@asynccontextmanager
async def running(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run the loops until the block ends."""
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def on_the_bus(world: World, broker: MemoryBroker, *, turns: bool = True) -> AsyncIterator[None]:
    """Run the publishers and the outbox of a catalog process on a connection of its own, until the block ends.

    Where they do not turn, they write only when they are asked to rebuild everything."""
    bus = MemoryBus(broker, Service.CATALOG, clock=world.clock)
    await bus.connect()
    publications = Publications(world.db, bus)
    relay = OutboxRelay(world.db, bus, tables.outbox, world.clock)
    world.publications, world.wakers = publications, [publications.wake, relay.wake]
    loops = [
        publications.specs.run,
        publications.keys.run,
        publications.routes.run,
        publications.limits.run,
        publications.providers.run,
        publications.tenants.run,
        relay.run,
    ]
    try:
        async with running(*loops if turns else ()):
            yield
    finally:
        await bus.close()
        world.publications, world.wakers = None, []


def secrets_key(uploads_dir: Path) -> Path:
    """Write a file with one key beside the uploads, unless it is there, and return its path."""
    path = uploads_dir.with_name("secrets.keys")
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(new_secrets_key(secrets.token_bytes) + "\n", encoding="utf-8")
    return path


@asynccontextmanager
async def a_world(
    url: str, uploads_dir: Path, *, request_logs_most: LogLevel = LogLevel.BODIES, **limits: Any
) -> AsyncIterator[World]:
    """Seed the catalog of a migrated database, and open a client that calls it as an administrator."""
    clock = ManualClock()
    private, public = generate_keypair()
    async with Database(url, service="catalog") as db:
        async with db.write() as session:
            await tenants.seed(session, now=clock.now())
        signer = TokenSigner(private, clock=clock)
        disk = UploadDisk(uploads_dir)
        verifier = TokenVerifier(public, clock=clock)
        sealing = SecretFile(secrets_key(uploads_dir), setting="ROUNDHOUSE_CATALOG_SECRETS_KEY_FILE")
        audit = Audit(Service.CATALOG, db, audit_store.record, clock=clock, ids=SystemIds(), wake=lambda: None)
        login_parts = build_logins(
            db,
            verifier,
            Passwords(memory_kib=8, passes=1),
            sealing=sealing,
            clock=clock,
            ids=SystemIds(),
            audit=audit,
            rules=LoginRules(sessions=SessionRules(), keys=KeyRules()),
            publish=lambda: None,
            public_url=lambda: "http://catalog",
        )
        world = World(
            login_parts=login_parts,
            db=db,
            clock=clock,
            signer=signer,
            verifier=verifier,
            disk=disk,
            uploads_dir=uploads_dir,
            secrets=sealing,
        )
        kept = {"most_bytes": GIB, "most_open": 3, "headroom_bytes": 0, "expiry_s": 86_400.0, "idle_s": 10.0, **limits}
        catalog = Catalog(
            db=db,
            idempotency=Idempotency(db, tables.idempotency, clock),
            clock=clock,
            ids=SystemIds(),
            secret_bytes=secrets.token_bytes,
            wake=world.wake,
            rebuild=world.rebuild,
            version_states=world.asked,
            uploads=Uploads(disk=disk, public_url=lambda: "http://catalog", **kept),
            inspect=world.inspect,
            secrets=world.secrets,
            request_logs=RequestLogs(most=request_logs_most, read=world.read_request_log),
            routers=Routers(read=world.read_router_sight, clear=world.clear_answers),
            provider_timeout_s=2.0,
            audit=audit,
            logins=login_parts.logins,
        )
        headers = {"authorization": f"Bearer {world.token(Role.ADMINISTRATOR)}"}
        with kept_app(build_app, catalog, world.verifier) as app:
            transport = httpx.ASGITransport(app=app)
            client = httpx.AsyncClient(transport=transport, base_url="http://catalog", headers=headers)
            async with disk.opened(), client as http:
                world.http = http
                yield world
