"""The composition root of metering: everything is constructed here and nowhere else."""

import gc
import secrets
import sys
from typing import Any

from prometheus_client import CollectorRegistry

from roundhouse_common.auth.following import token_loops
from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.bus.connected import connected
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.contracts.registry import REPLICA_TRANSITION, USAGE, USAGE_BATCH
from roundhouse_common.database import Database, OutboxRelay
from roundhouse_common.http.audit import Audit, to_outbox
from roundhouse_common.runtime import Clock, SystemClock, SystemIds, system_random
from roundhouse_common.service import Service, load_settings
from roundhouse_common.service.settings import EXIT_BAD_SETTINGS
from roundhouse_metering.api.app import create_metering_app
from roundhouse_metering.api.retention import KeptHere
from roundhouse_metering.bus.engine_counters import EngineCounterRecorder
from roundhouse_metering.bus.event_stream import EventStream
from roundhouse_metering.bus.publications import Publications
from roundhouse_metering.bus.replicas import REPLICAS_DURABLE, ReplicaRecorder
from roundhouse_metering.bus.samples import SampleRecorder
from roundhouse_metering.bus.usage import BATCHES_DURABLE, DURABLE, UsageRecorder
from roundhouse_metering.domain.cells import MINUTE_S, QUARTER_S
from roundhouse_metering.domain.engine_reconciliation import Tolerance
from roundhouse_metering.domain.resolutions import Retention
from roundhouse_metering.domain.retention import KeptFor
from roundhouse_metering.loops.budgets import BudgetNotices
from roundhouse_metering.loops.engine_reconciliation import EngineReconciliation
from roundhouse_metering.loops.record_retention import RecordRetention
from roundhouse_metering.loops.rollups import Rollups
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.loops.webhooks import Webhooks, WebhookSender
from roundhouse_metering.settings import MeteringSettings
from roundhouse_metering.store.tables import outbox
from roundhouse_metering.store.webhook_key import webhook_key

__all__ = ["build", "collect_seldom", "main", "openapi"]

_NAME = "metering"
_MIGRATIONS = "roundhouse_metering.migrations"
_BATCHES_AT_ONCE = 16
"""Messages of routers, of up to some hundred records each."""
_COLLECT_AFTER = 100_000


def collect_seldom() -> None:
    """Let the garbage collector look seldom: an answer, and a pass of counting, makes some hundred thousand objects
    that all live until its end, and looking through them again and again took a fifth of the time."""
    gc.set_threshold(_COLLECT_AFTER)


def main() -> int:
    """Run the service until it is stopped and return its exit code."""
    collect_seldom()
    settings = load_settings(MeteringSettings)
    clock = SystemClock()
    try:
        service = build(
            settings,
            clock=clock,
            verifier=TokenVerifier.from_setting(settings.token_public_key_file, service=_NAME, clock=clock),
        )
    except (OSError, ValueError) as error:
        print(f"metering: {error}", file=sys.stderr)  # noqa: T201 - logging is not configured before the service runs
        return EXIT_BAD_SETTINGS
    return service.run()


def build(settings: MeteringSettings, *, clock: Clock, verifier: TokenVerifier) -> Service:
    """Return the service; nothing is opened yet. Raises ValueError for a setting that cannot be."""
    service = Service(_NAME, settings, clock=clock, rng=system_random())
    db = Database(settings.database_url, service=_NAME)
    bus = NatsBus(
        ServiceName.METERING,
        url=settings.nats_url,
        seed_file=settings.nats_seed_file,
        instance=settings.instance,
        clock=clock,
        registry=service.registry,
    )
    key = webhook_key(settings.webhook_key_file, settings.state_dir, secrets.token_bytes)
    notices = BudgetNotices(db, settings, key=key, clock=clock, registry=service.registry)
    publications = Publications(db, bus, clock, every_s=settings.budgets_every_s, on_change=notices.wake)
    recorder = UsageRecorder(db, clock=clock, registry=service.registry, on_spent=publications.budgets_changed)
    usage = bus.consumer(USAGE, DURABLE, recorder, batch=settings.batch_size)
    batches = bus.consumer(USAGE_BATCH, BATCHES_DURABLE, recorder.batches, batch=_BATCHES_AT_ONCE)
    transitions = ReplicaRecorder(db, registry=service.registry)
    replicas = bus.consumer(REPLICA_TRANSITION, REPLICAS_DURABLE, transitions, batch=settings.batch_size)
    stream = EventStream(db, bus, readers=settings.readers(), clock=clock, registry=service.registry)
    service.resource("database", db.migrated(_MIGRATIONS))
    service.resource("bus", connected(bus))
    service.loop("usage", usage.run)
    service.loop("usage batches", batches.run)
    service.loop("replicas", replicas.run)
    service.loop("publish prices", publications.prices.run)
    service.loop("publish budgets", publications.budgets.run)
    service.loop("pace budgets", publications.pace)
    service.loop("budget notices", notices.run)
    sender = WebhookSender(key, may_be_private=settings.webhooks_to_private, clock=clock)
    webhooks = Webhooks(db, sender, batch=settings.webhook_batch_size, clock=clock, registry=service.registry)
    service.loop("webhooks", webhooks.run)
    if settings.event_readers:
        service.loop("event stream", stream.run)
    for name, run in token_loops(bus, verifier).items():
        service.loop(name, run)
    kept_for = _add_usage(service, settings, db, clock=clock)
    retention = _add_samples(service, settings, db, bus, clock=clock)
    tolerance = _add_engines(service, settings, db, bus, clock=clock)
    relay = OutboxRelay(db, bus, outbox, clock)
    service.loop("outbox", relay.run)
    service.before_stop("outbox", relay.flush_before_stop)
    write = to_outbox(ServiceName.METERING)
    service.ready_when("bus", lambda: None if bus.is_connected else "no connection to NATS")
    app = create_metering_app(
        db,
        bus,
        consumers=[usage, batches, replicas],
        verifier=verifier,
        clock=clock,
        rebuild_timeout_s=settings.rebuild_timeout_s,
        publications=publications,
        webhook_sender=sender,
        event_stream=stream,
        kept=KeptHere(kept_for, retention),
        tolerance=tolerance,
        audit=Audit(ServiceName.METERING, db, write, clock=clock, ids=SystemIds(), wake=relay.wake),
        proxies=settings.proxies(),
    )
    service.http(app)
    return service


def _add_usage(service: Service, settings: MeteringSettings, db: Database, *, clock: Clock) -> KeptFor:
    """Add what counts the ledger's entries, and what forgets them."""
    kept_for = KeptFor(
        months=settings.keep_record_months,
        cells={MINUTE_S: settings.keep_usage_minutes_s, QUARTER_S: settings.keep_usage_quarters_s},
    )
    counting = UsageRollups(db, clock=clock, rng=system_random(), registry=service.registry, kept_for=kept_for)
    service.loop("usage rollups", counting.run)
    service.loop("usage forgetting", counting.run_forgetting)
    removing = RecordRetention(db, kept_for=kept_for, clock=clock, rng=system_random(), registry=service.registry)
    service.loop("record retention", removing.run)
    return kept_for


def _add_samples(
    service: Service, settings: MeteringSettings, db: Database, bus: NatsBus, *, clock: Clock
) -> Retention:
    """Add what takes the nodes' samples, rolls them up and forgets them."""
    retention = Retention(
        raw_s=settings.keep_samples_s, minute_s=settings.keep_minutes_s, quarter_s=settings.keep_quarters_s
    )
    samples = SampleRecorder(
        db,
        clock=clock,
        registry=service.registry,
        queue_size=settings.sample_queue_size,
        batch_size=settings.sample_batch_size,
    )
    rollups = Rollups(db, retention=retention, clock=clock, rng=system_random(), registry=service.registry)
    service.resource("samples", samples.subscribed(bus))
    service.loop("samples", samples.run)
    service.loop("rollups", rollups.run)
    service.loop("forgetting", rollups.run_forgetting)
    service.before_stop("samples", samples.flush)
    return retention


def _add_engines(
    service: Service, settings: MeteringSettings, db: Database, bus: NatsBus, *, clock: Clock
) -> Tolerance:
    """Add what compares the ledger with engines' own counters."""
    tolerance = Tolerance(share=settings.engine_tolerance_share, tokens=settings.engine_tolerance_tokens)
    counters = EngineCounterRecorder(
        db, clock=clock, registry=service.registry, every_s=settings.engine_counters_every_s
    )
    comparing = EngineReconciliation(
        db,
        clock=clock,
        rng=system_random(),
        registry=service.registry,
        tolerance=tolerance,
        keep_s=settings.keep_engine_hours_s,
    )
    service.resource("engine counters", counters.subscribed(bus))
    service.loop("engine counters", counters.run)
    service.loop("replica hours", comparing.run_counting)
    service.loop("engine reconciliation", comparing.run)
    service.loop("engine forgetting", comparing.run_forgetting)
    service.before_stop("engine counters", counters.flush)
    return tolerance


def openapi() -> dict[str, Any]:  # Any: a JSON document
    """Return the OpenAPI document. Nothing is opened: the parts are only there to be described."""
    clock = SystemClock()
    db = Database("sqlite+aiosqlite:///unopened.db", service=_NAME)
    bus = NatsBus(ServiceName.METERING, url="nats://127.0.0.1:4222", seed_file=None, instance=_NAME, clock=clock)
    app = create_metering_app(
        db,
        bus,
        consumers=[],
        verifier=TokenVerifier(generate_keypair()[1], clock=clock),
        clock=clock,
        rebuild_timeout_s=1.0,
        publications=Publications(db, bus, clock, every_s=1.0),
        webhook_sender=WebhookSender(b"", may_be_private=False, clock=clock),
        event_stream=EventStream(db, bus, clock=clock, registry=CollectorRegistry()),
    )
    return app.openapi()
