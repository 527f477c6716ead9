"""A bucket on top of a wire."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar

import structlog

from roundhouse_common.bus.access import Access
from roundhouse_common.bus.api import Entry, RevisionConflict
from roundhouse_common.bus.changes import Changes
from roundhouse_common.bus.codec import Undecodable, decode, encode
from roundhouse_common.bus.headers import EXPECTED_REVISION, KV_OPERATION, traced
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.provisioner import Provisioner
from roundhouse_common.bus.wire import STORE_S, Packet, Stored, Wire
from roundhouse_common.contracts.base import Bucket, Message
from roundhouse_common.contracts.generate.subjects import bucket_key, bucket_subject, hint_subject, stream_name

__all__ = ["WireBucket"]

M = TypeVar("M", bound=Message)

_STORED_SEQUENCE = "Nats-Sequence"
_log = structlog.get_logger("roundhouse.bus")


class WireBucket(Generic[M]):
    """`KeyValue` over a stream that keeps the last message of each subject."""

    def __init__(
        self, wire: Wire, contract: Bucket[M], *, provisioner: Provisioner, access: Access, metrics: BusMetrics
    ) -> None:
        self._wire = wire
        self._contract = contract
        self._provisioner = provisioner
        self._access = access
        self._metrics = metrics
        self._stream = stream_name(contract)

    async def get(self, key: str) -> Entry[M] | None:
        self._access.must_read_key(self._contract, key)
        stored = await self._last(key)
        return self._entry(stored, stored.sequence) if stored else None

    async def put(self, key: str, value: M, *, expected_revision: int | None = None) -> int:
        try:
            return await self._store(key, encode(value), expected_revision)
        except RevisionConflict:
            # A deleted key still has a marker with a revision of its own: for "must not exist", that is absent.
            stored = await self._last(key)
            if expected_revision != 0 or stored is None or not _is_deleted(stored):
                raise
            return await self._store(key, encode(value), stored.sequence)

    async def delete(self, key: str) -> None:
        await self._store(key, b"", None, {KV_OPERATION: "DEL"})

    async def list(self, *, only_key: str | None = None) -> dict[str, Entry[M]]:
        if only_key is not None:
            entry = await self.get(only_key)
            return {only_key: entry} if entry else {}
        self._access.must_read_key(self._contract, None)
        everything = bucket_subject(self._contract)
        stored = await self._provisioner.with_stream(self._stream, lambda: self._wire.read(self._stream, everything))
        # In the order of the stream: of a key that was written during the read, the newest comes last and stays.
        newest = {bucket_key(one.subject): one for one in stored}
        entries = (self._entry(one, one.sequence) for one in newest.values())
        return {entry.key: entry for entry in entries if entry}

    def watch(self, *, only_key: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Entry[M] | None]]:
        self._access.must_read_key(self._contract, only_key)
        return self._watch(only_key or ">")

    @asynccontextmanager
    async def _watch(self, keys: str) -> AsyncIterator[AsyncIterator[Entry[M] | None]]:
        changes: Changes[Entry[M]] = Changes()

        async def hinted(packet: Packet) -> None:
            entry = self._entry(packet, int(packet.headers.get(_STORED_SEQUENCE, "0")))
            if entry:
                changes.push(entry)

        undo = self._wire.on_connection(lambda _: changes.push(None))
        listening = await self._wire.listen(hint_subject(self._contract, keys), hinted)
        try:
            yield changes
        finally:
            undo()
            await listening.stop()

    async def _store(
        self, key: str, payload: bytes, expected_revision: int | None, extra: dict[str, str] | None = None
    ) -> int:
        self._access.must_write_key(self._contract, key)
        headers = traced(extra)
        if expected_revision is not None:
            headers[EXPECTED_REVISION] = str(expected_revision)
        subject = bucket_subject(self._contract, key)
        return await self._provisioner.with_stream(
            self._stream, lambda: self._wire.store(subject, payload, headers, STORE_S)
        )

    async def _last(self, key: str) -> Stored | None:
        subject = bucket_subject(self._contract, key)
        return await self._provisioner.with_stream(self._stream, lambda: self._wire.last(self._stream, subject))

    def _entry(self, packet: Packet | Stored, revision: int) -> Entry[M] | None:
        if _is_deleted(packet):
            return None
        try:
            value = decode(self._contract.message, packet.payload)
        except Undecodable as error:
            self._metrics.undecodable.labels(self._contract.subject).inc()
            _log.warning(
                "bus.entry_undecodable", bucket=self._contract.subject, subject=packet.subject, error=str(error)
            )
            return None
        return Entry(key=bucket_key(packet.subject), revision=revision, value=value)


def _is_deleted(packet: Packet) -> bool:
    return KV_OPERATION in packet.headers
