"""Saves the routing table whenever it changed."""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from roundhouse_common.service import get_logger
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.limits import SavedCounter
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.snapshot import SavedTable, save_table

__all__ = ["SnapshotSaver"]

_RETRY_S = 5.0
_log = get_logger(__name__)


class SnapshotSaver:
    """Level-triggered: whatever the table is when it looks is saved. A full disk is counted and tried again."""

    def __init__(
        self,
        control_plane: ControlPlane,
        settings: RouterSettings,
        metrics: RouterMetrics,
        spent: Callable[[], Mapping[str, SavedCounter]],
    ) -> None:
        """`spent` is what this router counts of budgets."""
        self._control_plane = control_plane
        self._settings = settings
        self._metrics = metrics
        self._spent = spent
        self._saved_spent: Mapping[str, SavedCounter] = {}
        self._writing: asyncio.Future[None] | None = None

    async def run(self) -> None:
        saved = self._control_plane.table
        while True:
            if self._control_plane.table is saved:
                await self._changed()
            table = self._control_plane.table
            if await self._save():
                saved = table
            else:
                await asyncio.sleep(_RETRY_S)

    async def _changed(self) -> None:
        """Return after the next change of the table, or when something was spent of budgets."""
        while True:
            try:
                async with asyncio.timeout(self._settings.snapshot_spent_s):
                    await self._control_plane.changed()
            except TimeoutError:
                if self._spent() != self._saved_spent:
                    return
                continue
            await asyncio.sleep(self._settings.snapshot_delay_s)
            return

    async def save_now(self) -> None:
        """Save what is known, so that a change right before the end is not forgotten."""
        await self._save()

    async def _save(self) -> bool:
        """Save what is known, if anything is; return whether that worked."""
        while self._writing is not None:  # else an older table that is being written would replace this one
            await asyncio.wait((self._writing,))
        if not self._control_plane.table.is_known:
            return True
        spent = dict(self._spent())
        table = msgspec.structs.replace(self._control_plane.to_save(), spent=spent)
        try:
            await self._write(table)
        except OSError as error:
            self._metrics.snapshot_failures.inc()
            _log.error("snapshot_not_saved", error=str(error))
            return False
        self._saved_spent = spent
        return True

    async def _write(self, table: SavedTable) -> None:
        """Raises OSError. Who cancels it leaves the thread writing, which `_writing` tells until it has ended."""
        self._writing = asyncio.ensure_future(asyncio.to_thread(save_table, self._settings.state_dir, table))
        self._writing.add_done_callback(self._written)
        await asyncio.shield(self._writing)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if not writing.cancelled():
            writing.exception()  # told to who waits, if anybody still does
