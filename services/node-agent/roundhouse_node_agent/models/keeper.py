"""What this machine keeps ready, for real: `Keeper` on the model store, the installed engines and the file server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from roundhouse_common.contracts.provisioning import CleanStore, NodeOrders, StoreCleaned
from roundhouse_node_agent.domain.errors import StateDirUnusable
from roundhouse_node_agent.domain.keeper import Contents, Environments, Transfer
from roundhouse_node_agent.models.cleaning import Cleaning
from roundhouse_node_agent.models.provision import ModelFiles
from roundhouse_node_agent.processes.records import read_file, write_file

__all__ = ["FilesAddress", "LocalKeeper", "NoFileServer"]

_log = structlog.get_logger(__name__)


class FilesAddress(Protocol):
    """Where other nodes copy from."""

    @property
    def url(self) -> str:
        """Empty: nowhere."""

    @property
    def token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class NoFileServer:
    """A node that offers its files to nobody."""

    url: str = ""
    token: str = ""


class LocalKeeper:
    """The orders are kept in `orders.json` of the state directory: without the bus, the node goes on with them."""

    def __init__(
        self,
        *,
        state_dir: Path,
        files: ModelFiles,
        cleaning: Cleaning,
        environments: Environments,
        address: FilesAddress,
    ) -> None:
        self._path = state_dir / "orders.json"
        self._files = files
        self._cleaning = cleaning
        self._environments = environments
        self._address = address
        self._orders: NodeOrders | None = None

    async def take(self, orders: NodeOrders) -> bool:
        known = self._orders
        if known is not None and orders.revision < known.revision:
            _log.info("orders_refused", offered=orders.revision, known=known.revision)
            return False
        if orders != known:
            try:
                await asyncio.to_thread(write_file, self._path, orders)
            except StateDirUnusable as error:
                _log.warning("orders_not_kept", why=error.message)  # they hold, only not over a restart
        await self._hold(orders)
        return True

    async def run(self, used: Callable[[], frozenset[str]]) -> None:
        """Take up the kept orders, then look after files and leftovers until cancelled."""
        if self._orders is None:
            kept = await asyncio.to_thread(read_file, self._path, NodeOrders)
            if kept is not None and self._orders is None:
                await self._hold(kept)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._files.run(used), name="model-files")
            tasks.create_task(self._cleaning.run(), name="model-leftovers")

    def contents(self) -> Contents | None:
        if not self._files.is_looked_at:
            return None
        total, free = self._files.disk
        return Contents(
            orders_revision=self._orders.revision if self._orders is not None else 0,
            disk_total_bytes=total,
            disk_free_bytes=free,
            engines=self._environments.states(),
            models=self._files.states(),
            files_url=self._address.url,
            files_token=self._address.token,
        )

    def transfers(self) -> tuple[Transfer, ...]:
        return self._files.transfers()

    async def clean(self, query: CleanStore) -> StoreCleaned:
        return await self._cleaning.clean(query)

    async def _hold(self, orders: NodeOrders) -> None:
        self._orders = orders
        self._files.take(orders.files)
        await self._environments.take(orders.engines)
