"""The service skeleton: settings, start and drain order, supervised loops, operator endpoints, logs.

It imports neither FastAPI nor SQLAlchemy, so that the router and the node agent stay small.
"""

from roundhouse_common import lean  # noqa: F401 - before anything loads structlog or nats-py
from roundhouse_common.service.logging import configure_logging, get_logger
from roundhouse_common.service.service import Service
from roundhouse_common.service.settings import ServiceSettings, SettingsError, SqlSettings, load_settings

__all__ = [
    "Service",
    "ServiceSettings",
    "SettingsError",
    "SqlSettings",
    "configure_logging",
    "get_logger",
    "load_settings",
]
