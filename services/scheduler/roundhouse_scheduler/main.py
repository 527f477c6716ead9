"""The composition root of the scheduler: everything is constructed here and nowhere else."""

import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from roundhouse_common.auth.following import token_loops
from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.connected import connected
from roundhouse_common.bus.nats_accounts import NatsAccounts
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.client_address import Proxies
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.database import Database
from roundhouse_common.http.audit import Audit, to_outbox
from roundhouse_common.http.idempotency import Idempotency
from roundhouse_common.nats_auth.authority import NodeAuthority
from roundhouse_common.runtime import Clock, SystemClock, SystemIds, system_random
from roundhouse_common.service import Service, load_settings
from roundhouse_common.service.settings import EXIT_BAD_SETTINGS
from roundhouse_scheduler.api.app import create_scheduler_app
from roundhouse_scheduler.api.attempts import Attempts
from roundhouse_scheduler.api.joining import Joining
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.core import SchedulerCore
from roundhouse_scheduler.holder import holder_name, is_gone
from roundhouse_scheduler.loops.credentials import CredentialKeeper
from roundhouse_scheduler.loops.housekeeping import sweep
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.settings import SchedulerSettings
from roundhouse_scheduler.store import tables

__all__ = ["build", "main", "openapi"]

_NAME = "scheduler"
_MIGRATIONS = "roundhouse_scheduler.migrations"


def main() -> int:
    """Run the service until it is stopped and return its exit code."""
    settings = load_settings(SchedulerSettings)
    clock = SystemClock()
    try:
        verifier = TokenVerifier.from_setting(settings.token_public_key_file, service=_NAME, clock=clock)
    except (OSError, ValueError) as error:
        print(f"scheduler: {error}", file=sys.stderr)  # noqa: T201 - logging is not configured before the service runs
        return EXIT_BAD_SETTINGS
    return build(settings, clock=clock, verifier=verifier).run()


def build(settings: SchedulerSettings, *, clock: Clock, verifier: TokenVerifier) -> Service:
    """Return the service; nothing is opened yet."""
    service = Service(_NAME, settings, clock=clock, rng=system_random())
    db = Database(settings.database_url, service=_NAME)
    bus = NatsBus(
        ServiceName.SCHEDULER,
        url=settings.nats_url,
        seed_file=settings.nats_seed_file,
        instance=settings.instance,
        clock=clock,
        registry=service.registry,
    )
    core = SchedulerCore(
        db=db,
        bus=bus,
        clock=clock,
        ids=SystemIds(),
        rng=system_random(),
        rules=settings.rules(),
        registry=service.registry,
        retention=settings.retention(),
        holder=holder_name(settings.instance, os.getpid()),
        lease_rules=settings.lease_rules(),
        is_gone=is_gone,
    )
    service.resource("database", db.migrated(_MIGRATIONS))
    service.resource("bus", connected(bus))
    service.resource("answers", _started(core))
    for name, loop in {**core.loops(), **token_loops(bus, verifier)}.items():
        service.loop(name, loop)
    service.loop("idempotency", partial(sweep, Idempotency(db, tables.idempotency, clock).sweep))
    service.before_stop("leadership", core.stop)
    service.shows("leadership", lambda: "leader" if core.leadership.is_leading else "standby")
    service.ready_when("bus", lambda: None if bus.is_connected else "no connection to NATS")
    service.ready_when("specs", lambda: None if core.specs.has_synced else "the specs were not read yet")
    authority, waker = settings.authority(), Waker()
    if authority is not None:
        accounts = NatsAccounts(settings.nats_url, authority.publisher, account=authority.account)
        service.loop("credentials", CredentialKeeper(db, accounts, authority, clock=clock, waker=waker).run)
    write = to_outbox(ServiceName.SCHEDULER)
    audit = Audit(ServiceName.SCHEDULER, db, write, clock=clock, ids=SystemIds(), wake=core.relay.wake)
    joining = _joining(settings, db, clock, authority, waker)
    service.http(_app(db, bus, core, verifier, joining, audit=audit, proxies=settings.proxies()))
    return service


def _joining(
    settings: SchedulerSettings, db: Database, clock: Clock, authority: NodeAuthority | None, waker: Waker
) -> Joining:
    return Joining(
        db=db,
        clock=clock,
        ids=SystemIds(),
        secret_bytes=secrets.token_bytes,
        authority=authority,
        nats_url=settings.node_nats_url or settings.nats_url,
        approval=settings.approve_nodes,
        attempts=Attempts(clock, per_minute=settings.join_failures_per_minute),
        wake=waker.wake,
    )


def openapi() -> dict[str, Any]:  # Any: a JSON document
    """Return the OpenAPI document. Nothing is opened: the parts are only there to be described."""
    clock = SystemClock()
    db = Database("sqlite+aiosqlite:///unopened.db", service=_NAME)
    bus = NatsBus(ServiceName.SCHEDULER, url="nats://127.0.0.1:4222", seed_file=None, instance=_NAME, clock=clock)
    settings = SchedulerSettings.model_construct()
    rules = settings.rules()
    core = SchedulerCore(
        db=db,
        bus=bus,
        clock=clock,
        ids=SystemIds(),
        rng=system_random(),
        rules=rules,
        registry=CollectorRegistry(),
    )
    joining = _joining(settings, db, clock, None, Waker())
    return _app(db, bus, core, TokenVerifier(generate_keypair()[1], clock=clock), joining).openapi()


def _app(
    db: Database,
    bus: Bus,
    core: SchedulerCore,
    verifier: TokenVerifier,
    joining: Joining,
    *,
    audit: Audit | None = None,
    proxies: Proxies = Proxies(),
) -> FastAPI:
    seen = Scheduler(
        db=db,
        bus=bus,
        rules=core.rules,
        load_of=core.hearing.load_of,
        wake=core.wake,
        stores=core.stores.current,
        live=core.preparing.live,
        wake_orders=core.provisioning.everything,
        idempotency=Idempotency(db, tables.idempotency, SystemClock()),
        clock=SystemClock(),
        ids=SystemIds(),
    )
    return create_scheduler_app(
        seen,
        consumers=[core.changes],
        rebuild=core.rebuild_bus,
        verifier=verifier,
        joining=joining,
        audit=audit,
        proxies=proxies,
    )


@asynccontextmanager
async def _started(core: SchedulerCore) -> AsyncIterator[None]:
    await core.start()
    yield
