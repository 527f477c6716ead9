"""A publisher that is cancelled ends, also when its bus fails at the same moment."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from roundhouse_common.bus.api import Bus, BusUnavailable
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.registry import KEYS
from roundhouse_common.contracts.routing import ApiKeyRecord


class FailingBucket:
    """Every put fails, once it is told to."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.fails = asyncio.Event()
        self.puts = 0

    async def list(self, **_: object) -> Mapping[str, Any]:
        return {}

    async def put(self, _key: str, _value: ApiKeyRecord) -> int:
        self.puts += 1
        self.is_asked.set()
        await self.fails.wait()
        raise BusUnavailable("gone")


class OneBucket:
    def __init__(self, bucket: FailingBucket) -> None:
        self._bucket = bucket

    def bucket(self, _contract: object) -> FailingBucket:
        return self._bucket


def publisher_of(bucket: FailingBucket, keys: int) -> Publisher[ApiKeyRecord]:
    async def desired() -> Mapping[str, ApiKeyRecord]:
        return dict.fromkeys([f"key_{number}" for number in range(keys)], cast(ApiKeyRecord, "a record"))

    return Publisher(cast(Bus, OneBucket(bucket)), KEYS, desired=desired)


async def test_a_cancellation_that_comes_with_a_failure_is_not_lost() -> None:
    bucket = FailingBucket()
    publisher = publisher_of(bucket, keys=1)

    async def for_ever() -> None:
        while True:
            try:
                await publisher.sync()
            except BusUnavailable:
                await asyncio.sleep(3600)

    task = asyncio.create_task(for_ever())
    await bucket.is_asked.wait()
    bucket.fails.set()
    for _ in range(2):  # its put has failed, and it does not know yet
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=20)
    assert done == {task}
    assert task.cancelled()


async def test_a_failure_is_raised_and_nothing_more_is_written() -> None:
    bucket = FailingBucket()
    bucket.fails.set()
    with pytest.raises(BusUnavailable, match="gone"):
        await publisher_of(bucket, keys=100).sync()
    assert bucket.puts < 100
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
