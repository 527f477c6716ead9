"""The REST application of the scheduler."""

import importlib.metadata
from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI

from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.bus.api import Consumer
from roundhouse_common.client_address import Proxies
from roundhouse_common.http import create_app
from roundhouse_common.http.dead_letters import dead_letter_routes
from roundhouse_common.http.trail import TrailEnd
from roundhouse_scheduler.api.deployments import deployment_routes
from roundhouse_scheduler.api.engine_orders import engine_order_routes
from roundhouse_scheduler.api.file_orders import file_order_routes
from roundhouse_scheduler.api.joining import Joining, joining_routes
from roundhouse_scheduler.api.kept import kept_routes
from roundhouse_scheduler.api.node_orders import node_order_routes
from roundhouse_scheduler.api.nodes import node_routes
from roundhouse_scheduler.api.operations import operations_routes
from roundhouse_scheduler.api.placements import placement_routes
from roundhouse_scheduler.api.replicas import replica_routes
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.api.switches import switch_routes

__all__ = ["UNAUDITED", "create_scheduler_app"]

UNAUDITED = frozenset(("dry_run",))
"""Operations by POST that change nothing: questions."""


def create_scheduler_app(
    scheduler: Scheduler,
    *,
    consumers: Sequence[Consumer],
    rebuild: Callable[[], Awaitable[dict[str, int]]],
    verifier: TokenVerifier,
    joining: Joining | None = None,
    audit: TrailEnd | None = None,
    proxies: Proxies = Proxies(),
) -> FastAPI:
    """Return the application; it opens nothing."""
    version = importlib.metadata.version("roundhouse-scheduler")
    app = create_app("Roundhouse scheduler", version, verifier, audit=audit, unaudited=UNAUDITED, proxies=proxies)
    app.include_router(node_routes(scheduler))
    app.include_router(node_order_routes(scheduler))
    app.include_router(engine_order_routes(scheduler))
    app.include_router(file_order_routes(scheduler))
    app.include_router(kept_routes(scheduler))
    app.include_router(placement_routes(scheduler))
    app.include_router(replica_routes(scheduler))
    app.include_router(deployment_routes(scheduler))
    app.include_router(switch_routes(scheduler))
    app.include_router(operations_routes(rebuild))
    app.include_router(dead_letter_routes(consumers))
    if joining is not None:
        app.include_router(joining_routes(joining))
    return app
