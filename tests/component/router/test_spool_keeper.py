"""The spool is synced soon after something was written, and left alone while nothing is."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from roundhouse_common.runtime import SystemClock
from roundhouse_router.loops.spooling import SpoolKeeper
from roundhouse_router.store.writer import Position
from tests.component.router.test_router_spool import admission, opened, opening, serve, settled
from tests.support.eventually import eventually

WHILE_S = 30.0


async def test_who_waits_for_work_is_woken_by_an_admission_and_by_an_outcome(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    await spool.sync()
    record = admission(spool)
    writes: tuple[Callable[[], None], ...] = (
        lambda: spool.admit(opening(record)),
        lambda: spool.settle(settled(record)),
    )
    for write in writes:
        waiting = asyncio.ensure_future(spool.behind(WHILE_S))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done(), "there is nothing to sync"
        write()
        async with asyncio.timeout(5):
            await waiting
        await spool.sync()
    spool.close()


async def test_nobody_waits_while_something_is_not_durable(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    await spool.sync()
    serve(spool, 1)
    async with asyncio.timeout(5):
        await spool.behind(WHILE_S)
    await spool.sync()
    await spool.behind(0.01)  # comes back when the time is over
    spool.close()


async def test_what_is_written_after_a_quiet_time_becomes_durable(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    keeper = asyncio.ensure_future(SpoolKeeper(spool, sync_s=0.01, acknowledged=lambda: Position(0, 0)).run())
    for requests in (1, 3):
        await eventually(lambda: not spool.writer.is_behind)
        serve(spool, requests)
    await eventually(lambda: not spool.writer.is_behind)
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert spool.writer.total_finals == 4
    spool.close()


async def test_acknowledged_segments_go_although_nothing_is_written(tmp_path: Path) -> None:
    spool = opened(tmp_path, SystemClock(), segment_bytes=2000, retain_s=0)
    serve(spool, 12)
    behind = Position(spool.writer.number, 0)
    keeper = asyncio.ensure_future(SpoolKeeper(spool, sync_s=0.001, acknowledged=lambda: behind).run())
    await eventually(lambda: not spool.writer.sealed)
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    spool.close()


async def test_what_a_crowd_writes_becomes_durable_by_one_sync(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    await spool.sync()
    spool.synced.clear()
    keeper = asyncio.ensure_future(SpoolKeeper(spool, sync_s=0.5, acknowledged=lambda: Position(0, 0)).run())
    for _ in range(3):
        serve(spool, 1)
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await spool.synced.wait()
    assert not spool.writer.is_behind
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    spool.close()
