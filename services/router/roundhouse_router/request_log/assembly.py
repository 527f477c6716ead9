"""The request log as the settings have it."""

from prometheus_client import CollectorRegistry

from roundhouse_common.runtime import Clock
from roundhouse_router.domain.redaction import Redactor, read_patterns
from roundhouse_router.request_log.files import FileBounds, LogFiles
from roundhouse_router.request_log.log import RequestLog
from roundhouse_router.settings import RouterSettings

__all__ = ["build_request_log"]

_FOLDER = "requests"


def build_request_log(settings: RouterSettings, clock: Clock, registry: CollectorRegistry) -> RequestLog | None:
    """Return the log; None where it is off. Nothing is opened yet. Raises OSError."""
    if settings.request_log == "off":
        return None
    path = settings.request_log_patterns_file
    own = () if path is None else read_patterns(path.read_text(encoding="utf-8"))
    bounds = FileBounds(
        file_bytes=settings.request_log_file_bytes,
        keep_files=settings.request_log_keep_files,
        keep_s=settings.request_log_keep_s,
    )
    bodies_most = settings.request_log_body_characters if settings.request_log == "bodies" else 0
    files = LogFiles(settings.state_dir / _FOLDER, bounds)
    return RequestLog(files, Redactor(own), clock, registry, bodies_most=bodies_most)
