"""The composition root of the catalog: everything is constructed here and nowhere else."""

import ipaddress
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from roundhouse_catalog.api.app import build_app
from roundhouse_catalog.api.context import Catalog, RequestLogs, Routers, Uploads
from roundhouse_catalog.api.logins import LoginRules
from roundhouse_catalog.bus.audit import audit_consumers
from roundhouse_catalog.bus.identity import IdentityPublications
from roundhouse_catalog.bus.publications import Publications
from roundhouse_catalog.bus.questions import Questions
from roundhouse_catalog.bus.request_logs import RequestLogs as RoutersLogs
from roundhouse_catalog.bus.rollbacks import DURABLE, Rollbacks
from roundhouse_catalog.bus.routers import RouterSight
from roundhouse_catalog.login_parts import build_logins
from roundhouse_catalog.loops.identity import sweep_logins
from roundhouse_catalog.loops.sweep import sweep_idempotency_keys, sweep_uploads
from roundhouse_catalog.settings import CatalogSettings
from roundhouse_catalog.store import audit as audit_store
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.tenants import seed
from roundhouse_catalog.store.upload_disk import UploadDisk
from roundhouse_common.auth.passwords import Passwords
from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.bus.connected import connected
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.contracts.registry import AUDIT, VERSION_FAILED
from roundhouse_common.database import Database, OutboxRelay
from roundhouse_common.http.audit import Audit
from roundhouse_common.http.idempotency import Idempotency
from roundhouse_common.runtime import Clock, Ids, SystemClock, SystemIds, system_random
from roundhouse_common.secret_box import SecretFile
from roundhouse_common.service import Service, load_settings
from roundhouse_common.service.settings import EXIT_BAD_SETTINGS

__all__ = ["build", "main", "opened"]

_NAME = "catalog"
_MIGRATIONS = "roundhouse_catalog.migrations"
_SWEEP_EVERY_S = 3600.0


def main() -> int:
    """Run the service until it is stopped and return its exit code."""
    settings = load_settings(CatalogSettings)
    clock = SystemClock()
    try:
        verifier = TokenVerifier.from_setting(settings.token_public_key_file, service=_NAME, clock=clock)
    except (OSError, ValueError) as error:
        print(f"catalog: {error}", file=sys.stderr)  # noqa: T201 - logging is not configured before the service runs
        return EXIT_BAD_SETTINGS
    return build(settings, clock=clock, ids=SystemIds(), verifier=verifier).run()


def build(settings: CatalogSettings, *, clock: Clock, ids: Ids, verifier: TokenVerifier) -> Service:
    """Return the service; nothing is opened yet.

    It is ready without NATS: what is written then waits in SQL, and the publishers catch up.
    """
    service = Service(_NAME, settings, clock=clock, rng=system_random())
    db = Database(settings.database_url, service=_NAME)
    bus = NatsBus(
        ServiceName.CATALOG,
        url=settings.nats_url,
        seed_file=settings.nats_seed_file,
        instance=settings.instance,
        clock=clock,
        ids=ids,
        registry=service.registry,
    )
    publications = Publications(db, bus, request_logs_most=settings.request_logs)
    identity = IdentityPublications(db, bus, clock, settings.session_rules())
    relay = OutboxRelay(db, bus, tables.outbox, clock)
    idempotency = Idempotency(db, tables.idempotency, clock)

    def wake() -> None:
        publications.wake()
        relay.wake()

    async def rebuild() -> dict[str, int]:
        return {**await publications.rebuild(), **await identity.rebuild()}

    sealing = SecretFile(settings.secrets_key_file, setting="ROUNDHOUSE_CATALOG_SECRETS_KEY_FILE")

    def people_changed() -> None:
        identity.wake()
        publications.keys.wake()  # theirs may be refused from now on, or no more

    audit = Audit(ServiceName.CATALOG, db, audit_store.record, clock=clock, ids=ids, wake=relay.wake)
    logins = build_logins(
        db,
        verifier,
        Passwords(memory_kib=settings.password_memory_kib, passes=settings.password_passes),
        sealing=sealing,
        clock=clock,
        ids=ids,
        audit=audit,
        rules=LoginRules(
            sessions=settings.session_rules(),
            keys=settings.key_rules(),
            first_password_file=settings.first_password_file,
            redirects=tuple(settings.login_redirects),
        ),
        publish=people_changed,
        public_url=lambda: settings.public_url or own_url(settings.host, service.port),
    )

    questions = Questions(bus)
    rollbacks = bus.consumer(VERSION_FAILED, DURABLE, Rollbacks(db, clock=clock, ids=ids, wake=wake))
    disk = UploadDisk(settings.uploads_dir or settings.state_dir / "uploads")
    sweep = partial(sweep_uploads, db, disk, clock, expiry_s=settings.upload_expiry_s, every_s=_SWEEP_EVERY_S)
    service.resource("database", opened(db, clock))
    service.resource("uploads", disk.opened())
    service.resource("bus", connected(bus))
    service.loop("publish specs", publications.specs.run)
    service.loop("publish keys", publications.keys.run)
    service.loop("publish routes", publications.routes.run)
    service.loop("publish providers", publications.providers.run)
    service.loop("publish limits", publications.limits.run)
    service.loop("publish tenants", publications.tenants.run)
    for name, run in identity.loops().items():
        service.loop(name, run)
    service.loop("identity", logins.run)
    service.loop("login sweep", partial(sweep_logins, db, clock, every_s=_SWEEP_EVERY_S))
    service.loop("outbox", relay.run)
    service.loop("rollbacks", rollbacks.run)
    entries = audit_consumers(bus, db)
    for contract, consumer in zip(AUDIT.values(), entries, strict=True):
        service.loop(f"audit of {contract.owner}", consumer.run)
    service.loop("idempotency sweep", partial(sweep_idempotency_keys, idempotency, every_s=_SWEEP_EVERY_S))
    service.loop("upload sweep", sweep)
    service.before_stop("outbox", relay.flush_before_stop)
    sight = RouterSight(bus)
    catalog = Catalog(
        db=db,
        idempotency=idempotency,
        clock=clock,
        ids=ids,
        secret_bytes=secrets.token_bytes,
        wake=wake,
        rebuild=rebuild,
        version_states=questions.version_states,
        uploads=Uploads(
            disk=disk,
            public_url=lambda: settings.public_url or own_url(settings.host, service.port),
            most_bytes=settings.upload_most_bytes,
            most_open=settings.upload_most_open,
            headroom_bytes=settings.upload_headroom_bytes,
            expiry_s=settings.upload_expiry_s,
            idle_s=settings.upload_idle_s,
        ),
        inspect=questions.inspect,
        secrets=sealing,
        request_logs=RequestLogs(most=settings.request_logs, read=RoutersLogs(bus).read),
        routers=Routers(read=sight.read, clear=sight.clear),
        audit=audit,
        logins=logins.logins,
        provider_timeout_s=settings.provider_timeout_s,
    )
    service.http(build_app(catalog, verifier, consumers=[rollbacks, *entries], proxies=settings.proxies()))
    return service


def own_url(host: str, port: int) -> str:
    """Return where programs on this machine reach the service."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


@asynccontextmanager
async def opened(db: Database, clock: Clock) -> AsyncIterator[None]:
    """Open the database, with the newest tables, the default tenant and its administrator in it."""
    await db.migrate(_MIGRATIONS)
    async with db:
        async with db.write() as session:
            await seed(session, now=clock.now())
        yield
