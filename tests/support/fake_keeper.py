"""Model files that exist only in memory: the node agent's `Keeper` on any clock, without a disk or a network."""

import asyncio
from collections.abc import Callable

import msgspec

from roundhouse_common.contracts.provisioning import (
    CleanStore,
    FileOrder,
    FilesState,
    FileWish,
    NodeOrders,
    StoreCleaned,
    StoredModel,
)
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.keeper import Contents, Transfer

__all__ = ["FakeKeeper"]

_LOOK_EVERY_S = 0.05


class FakeKeeper:
    """Each ordered model is here `fetch_s` after it was ordered. It outlives agents, as a disk does."""

    def __init__(self, clock: Clock, *, fetch_s: float = 0.0, files_url: str = "", size_bytes: int = 1000) -> None:
        self.clock = clock
        self.fetch_s = fetch_s
        self.files_url = files_url
        self.size_bytes = size_bytes
        self.orders: NodeOrders | None = None
        self.models: dict[str, StoredModel] = {}
        self.cleaned: list[CleanStore] = []
        self.used: Callable[[], frozenset[str]] = frozenset

    async def take(self, orders: NodeOrders) -> bool:
        if self.orders is not None and orders.revision < self.orders.revision:
            return False
        self.orders = orders
        for order in orders.files:
            self._follow(order)
        return True

    async def run(self, used: Callable[[], frozenset[str]]) -> None:
        self.used = used
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for key, model in self.models.items():
                is_here = self.clock.now() - model.since >= self.fetch_s
                if model.state is FilesState.FETCHING and is_here:
                    self._stand(key, model, FilesState.READY, self.size_bytes)

    def contents(self) -> Contents | None:
        in_use = self.used()
        models = (msgspec.structs.replace(model, is_in_use=key in in_use) for key, model in self.models.items())
        return Contents(
            orders_revision=self.orders.revision if self.orders is not None else 0,
            disk_total_bytes=1_000_000,
            disk_free_bytes=500_000,
            models=tuple(sorted(models, key=lambda model: model.key)),
            files_url=self.files_url,
            files_token="a token" if self.files_url else "",
        )

    def transfers(self) -> tuple[Transfer, ...]:
        return tuple(
            Transfer(
                key=key,
                stored_bytes=model.stored_bytes,
                total_bytes=self.size_bytes,
                rate_bytes_s=self.size_bytes / max(self.fetch_s, 1.0),
                left_s=self.fetch_s,
                origin="nowhere",
            )
            for key, model in sorted(self.models.items())
            if model.state is FilesState.FETCHING
        )

    async def clean(self, query: CleanStore) -> StoreCleaned:
        self.cleaned.append(query)
        return StoreCleaned(freed_bytes=len(self.models))

    def progress(self, key: str, stored_bytes: int) -> None:
        """Let a transfer have come so far."""
        self.models[key] = msgspec.structs.replace(self.models[key], stored_bytes=stored_bytes)

    def _follow(self, order: FileOrder) -> None:
        key = source_key(order.source)
        if order.wish in (FileWish.CANCEL, FileWish.REMOVE) or not order.order_id:
            if order.wish is FileWish.REMOVE:
                self.models.pop(key, None)
            return
        state = FilesState.PAUSED if order.wish is FileWish.PAUSE else FilesState.FETCHING
        before = self.models.get(key)
        if before is None or before.state is not FilesState.READY:
            model = StoredModel(
                key=key, name=order.name, source=order.source, state=state, order_id=order.order_id, since=0.0
            )
            self._stand(key, model, state, 0)

    def _stand(self, key: str, model: StoredModel, state: FilesState, stored_bytes: int) -> None:
        self.models[key] = msgspec.structs.replace(
            model, state=state, stored_bytes=stored_bytes, total_bytes=self.size_bytes, since=self.clock.now()
        )
