"""Usage that was left behind when there were more workers: the first one publishes it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from roundhouse_common.bus.api import Bus
from roundhouse_common.runtime import Clock, Ids
from roundhouse_common.service import get_logger
from roundhouse_router.loops.publisher import UsagePublisher
from roundhouse_router.loops.spooling import SpoolKeeper
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.spool import Spool, SpoolLimits
from roundhouse_router.workers.places import leftovers

__all__ = ["Leftovers"]

_LOOK_EVERY_S: Final = 30.0
"""A spool may be in use still by a worker that drains."""
_log = get_logger(__name__)


class Leftovers:
    """Opens the spools of former workers, which settles what they had in flight, and publishes them to their end."""

    def __init__(
        self,
        bus: Bus,
        settings: RouterSettings,
        state_dir: Path,
        limits: SpoolLimits,
        registry: CollectorRegistry,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._state_dir = state_dir
        self._limits = limits
        self._clock = clock
        self._ids = ids
        self._publishers: dict[Path, UsagePublisher] = {}
        depth = Gauge(
            "roundhouse_router_leftover_depth",
            "Usage records of former workers that are not acknowledged yet",
            registry=registry,
        )
        depth.set_function(lambda: float(sum(publisher.depth for publisher in self._publishers.values())))

    async def run(self) -> None:
        """Look for such spools, and keep what was found open: the bus may ask for its records again."""
        async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
            opened.callback(self._publishers.clear)
            while True:
                for directory in leftovers(self._state_dir, self._settings.workers):
                    if directory not in self._publishers:
                        self._adopt(directory, opened, group)
                await asyncio.sleep(_LOOK_EVERY_S)

    def _adopt(self, directory: Path, opened: AsyncExitStack, group: asyncio.TaskGroup) -> None:
        try:
            spool = Spool.open(directory / "spool", limits=self._limits, clock=self._clock, ids=self._ids)
        except OSError as error:
            _log.warning("leftover_spool_in_use", path=str(directory), error=str(error))
            return
        opened.callback(spool.close)
        # Its figures are this process's own in no way: they go to a registry that nobody reads.
        metrics = RouterMetrics(CollectorRegistry())
        publisher = UsagePublisher(self._bus, spool, self._settings, self._clock, metrics)
        keeper = SpoolKeeper(spool, sync_s=self._settings.spool_sync_s, acknowledged=lambda: publisher.acknowledged)
        self._publishers[directory] = publisher
        _log.info("leftover_spool_opened", path=str(directory), records=publisher.depth)
        group.create_task(keeper.run(), name=f"sync {directory.name}")
        group.create_task(publisher.run(), name=f"publish {directory.name}")
