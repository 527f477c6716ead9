"""The request log as the settings and the tenants have it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from roundhouse_common.bus.api import Bus
from roundhouse_common.runtime import Clock
from roundhouse_common.service import Service
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.bus.request_log import RequestLogDesk
from roundhouse_router.domain.redaction import Redactor, read_patterns
from roundhouse_router.request_log.books import Book, PlatformBook, TenantBook
from roundhouse_router.request_log.files import FileBounds, LogFiles
from roundhouse_router.request_log.log import RequestLog
from roundhouse_router.settings import RouterSettings

__all__ = ["install_request_log"]

_FOLDER = "requests"
_TENANTS = "tenants"


def install_request_log(
    service: Service, settings: RouterSettings, clock: Clock, bus: Bus, control_plane: ControlPlane, *, router_id: str
) -> RequestLog:
    """Make the log, and let the service run it and answer what is asked of it. Raises OSError."""
    tenant_book = TenantBook(
        settings.state_dir / _FOLDER / _TENANTS,
        policies=lambda: control_plane.table.request_logs,
        tenants=lambda: control_plane.tenants,
        bodies_most=settings.request_log_body_characters,
        file_bytes=settings.request_log_file_bytes,
        most_bytes=settings.tenant_log_bytes,
        spare_bytes=settings.request_log_spare_bytes,
        leftovers=partial(_leftovers, settings) if settings.worker == 0 else tuple,
    )
    books: list[Book] = [tenant_book]
    if settings.request_log != "off":
        books.append(_platform_book(settings))
    log = RequestLog(books, clock, service.registry, on_drop=tenant_book.drop)
    desk = RequestLogDesk(
        bus,
        clock,
        tenant_book.directory,
        router_id=router_id,
        tenants=lambda: control_plane.tenants,
        dropped=tenant_book.dropped,
    )
    service.resource("request log", log)
    service.resource("request log's readers", desk.serving())
    service.loop("write request log", log.run)
    service.before_stop("write request log", log.flush)
    return log


def _leftovers(settings: RouterSettings) -> Iterator[Path]:
    """Yield where workers wrote that are no more: there were more of them once."""
    for path in settings.state_dir.glob(f"workers/*/{_FOLDER}/{_TENANTS}"):
        number = path.parent.parent.name
        if number.isdecimal() and int(number) >= settings.workers:
            yield path


def _platform_book(settings: RouterSettings) -> PlatformBook:
    path = settings.request_log_patterns_file
    own = () if path is None else read_patterns(path.read_text(encoding="utf-8"))
    bounds = FileBounds(
        file_bytes=settings.request_log_file_bytes,
        keep_files=settings.request_log_keep_files,
        keep_s=settings.request_log_keep_s,
    )
    bodies_most = settings.request_log_body_characters if settings.request_log == "bodies" else 0
    return PlatformBook(LogFiles(settings.state_dir / _FOLDER, bounds), Redactor(own), bodies_most=bodies_most)
