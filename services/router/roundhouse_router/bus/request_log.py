"""Answers what the catalog asks of tenants' request logs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.identity import RequestLogPolicy, TenantRecord
from roundhouse_common.contracts.registry import READ_REQUEST_LOG
from roundhouse_common.contracts.request_log import ReadRequestLog, RequestLogPart
from roundhouse_common.errors import Unavailable
from roundhouse_common.runtime import Clock
from roundhouse_router.request_log.books import DAY_S, folder_of
from roundhouse_router.request_log.reading import Found, read_lines

__all__ = ["RequestLogDesk"]


class RequestLogDesk:
    """Reads in a thread of its own, one question after the other. What a tenant's choice has outlived is not shown."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        directory: Path,
        *,
        router_id: str,
        tenants: Callable[[], Mapping[str, TenantRecord]],
        dropped: Callable[[str], int],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._directory = directory
        self._router_id = router_id
        self._tenants = tenants
        self._dropped = dropped
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="request-log-reader")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer from now on, until the bus is closed."""
        await self._bus.serve(READ_REQUEST_LOG, self._answer)
        try:
            yield
        finally:
            self._executor.shutdown()

    async def _answer(self, query: ReadRequestLog, _: tuple[str, ...]) -> RequestLogPart:
        tenant = self._tenants().get(query.tenant_id)
        policy = tenant.request_log if tenant is not None else RequestLogPolicy()
        since = max(query.since, self._clock.now() - policy.keep_days * DAY_S)
        try:
            directory = folder_of(self._directory, query.tenant_id)
            found: Found = await asyncio.get_running_loop().run_in_executor(
                self._executor, lambda: read_lines(directory, query, since=since)
            )
        except OSError as error:
            raise Unavailable(f"cannot read the request log: {error.strerror or error}") from error
        reached_at, reached_id = found.reached or (0.0, "")
        return RequestLogPart(
            router_id=self._router_id,
            lines=tuple(found.lines),
            reached_at=reached_at,
            reached_id=reached_id,
            dropped=self._dropped(query.tenant_id),
        )
