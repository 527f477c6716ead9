"""Deleting model files that nobody uses: by lease and age, when asked; and what crashes and cancelled fetches left.

A replica or an order that has files holds a lease on them: as long as it does they are never cleaned up.
"""

import asyncio
from collections.abc import Iterable

import structlog

from roundhouse_common.contracts.catalog import REMOTE_SOURCES
from roundhouse_common.contracts.provisioning import CleanStore, FilesState, StoreCleaned, StoredModel
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.models.provision import ModelFiles
from roundhouse_node_agent.transfers.errors import StoreBusy
from roundhouse_node_agent.transfers.store import FileStore

__all__ = ["Cleaning", "cleanable"]

_log = structlog.get_logger(__name__)
_STALE_AFTER_S = 7 * 86_400.0
_LOOK_EVERY_S = 3600.0
_STANDING_STILL = (FilesState.READY, FilesState.PAUSED, FilesState.FAILED)


def cleanable(models: Iterable[StoredModel], query: CleanStore, now: float) -> tuple[StoredModel, ...]:
    """Return what the query means: of what nothing uses, what nobody used for so long, in the order of keys."""
    found = (
        model
        for model in models
        if not model.is_in_use
        and model.state in _STANDING_STILL
        and not _is_elsewhere(model)
        and (not query.keys or model.key in query.keys)
        and now - max(model.used_at, model.since) >= query.unused_for_s
    )
    return tuple(sorted(found, key=lambda model: model.key))


class Cleaning:
    """Answers CleanStore, and sweeps leftovers."""

    def __init__(self, files: ModelFiles, clock: Clock) -> None:
        self._files = files
        self._store: FileStore = files.store
        self._clock = clock

    async def clean(self, query: CleanStore) -> StoreCleaned:
        """Delete, or with `is_dry_run` tell, what the query means. What is in use at that moment stays."""
        if not self._files.is_looked_at:
            return StoreCleaned(error="this node has not looked at its files yet; ask again in a moment")
        chosen = cleanable(self._files.states(), query, self._clock.now())
        if query.is_dry_run:
            keys = [model.key for model in chosen]
            return StoreCleaned(models=chosen, freed_bytes=await asyncio.to_thread(self._store.removable_bytes, keys))
        return await self._delete(chosen)

    async def run(self) -> None:
        """Finish what a crash interrupted, then drop stale leftovers now and then."""
        try:
            freed = await asyncio.to_thread(self._store.sweep)
            if freed:
                _log.info("model_store_swept", freed_bytes=freed)
        except OSError as error:
            _log.warning("model_store_not_swept", why=str(error))
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.drop_stale()

    async def drop_stale(self) -> int:
        """Delete parts that nobody has asked for in a week, and forget where unused files are that were adopted.

        Return the bytes freed.
        """
        models = self._files.states()
        begun = [model.key for model in models if self._is_stale(model)]
        noted = [model.key for model in models if self._is_forgotten(model)]
        stale, freed = [*begun, *noted], 0
        for key in stale:
            drop = self._store.remove if key in noted else self._store.drop_unfinished
            async with self._files.deleting:
                if key in self._files.in_use():
                    continue
                try:
                    freed += await asyncio.to_thread(drop, key)
                except (StoreBusy, OSError) as error:
                    _log.info("stale_parts_not_dropped", key=key, why=str(error))
        if stale:
            _log.info("stale_parts_dropped", keys=stale, freed_bytes=freed)
            self._files.look_soon()
        return freed

    async def _delete(self, chosen: tuple[StoredModel, ...]) -> StoreCleaned:
        deleted, freed, errors = [], 0, []
        for model in chosen:
            async with self._files.deleting:
                if model.key in self._files.in_use():
                    continue
                try:
                    freed += await asyncio.to_thread(self._store.remove, model.key)
                except (StoreBusy, OSError) as error:
                    errors.append(f"{model.name}: {error}")
                    continue
            deleted.append(model)
            _log.info("model_files_cleaned", key=model.key, name=model.name)
        self._files.look_soon()
        return StoreCleaned(models=tuple(deleted), freed_bytes=freed, error="; ".join(errors))

    def _is_stale(self, model: StoredModel) -> bool:
        is_begun = model.state is not FilesState.READY and not _is_elsewhere(model)
        is_idle = is_begun and not model.is_in_use and not model.order_id
        return is_idle and self._clock.now() - self._files.parts_changed_at(model.key) >= _STALE_AFTER_S

    def _is_forgotten(self, model: StoredModel) -> bool:
        is_idle = model.is_adopted and not model.is_in_use and not model.order_id
        return is_idle and self._clock.now() - max(model.used_at, model.since) >= _STALE_AFTER_S


def _is_elsewhere(model: StoredModel) -> bool:
    """Whether the files are outside the store: those are never deleted."""
    return model.is_adopted or model.source.kind not in REMOTE_SOURCES
