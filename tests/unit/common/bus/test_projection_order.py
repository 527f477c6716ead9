"""When a projection looks: it does not go back in time because one answer was old, nor ask a bus that is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from roundhouse_common.bus.api import BusUnavailable, Entry, NotConnected
from roundhouse_common.bus.changes import Changes
from roundhouse_common.bus.projection import Projection
from roundhouse_common.contracts.registry import KEYS
from roundhouse_common.contracts.routing import ApiKeyRecord
from tests.support.eventually import eventually, never
from tests.support.samples import sample


def entry(revision: int, name: str) -> Entry[ApiKeyRecord]:
    value = ApiKeyRecord(key_id="key_1", sha256="0", name=name, tenant_id="ten_1", user_id="usr_1")
    return Entry(key="key_1", revision=revision, value=value)


class LaggingBucket:
    """A bucket whose reads say what the test wants, as followers of a cluster may."""

    def __init__(self) -> None:
        self.listed: dict[str, Entry[ApiKeyRecord]] = {}
        self.looks = 0
        self.error: BusUnavailable | None = None
        self.changes: Changes[Entry[ApiKeyRecord]] = Changes()

    def bucket(self, contract: object) -> "LaggingBucket":
        return self

    async def list(self, *, only_key: str | None = None) -> dict[str, Entry[ApiKeyRecord]]:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return self.listed

    @asynccontextmanager
    async def watch(self, *, only_key: str | None = None) -> AsyncIterator[Changes[Entry[ApiKeyRecord]]]:
        yield self.changes


@contextmanager
def following(bucket: LaggingBucket, *, relist_s: float = 3600.0) -> Iterator[Projection[ApiKeyRecord]]:
    fake: Any = bucket  # Any: it has what a projection uses of a bus and of a bucket
    projection = Projection(fake, KEYS, relist_s=relist_s)
    running = asyncio.ensure_future(projection.run())
    yield projection
    assert not running.done()
    running.cancel()


def name(projection: Projection[ApiKeyRecord]) -> str:
    return projection.current["key_1"].name if projection.current else ""


async def test_one_old_answer_does_not_bring_an_old_value_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roundhouse_common.bus.projection._SECOND_LOOK_S", 0.2)
    bucket = LaggingBucket()
    with following(bucket, relist_s=0.1) as projection:
        await eventually(lambda: projection.is_synced)
        bucket.changes.push(entry(5, "revoked"))
        await eventually(lambda: name(projection) == "revoked")
        looks = bucket.looks
        bucket.listed = {"key_1": entry(4, "valid")}
        await eventually(lambda: bucket.looks > looks)
        bucket.listed = {"key_1": entry(5, "revoked")}
        await never(lambda: name(projection) == "valid")


async def test_a_bucket_that_began_afresh_is_believed_at_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roundhouse_common.bus.projection._SECOND_LOOK_S", 0.02)
    bucket = LaggingBucket()
    bucket.listed = {"key_1": entry(5, "old")}
    with following(bucket) as projection:
        await eventually(lambda: name(projection) == "old")
        bucket.listed = {"key_1": entry(1, "new")}
        bucket.changes.push(entry(1, "new"))
        await eventually(lambda: name(projection) == "new")


async def test_after_a_reconnect_the_first_listing_is_believed() -> None:
    bucket = LaggingBucket()
    bucket.listed = {"key_1": entry(5, "old")}
    with following(bucket) as projection:
        await eventually(lambda: name(projection) == "old")
        bucket.listed = {"key_1": entry(1, "new")}
        bucket.changes.push(None)
        await eventually(lambda: name(projection) == "new")
        assert bucket.looks == 2


async def test_a_new_key_is_taken_in_although_another_looks_old() -> None:
    bucket = LaggingBucket()
    bucket.listed = {"key_1": entry(5, "new")}
    with following(bucket, relist_s=0.05) as projection:
        await eventually(lambda: projection.is_synced)
        bucket.listed = {"key_1": entry(4, "old"), "key_2": Entry(key="key_2", revision=2, value=sample(ApiKeyRecord))}
        await eventually(lambda: "key_2" in projection.current)
        assert name(projection) == "new"


async def test_a_bus_that_is_away_is_asked_again_when_it_is_back() -> None:
    bucket = LaggingBucket()
    bucket.error = NotConnected("not connected")
    with following(bucket) as projection:
        await eventually(lambda: bucket.looks == 1)
        await never(lambda: bucket.looks > 1)
        bucket.error = None
        bucket.changes.push(None)
        await eventually(lambda: projection.is_synced)


async def test_a_bus_that_does_not_answer_is_asked_again_and_again() -> None:
    bucket = LaggingBucket()
    bucket.error = BusUnavailable("no answer")
    with following(bucket) as projection:
        await eventually(lambda: bucket.looks > 2)
        bucket.error = None
        await eventually(lambda: projection.is_synced)
