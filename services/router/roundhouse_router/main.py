"""The composition root of the router: everything is constructed here and nowhere else."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.runtime import Clock, Ids, SystemClock, SystemIds, system_random
from roundhouse_common.service import Service, configure_logging, load_settings
from roundhouse_common.service.service import EXIT_START_FAILED
from roundhouse_router.api.app import RouterApp
from roundhouse_router.api.attempts import Attempts
from roundhouse_router.api.holding import Holding
from roundhouse_router.api.inference import Inference
from roundhouse_router.api.upstream import Upstream
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.balancing import Resting, RoundRobin
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.loops.demand import DemandTeller
from roundhouse_router.loops.publisher import UsagePublisher
from roundhouse_router.loops.snapshots import SnapshotSaver
from roundhouse_router.loops.spooling import SpoolKeeper
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.snapshot import load_table
from roundhouse_router.store.spool import Spool, SpoolLimits

__all__ = ["build", "limits_of", "main"]

_NAME = "router"
_CONNECT_WAIT_S = 0.5
"""Requests can be served from the snapshot, so the start does not wait long for a bus that is away."""


def main() -> int:
    """Run the service until it is stopped and return its exit code."""
    settings = load_settings(RouterSettings)
    configure_logging(service=_NAME, instance=settings.instance, level=settings.log_level, style=settings.log_format)
    clock, ids = SystemClock(), SystemIds()
    try:
        spool = Spool.open(settings.state_dir / "spool", limits=limits_of(settings), clock=clock, ids=ids)
        service = build(settings, spool, clock=clock, ids=ids)
    except OSError as error:
        print(f"router: cannot use {settings.state_dir}: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return EXIT_START_FAILED
    return service.run()


def build(settings: RouterSettings, spool: Spool, *, clock: Clock, ids: Ids, bus: Bus | None = None) -> Service:
    """Return the service; nothing is opened yet. Tests give a bus of their own. Raises OSError."""
    rng = system_random()
    service = Service(_NAME, settings, clock=clock, rng=rng)
    bus = bus or NatsBus(
        ServiceName.ROUTER,
        url=settings.nats_url,
        seed_file=settings.nats_seed_file,
        instance=settings.instance,
        clock=clock,
        ids=ids,
        connect_wait_s=_CONNECT_WAIT_S,
        registry=service.registry,
    )
    metrics = RouterMetrics(service.registry)
    metrics.watch_spool(spool)
    control_plane = ControlPlane(
        bus,
        clock,
        load_table(settings.state_dir),
        on_endpoints=lambda table: metrics.know_endpoints(table.deployments.values()),
    )
    publisher = UsagePublisher(bus, spool, settings, clock, metrics)
    saver = SnapshotSaver(control_plane, settings, metrics)
    keeper = SpoolKeeper(spool, sync_s=settings.spool_sync_s, acknowledged=lambda: publisher.acknowledged)
    upstream = Upstream(settings)
    resting = Resting(settings.failure_rest_s)
    ledger = DemandLedger()
    teller = DemandTeller(
        bus,
        ledger,
        clock,
        router_id=spool.router_id,
        incarnation=ids.new("inc"),
        interval_s=settings.demand_interval_s,
    )
    holding = Holding(
        control_plane=control_plane,
        ledger=ledger,
        want=teller.want,
        is_stopping=lambda: service.is_stopping,
        settings=settings,
        clock=clock,
        metrics=metrics,
    )
    attempts = Attempts(
        control_plane=control_plane,
        upstream=upstream,
        balancer=RoundRobin(resting),
        resting=resting,
        holding=holding,
        ledger=ledger,
        draw=rng.random,
        settings=settings,
        clock=clock,
        metrics=metrics,
    )
    inference = Inference(
        control_plane=control_plane, attempts=attempts, spool=spool, settings=settings, clock=clock, metrics=metrics
    )
    service.resource("spool", _closed_at_end(spool))
    service.resource("bus", _connected(bus, publisher))
    service.resource("upstream", upstream)
    for name, run in control_plane.loops:
        service.loop(f"follow {name}", run)
    service.loop("save snapshot", saver.run)
    service.loop("sync spool", keeper.run)
    service.loop("publish usage", publisher.run)
    service.loop("tell demand", teller.tell)
    service.loop("ask for replicas", teller.ask)
    service.before_stop("publish usage", publisher.flush)
    service.before_stop("save snapshot", saver.save_now)
    service.ready_when("snapshot", lambda: None if control_plane.table.is_known else "nothing was heard yet")
    service.http(RouterApp(control_plane=control_plane, inference=inference, clock=clock, ids=ids, metrics=metrics))
    return service


def limits_of(settings: RouterSettings) -> SpoolLimits:
    """Return the spool's bounds as the settings have them."""
    return SpoolLimits(
        segment_bytes=settings.spool_segment_bytes,
        segment_age_s=settings.spool_segment_age_s,
        retain_s=settings.spool_retain_s,
        retain_bytes=settings.spool_retain_bytes,
    )


@asynccontextmanager
async def _closed_at_end(spool: Spool) -> AsyncIterator[None]:
    try:
        yield
    finally:
        spool.close()


@asynccontextmanager
async def _connected(bus: Bus, publisher: UsagePublisher) -> AsyncIterator[None]:
    await bus.connect()
    await publisher.serve()
    try:
        yield
    finally:
        await bus.close()
