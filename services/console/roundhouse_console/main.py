"""The composition root of the console: everything is constructed here and nowhere else."""

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx

from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock, Ids, SystemClock, SystemIds, system_random
from roundhouse_common.service import Service, load_settings
from roundhouse_common.service.listener import HttpListener, Listener
from roundhouse_common.service.ops import ASGIApp
from roundhouse_console.api.app import build_app
from roundhouse_console.clients.leavers import sweep_leavers
from roundhouse_console.clients.sessions import Sessions
from roundhouse_console.clients.signed_in import Addresses
from roundhouse_console.settings import ConsoleSettings

__all__ = ["build", "main"]

_NAME = "console"
_MIGRATIONS = "roundhouse_console.migrations"
_SWEEP_EVERY_S = 600.0
_CONNECTIONS = httpx.Limits(max_connections=200, max_keepalive_connections=40)


def main() -> int:
    """Run the service until it is stopped and return its exit code."""
    return build(load_settings(ConsoleSettings), clock=SystemClock(), ids=SystemIds()).run()


def build(settings: ConsoleSettings, *, clock: Clock, ids: Ids) -> Service:
    """Return the service; nothing is opened yet. It is ready whatever else is away: pages say what is."""
    service = Service(_NAME, settings, clock=clock, rng=system_random())
    db = Database(settings.database_url, service=_NAME)
    http = httpx.AsyncClient(
        timeout=httpx.Timeout(settings.request_timeout_s, connect=5.0), limits=_CONNECTIONS, trust_env=False
    )
    addresses = Addresses(
        catalog=settings.catalog_url,
        scheduler=settings.scheduler_url,
        metering=settings.metering_url,
        router=settings.router_url,
        router_public=settings.router_public_url or settings.router_url,
    )
    sessions = Sessions(
        db, http, addresses, clock=clock, ids=ids, token_hex=secrets.token_hex, idle_s=settings.session_idle_s
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request, with its whole address
    app, pages = build_app(sessions, settings, clock=clock, token_hex=secrets.token_hex)
    service.resource("database", db.migrated(_MIGRATIONS))
    service.resource("connections", _closing(http))
    service.resource("pages", pages)
    service.loop("session sweep", partial(_sweep, db, sessions))
    service.http(app)
    service.listen_with(partial(_with_sockets, settings.drain_timeout_s))
    return service


def _with_sockets(drain_timeout_s: float, ops: ASGIApp, reserved: socket.socket) -> HttpListener:
    # A page's socket is open for as long as the page: waiting for it to end would only delay every restart.
    return Listener(ops, reserved, drain_timeout_s=min(drain_timeout_s, 1.0), has_sockets=True)


@asynccontextmanager
async def _closing(http: httpx.AsyncClient) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await http.aclose()


async def _sweep(db: Database, sessions: Sessions) -> None:
    while True:
        await sessions.sweep()
        await sweep_leavers(db, sessions.at_work(_SWEEP_EVERY_S + 60))
        await asyncio.sleep(_SWEEP_EVERY_S)
