"""The composition root of the router: everything is constructed here and nowhere else."""

import os
import random
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from prometheus_client import Gauge

from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_common.runtime import Clock, Ids, SystemClock, SystemIds, system_random
from roundhouse_common.secret_box import SecretFile
from roundhouse_common.service import Service, configure_logging, get_logger, load_settings
from roundhouse_common.service.service import EXIT_START_FAILED
from roundhouse_common.service.settings import EXIT_BAD_SETTINGS
from roundhouse_router import compiled
from roundhouse_router.api.attempts import Attempts
from roundhouse_router.api.counting import TokenCounting
from roundhouse_router.api.entry import Entry
from roundhouse_router.api.fast_path import FastPath
from roundhouse_router.api.flight import Flight
from roundhouse_router.api.pipeline import Pipeline
from roundhouse_router.api.reusing import Reusing
from roundhouse_router.api.upstreams import Upstreams
from roundhouse_router.api.waiting import Waiting
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.bus.sight import SightDesk
from roundhouse_router.domain.choosing.chooser import Chooser
from roundhouse_router.domain.demand import DemandLedger
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.formats.anthropic import AnthropicFormat
from roundhouse_router.formats.ollama import OllamaFormat
from roundhouse_router.formats.openai import OpenAiFormat
from roundhouse_router.formats.predictions import Predictions
from roundhouse_router.formats.replicate import ReplicateFormat
from roundhouse_router.limits import (
    Limiter,
    ProcessLimiter,
)
from roundhouse_router.limits.assembly import install_limiter
from roundhouse_router.limits.routers import RouterCount
from roundhouse_router.loops.demand import DemandTeller
from roundhouse_router.loops.provider_keys import keep_provider_keys
from roundhouse_router.loops.publisher import UsagePublisher
from roundhouse_router.loops.snapshots import SnapshotSaver
from roundhouse_router.loops.spooling import SpoolKeeper
from roundhouse_router.loops.state_sharing import StateSharer
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.options import cache_salts_of, choosing_of, limits_of, reuse_limits_of, wire_limits_of
from roundhouse_router.providers.keys import ProviderKeys
from roundhouse_router.providers.metrics import ProviderKeyMetrics
from roundhouse_router.request_log.assembly import install_request_log
from roundhouse_router.reuse.assembly import Reuse, build_reuse
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.snapshot import load_newest
from roundhouse_router.store.spool import Spool
from roundhouse_router.wire.client import Client
from roundhouse_router.wire.server import WireListener
from roundhouse_router.workers.joining import join, own_settings
from roundhouse_router.workers.leftovers import Leftovers
from roundhouse_router.workers.parent import Parent

__all__ = ["build", "choosing_of", "limits_of", "main"]

_NAME = "router"
_OPEN_FILES = 1024 * 1024
_CONNECT_WAIT_S = 0.5
"""Requests can be served from the snapshot, so the start does not wait long for a bus that is away."""
_log = get_logger(__name__)


def main() -> int:
    """Run the service until it is stopped and return its exit code."""
    settings = load_settings(RouterSettings)
    configure_logging(service=_NAME, instance=settings.instance, level=settings.log_level, style=settings.log_format)
    clock, ids = SystemClock(), SystemIds()
    _allow_open_files()
    if settings.workers > 1 and not settings.redis_url:
        wanted = "set ROUNDHOUSE_ROUTER_REDIS_URL, where they count together, or ROUNDHOUSE_ROUTER_WORKERS=1"
        print(f"router: {settings.workers} workers would each count limits for themselves: {wanted}", file=sys.stderr)  # noqa: T201 - as below
        return EXIT_BAD_SETTINGS
    if settings.workers > 1 and settings.workers_dir is None:
        with tempfile.TemporaryDirectory(prefix="roundhouse-router-") as directory:
            return Parent(settings, clock=clock, environment=os.environ).run(directory)
    root, settings = settings.state_dir, own_settings(settings)
    try:
        spool = Spool.open(settings.state_dir / "spool", limits=limits_of(settings), clock=clock, ids=ids)
        service = build(settings, spool, clock=clock, ids=ids, root=root)
    except OSError as error:
        print(f"router: cannot use {settings.state_dir}: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return EXIT_START_FAILED
    _tell_what_runs()
    return service.run()


def _tell_what_runs() -> None:
    """Say whether the hot path is compiled, and why; a build that does not fit is something to do for a person."""
    found = compiled.verdict()
    tell = _log.warning if found.is_left_aside else _log.info
    tell("hot_path_chosen", compiled=found.is_compiled, reason=found.reason)


def _allow_open_files() -> None:
    """Take as many file descriptors as the system gives: each client holds one, each engine's connection another."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def build(
    settings: RouterSettings,
    spool: Spool,
    *,
    clock: Clock,
    ids: Ids,
    bus: Bus | None = None,
    root: Path | None = None,
) -> Service:
    """Return the service; nothing is opened yet. Tests give a bus of their own. Raises OSError.

    `root` is the state directory of the router whose worker this is; the worker's own is in the settings.
    """
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
    Gauge("roundhouse_router_compiled", "Whether the hot path runs compiled: 1 or 0", registry=service.registry).set(
        compiled.verdict().is_compiled
    )
    saved = load_newest(settings.state_dir, root or settings.state_dir)
    control_plane = ControlPlane(
        bus,
        clock,
        saved,
        proxies=settings.proxies(),
        on_endpoints=lambda table: metrics.know_endpoints(table.deployments.values()),
    )
    publisher = UsagePublisher(bus, spool, settings, clock, metrics)
    keeper = SpoolKeeper(spool, sync_s=settings.spool_sync_s, acknowledged=lambda: publisher.acknowledged)
    predictions = Predictions(clock)
    client = Client(idle_s=settings.upstream_keep_alive_s)
    sealing = SecretFile(settings.secrets_key_file, setting="ROUNDHOUSE_ROUTER_SECRETS_KEY_FILE")
    salts = cache_salts_of(settings, sealing, rng.randbytes)
    chooser = Chooser(choosing_of(settings), random.Random(rng.getrandbits(64)).random, salts)
    metrics.watch_chooser(chooser)
    incarnation = ids.new("inc")
    sharer = StateSharer(
        bus,
        chooser,
        clock,
        table=lambda: control_plane.table,
        router_id=spool.router_id,
        incarnation=incarnation,
        interval_s=settings.state_interval_s,
    )
    keys = ProviderKeys(sealing, ProviderKeyMetrics(service.registry))
    routers = RouterCount(sharer.live_routers, lambda: bus.is_connected, clock)
    limiter = install_limiter(service, settings, control_plane, clock, router_id=incarnation, routers=routers)
    budgets = limiter.budgets if isinstance(limiter, ProcessLimiter) else None
    if budgets is not None and saved is not None:
        budgets.restore(saved.spent)
    saver = SnapshotSaver(control_plane, settings, metrics, budgets.to_save if budgets is not None else dict)
    ledger = DemandLedger()
    teller = DemandTeller(
        bus,
        ledger,
        clock,
        router_id=spool.router_id,
        incarnation=incarnation,
        interval_s=settings.demand_interval_s,
    )
    waiting = Waiting(
        control_plane=control_plane,
        ledger=ledger,
        want=teller.want,
        is_stopping=lambda: service.is_stopping,
        settings=settings,
        clock=clock,
        metrics=metrics,
    )
    upstreams = Upstreams(client, keys, predictions, settings, clock)
    attempts = Attempts(
        control_plane=control_plane,
        upstreams=upstreams,
        formats=formats_of(clock),
        chooser=chooser,
        waiting=waiting,
        ledger=ledger,
        settings=settings,
        now=clock.monotonic,
        metrics=metrics,
    )
    reusables: Reuse[Flight] = build_reuse(
        reuse_limits_of(settings), clock, service.registry, redis_url=settings.redis_url
    )
    pipeline = Pipeline(
        control_plane=control_plane,
        attempts=attempts,
        chooser=chooser,
        freed=waiting.freed,
        limiter=limiter,
        reusing=Reusing(reusables, settings, clock),
        spool=spool,
        settings=settings,
        clock=clock,
        metrics=metrics,
        request_log=install_request_log(service, settings, clock, bus, control_plane, router_id=spool.router_id),
    )
    service.resource("spool", _closed_at_end(spool))
    service.resource("bus", _connected(bus, publisher))
    service.resource("other routers", sharer.subscribed())
    desk = SightDesk(bus, chooser, reusables.cache, clock, router_id=spool.router_id, table=lambda: control_plane.table)
    service.resource("questions about this router", desk.serving())
    service.resource("upstream", client)
    service.resource("predictions", predictions)
    service.resource("reuse", _closed(reusables))
    for name, run in reusables.loops:
        service.loop(name, run)
    for name, run in control_plane.loops:
        service.loop(f"follow {name}", run)
    service.loop("save snapshot", saver.run)
    service.loop("sync spool", keeper.run)
    service.loop("publish usage", publisher.run)
    service.loop("tell demand", teller.tell)
    service.loop("forget providers", partial(keep_provider_keys, keys, control_plane, clock))
    service.loop("share state", sharer.run)
    service.loop("ask for replicas", teller.ask)
    service.before_stop("publish usage", publisher.flush)
    service.before_stop("save snapshot", saver.save_now)
    service.ready_when("snapshot", lambda: None if control_plane.table.is_known else "nothing was heard yet")
    counting = TokenCounting(
        control_plane=control_plane,
        chooser=chooser,
        upstreams=upstreams,
        freed=waiting.freed,
        settings=settings,
        clock=clock,
        metrics=metrics,
    )
    entry = Entry(
        control_plane=control_plane, pipeline=pipeline, counting=counting, clock=clock, ids=ids, metrics=metrics
    )
    fast_path = _fast_path(
        service, pipeline, attempts, chooser, upstreams, ledger, limiter, control_plane, settings, clock, ids, metrics
    )
    if settings.worker == 0:
        leftovers = Leftovers(
            bus, settings, settings.state_dir, limits_of(settings), service.registry, clock=clock, ids=ids
        )
        service.loop("publish leftovers", leftovers.run)
    peers = join(service, settings, clock)
    service.listen_with(
        lambda ops, reserved: WireListener(
            entry,
            service.guarded(peers.over(ops) if peers else ops),
            reserved,
            drain_timeout_s=settings.drain_timeout_s,
            clock=clock,
            limits=wire_limits_of(settings),
            registry=service.registry,
            taker=fast_path,
        ),
        is_shared=peers is not None,
        is_guarded_there=True,  # the workers ask each other without it, through sockets of their own
    )
    return service


def _fast_path(
    service: Service,
    pipeline: Pipeline,
    attempts: Attempts,
    chooser: Chooser,
    upstreams: Upstreams,
    ledger: DemandLedger,
    limiter: Limiter,
    control_plane: ControlPlane,
    settings: RouterSettings,
    clock: Clock,
    ids: Ids,
    metrics: RouterMetrics,
) -> FastPath | None:
    """Return what answers common requests without a task; None where they are logged, traced or counted on Redis."""
    if not isinstance(limiter, ProcessLimiter) or settings.request_log != "off" or settings.otlp_endpoint:
        return None
    path = FastPath(
        control_plane=control_plane,
        pipeline=pipeline,
        attempts=attempts,
        chooser=chooser,
        upstreams=upstreams,
        ledger=ledger,
        decide=limiter.decide,
        settings=settings,
        clock=clock,
        ids=ids,
        metrics=metrics,
    )
    service.loop("hand over late streams", path.run)
    return path


def formats_of(clock: Clock) -> Mapping[ProviderFormat, UpstreamFormat]:
    """Return the APIs that outside providers may speak."""
    return {
        ProviderFormat.OPENAI: OpenAiFormat(),
        ProviderFormat.ANTHROPIC: AnthropicFormat(clock),
        ProviderFormat.OLLAMA: OllamaFormat(clock),
        ProviderFormat.REPLICATE: ReplicateFormat(clock),
    }


@asynccontextmanager
async def _closed(reusables: "Reuse[Flight]") -> AsyncIterator[None]:
    try:
        yield
    finally:
        await reusables.close()


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
