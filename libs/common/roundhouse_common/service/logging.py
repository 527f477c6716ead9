"""Structured logs: one event name and fields per line, JSON on stderr. No prompt, answer, key or token gets in."""

import contextlib
import json
import logging
import re
import sys
from typing import Any, Final, Literal

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from roundhouse_common import telemetry

__all__ = ["configure_logging", "get_logger"]

_SECRET_NAMES: Final = frozenset(
    ("authorization", "api_key", "secret", "password", "token", "seed", "engine_api_key", "prompt", "messages")
)
_SECRET_TEXT: Final = re.compile(r"\brh-[A-Za-z0-9_-]{43}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""API keys and JWTs."""
_QUIET: Final = ("uvicorn", "uvicorn.error", "nats", "alembic", "asyncio", "aiosqlite", "sqlalchemy", "opentelemetry")


def configure_logging(
    *, service: str, instance: str, level: str = "info", style: Literal["json", "console"] = "json"
) -> None:
    """Send structlog and the standard library's logging to stderr as the same kind of lines."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Origin(service, instance),
        structlog.processors.format_exc_info if style == "json" else _escape,
        _mask,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the default one prints local variables: secrets
        )
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_foreign, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger; `log.info("replica_started", replica_id=...)`: an event name, then fields."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name)
    return logger


class _Lines(structlog.PrintLogger):
    """Drops a line that cannot be written: a disk that is full of logs must not stop the service that logs it."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


class _Origin:
    """Adds who speaks, and in which trace."""

    def __init__(self, service: str, instance: str) -> None:
        self._fields = {"service": service, "instance": instance}

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.update(self._fields)
        if trace_id := telemetry.current_trace_id():
            event["trace_id"] = trace_id
        return event


def _name_foreign(logger: logging.Logger | None, method: str, event: EventDict) -> EventDict:
    """Name a line of the standard library's logging as `get_logger` names ours."""
    event["component"] = event["_record"].name
    return event


def _mask(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if name.lower() in _SECRET_NAMES:
            event[name] = "***"
        elif isinstance(value, str) and ("rh-" in value or "eyJ" in value):
            event[name] = _SECRET_TEXT.sub("***", value)
    return event


def _escape(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Show a terminal no control characters that somebody put into a name; JSON escapes them itself."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode("ascii")
    return event


def _to_json(value: Any, **_options: Any) -> str:  # Any: what structlog's renderer hands over
    try:
        return msgspec.json.encode(value, enc_hook=repr).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, such as in a file's name that is no UTF-8
        return json.dumps(value, default=repr, separators=(",", ":"))
