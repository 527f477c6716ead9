"""How each model on this node stands, and since when: what the node tells the scheduler."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, FileWish, StoredModel
from roundhouse_common.model_sources import shown_uri, source_key
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.model_files import Standing, Wanted
from roundhouse_node_agent.models.shelf import LocalFiles, Shelf
from roundhouse_node_agent.transfers.messages import Progress

__all__ = ["Standings"]

_GONE = (FileWish.CANCEL, FileWish.REMOVE)
_NO_PROGRESS = Progress()
_PLAIN_STEPS = ("", "fetching")
"""What the state says anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    standing: Standing
    since: float
    source: ModelSource
    order_id: str = ""
    attempt: int = 0


class Standings:
    """`take` what each look found; `models` tells it with the progress of this moment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._names: dict[str, str] = {}

    @property
    def names(self) -> Mapping[str, str]:
        """How people call the models, by key."""
        return self._names

    def name(self, source: ModelSource, name: str) -> None:
        if name:
            self._names[source_key(source)] = name

    def take(
        self,
        standings: Mapping[str, Standing],
        wanted: Mapping[str, Wanted],
        local: Sequence[FileOrder],
        shelf: Shelf,
    ) -> None:
        """Take in one look."""
        now, known = self._clock.now(), {}
        for key, standing in standings.items():
            item, source = wanted.get(key), _source_of(key, wanted, shelf) or self._source_before(key)
            if source is None:
                continue
            order_id, attempt = (item.order_id, item.attempt) if item is not None else ("", 0)
            known[key] = self._stood(key, standing, source, order_id, attempt, now, shelf)
            if item is not None:
                self.name(item.source, item.name)
        for order in local:
            key = source_key(order.source)
            found = shelf.local.get(key)
            if found is not None and order.wish not in _GONE:
                known[key] = self._stood(key, _local(found), order.source, order.order_id, order.attempt, now, shelf)
                self.name(order.source, order.name)
        self._known = known
        self._names = {key: name for key, name in self._names.items() if key in known}

    def models(self, shelf: Shelf, progress: Mapping[str, Progress], in_use: frozenset[str]) -> tuple[StoredModel, ...]:
        return tuple(
            _model(
                key, known, self._names.get(key) or shelf.names.get(key, ""), shelf, progress.get(key), key in in_use
            )
            for key, known in sorted(self._known.items())
        )

    def _stood(
        self, key: str, standing: Standing, source: ModelSource, order_id: str, attempt: int, now: float, shelf: Shelf
    ) -> _Known:
        before = self._known.get(key)
        if before is not None and before.standing.state is standing.state:
            since = before.since
        else:
            found = shelf.stored.get(key)
            is_first = before is None and found is not None and standing.state is FilesState.READY
            since = found.published_at if is_first and found is not None else now
        return _Known(standing=standing, since=since, source=source, order_id=order_id, attempt=attempt)

    def _source_before(self, key: str) -> ModelSource | None:
        before = self._known.get(key)
        return before.source if before is not None else None


def _source_of(key: str, wanted: Mapping[str, Wanted], shelf: Shelf) -> ModelSource | None:
    if key in wanted:
        return wanted[key].source
    if key in shelf.stored:
        return shelf.stored[key].manifest.source
    return shelf.unfinished[key].source if key in shelf.unfinished else None


def _local(found: LocalFiles) -> Standing:
    if found.error:
        return Standing(state=FilesState.FAILED, detail=found.error)
    return Standing(state=FilesState.READY)


def _model(key: str, known: _Known, name: str, shelf: Shelf, progress: Progress | None, is_in_use: bool) -> StoredModel:
    stored, begun, local = shelf.stored.get(key), shelf.unfinished.get(key), shelf.local.get(key)
    model = StoredModel(
        key=key,
        name=name or shown_uri(known.source),
        source=known.source,
        state=known.standing.state,
        order_id=known.order_id,
        attempt=known.attempt,
        detail=known.standing.detail,
        since=known.since,
        is_in_use=is_in_use,
    )
    if stored is not None:
        return msgspec.structs.replace(
            model,
            revision=stored.manifest.revision,
            total_bytes=stored.size_bytes,
            stored_bytes=stored.size_bytes,
            file_count=len(stored.manifest.files),
            used_at=stored.used_at if stored.used_at > stored.published_at else 0.0,
            is_adopted=stored.is_adopted,
            path=stored.path,
        )
    if local is not None:
        size = local.size_bytes
        return msgspec.structs.replace(
            model, total_bytes=size, stored_bytes=size, file_count=local.file_count, path=local.path
        )
    now = progress or _NO_PROGRESS
    if model.state is FilesState.FETCHING and now.step not in _PLAIN_STEPS:
        model = msgspec.structs.replace(model, detail=now.step)
    if begun is None:
        return msgspec.structs.replace(
            model, total_bytes=now.total_bytes, stored_bytes=now.stored_bytes, revision=now.revision
        )
    return msgspec.structs.replace(
        model,
        total_bytes=now.total_bytes or begun.total_bytes,
        stored_bytes=max(now.stored_bytes, begun.stored_bytes) if progress is not None else begun.stored_bytes,
        file_count=begun.file_count,
        revision=now.revision or begun.revision,
    )
