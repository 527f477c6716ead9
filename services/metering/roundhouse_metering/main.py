"""The composition root of metering: everything is constructed here and nowhere else."""

import sys
from typing import Any

from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.bus.connected import connected
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.contracts.registry import USAGE
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock, SystemClock, system_random
from roundhouse_common.service import Service, load_settings
from roundhouse_common.service.settings import EXIT_BAD_SETTINGS
from roundhouse_metering.api.app import create_metering_app
from roundhouse_metering.bus.usage import DURABLE, UsageRecorder
from roundhouse_metering.settings import MeteringSettings

__all__ = ["build", "main", "openapi"]

_NAME = "metering"
_MIGRATIONS = "roundhouse_metering.migrations"


def main() -> int:
    """Run the service until it is stopped and return its exit code."""
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
    recorder = UsageRecorder(db, clock=clock, registry=service.registry)
    consumer = bus.consumer(USAGE, DURABLE, recorder, batch=settings.batch_size)
    service.resource("database", db.migrated(_MIGRATIONS))
    service.resource("bus", connected(bus))
    service.loop("usage", consumer.run)
    service.ready_when("bus", lambda: None if bus.is_connected else "no connection to NATS")
    app = create_metering_app(
        db, bus, consumers=[consumer], verifier=verifier, clock=clock, rebuild_timeout_s=settings.rebuild_timeout_s
    )
    service.http(app)
    return service


def openapi() -> dict[str, Any]:  # Any: a JSON document
    """Return the OpenAPI document. Nothing is opened: the parts are only there to be described."""
    clock = SystemClock()
    app = create_metering_app(
        Database("sqlite+aiosqlite:///unopened.db", service=_NAME),
        NatsBus(ServiceName.METERING, url="nats://127.0.0.1:4222", seed_file=None, instance=_NAME, clock=clock),
        consumers=[],
        verifier=TokenVerifier(generate_keypair()[1], clock=clock),
        clock=clock,
        rebuild_timeout_s=1.0,
    )
    return app.openapi()
