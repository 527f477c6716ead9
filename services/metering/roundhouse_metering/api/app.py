"""The REST application of metering."""

import importlib.metadata
from collections.abc import Sequence

from fastapi import FastAPI

from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.bus.api import Bus, Consumer
from roundhouse_common.client_address import Proxies
from roundhouse_common.database import Database
from roundhouse_common.http import create_app
from roundhouse_common.http.dead_letters import dead_letter_routes
from roundhouse_common.http.trail import TrailEnd
from roundhouse_common.runtime import Clock, Ids, SystemIds
from roundhouse_metering.api.budgets import budget_routes
from roundhouse_metering.api.engine_reconciliation import engine_reconciliation_routes
from roundhouse_metering.api.exports import export_routes
from roundhouse_metering.api.metrics import metrics_routes
from roundhouse_metering.api.openai_usage import openai_usage_routes
from roundhouse_metering.api.operations import operations_routes
from roundhouse_metering.api.parquet_export import parquet_routes
from roundhouse_metering.api.prices import price_routes
from roundhouse_metering.api.replica_costs import replica_cost_routes
from roundhouse_metering.api.replica_usage import replica_usage_routes
from roundhouse_metering.api.repricing import repricing_routes
from roundhouse_metering.api.retention import KeptHere, retention_routes
from roundhouse_metering.api.usage import usage_routes
from roundhouse_metering.api.webhooks import webhook_routes
from roundhouse_metering.bus.event_stream import EventStream
from roundhouse_metering.bus.publications import Publications
from roundhouse_metering.domain.engine_reconciliation import Tolerance
from roundhouse_metering.loops.webhooks import WebhookSender

__all__ = ["UNAUDITED", "create_metering_app"]

UNAUDITED = frozenset(("preview_price",))
"""Operations by POST that change nothing: questions."""


def create_metering_app(
    db: Database,
    bus: Bus,
    *,
    consumers: Sequence[Consumer],
    verifier: TokenVerifier,
    clock: Clock,
    rebuild_timeout_s: float,
    publications: Publications,
    webhook_sender: WebhookSender,
    event_stream: EventStream,
    kept: KeptHere = KeptHere(),
    tolerance: Tolerance = Tolerance(),
    ids: Ids | None = None,
    audit: TrailEnd | None = None,
    proxies: Proxies = Proxies(),
) -> FastAPI:
    """Return the application; it opens nothing."""
    version = importlib.metadata.version("roundhouse-metering")
    app = create_app("Roundhouse metering", version, verifier, audit=audit, unaudited=UNAUDITED, proxies=proxies)
    app.include_router(usage_routes(db, clock))
    app.include_router(export_routes(db, clock))
    app.include_router(parquet_routes(db))
    app.include_router(openai_usage_routes(db, clock))
    app.include_router(replica_cost_routes(db, clock))
    app.include_router(replica_usage_routes(db, clock))
    app.include_router(metrics_routes(db, clock, kept.samples))
    ids = ids or SystemIds()
    app.include_router(price_routes(db, clock, ids, publications.prices_changed))
    app.include_router(repricing_routes(db, clock, ids, publications.budgets_changed))
    app.include_router(budget_routes(db, clock, ids, publications.budgets_changed, webhook_key=webhook_sender.key))
    app.include_router(webhook_routes(db, clock, ids, webhook_sender))
    app.include_router(operations_routes(db, bus, publications, event_stream, rebuild_timeout_s=rebuild_timeout_s))
    app.include_router(retention_routes(db, clock, kept))
    app.include_router(engine_reconciliation_routes(db, clock, tolerance))
    app.include_router(dead_letter_routes(consumers))
    return app
