"""What the catalog asks the routers: lines of a tenant's request log."""

from roundhouse_catalog.domain.errors import RoutersAway
from roundhouse_common.bus.api import Bus, BusUnavailable
from roundhouse_common.contracts.registry import READ_REQUEST_LOG
from roundhouse_common.contracts.request_log import ReadRequestLog, RequestLogPart

__all__ = ["RequestLogs"]


class RequestLogs:
    """Asks all routers at once. Those that are away have lines that nobody sees until they are back."""

    def __init__(self, bus: Bus, *, timeout_s: float = 10.0, quiet_s: float = 0.3) -> None:
        """`quiet_s` after an answer without another one nobody is waited for any more."""
        self._bus = bus
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s

    async def read(self, query: ReadRequestLog) -> list[RequestLogPart]:
        """Return what the routers have. Raises RoutersAway when none answers."""
        try:
            parts = await self._bus.request_all(
                READ_REQUEST_LOG, query, "all", timeout_s=self._timeout_s, quiet_s=self._quiet_s
            )
        except BusUnavailable as error:
            raise RoutersAway(str(error)) from error
        if not parts:
            raise RoutersAway("no router is connected, or none could read its log")
        return parts
