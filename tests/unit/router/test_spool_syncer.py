"""The thread that puts the spool on stable storage."""

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from roundhouse_router.store.segments import Head, segment_path
from roundhouse_router.store.syncer import Syncer
from roundhouse_router.store.writer import SegmentWriter, SpoolCounters


def opened(path: Path) -> int:
    path.write_bytes(b"data")
    return os.open(path, os.O_RDONLY)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


async def test_a_file_is_taken_over_and_closed_when_it_is_synced(tmp_path: Path) -> None:
    syncer = Syncer()
    for number in range(3):
        fd = opened(tmp_path / str(number))
        await syncer.sync(fd, [tmp_path])
        assert not is_open(fd)
    syncer.close()


async def test_who_waits_hears_of_the_failure_and_the_next_sync_is_made(tmp_path: Path) -> None:
    syncer = Syncer()
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="Invalid argument"):  # a pipe cannot be synced
        await syncer.sync(writing, [])
    os.close(reading)
    assert not is_open(writing)
    fd = opened(tmp_path / "one")
    with pytest.raises(FileNotFoundError):
        await syncer.sync(fd, [tmp_path / "gone"])
    assert not is_open(fd)
    await syncer.sync(opened(tmp_path / "two"), [])
    syncer.close()


async def test_closing_waits_for_what_was_begun_though_nobody_else_does(tmp_path: Path) -> None:
    syncer = Syncer()
    fds = [opened(tmp_path / str(number)) for number in range(20)]
    waiting = [asyncio.ensure_future(syncer.sync(fd, [tmp_path])) for fd in fds]
    await asyncio.sleep(0)
    for one in waiting[:10]:
        one.cancel()
    syncer.close()
    assert not any(map(is_open, fds))
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in ended] == [asyncio.CancelledError] * 10 + [type(None)] * 10


def test_a_loop_that_is_closed_does_not_end_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncer, may_end = Syncer(), threading.Event()
    monkeypatch.setattr("roundhouse_router.store.syncer._sync_data", lambda fd: may_end.wait(20))

    async def leave() -> None:
        asyncio.ensure_future(syncer.sync(opened(tmp_path / "one"), []))  # noqa: RUF006 - cut off by the end
        await asyncio.sleep(0)

    async def again() -> None:
        may_end.set()
        async with asyncio.timeout(20):
            await syncer.sync(opened(tmp_path / "two"), [])

    asyncio.run(leave())
    asyncio.run(again())
    syncer.close()


async def test_a_thread_that_cannot_be_started_is_a_failure_of_this_sync_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    syncer, fd = Syncer(), opened(tmp_path / "one")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OSError, match="can't start new thread"):
            await syncer.sync(fd, [])
        syncer.close()
    assert not is_open(fd)
    async with asyncio.timeout(20):
        await syncer.sync(opened(tmp_path / "two"), [])
    syncer.close()


async def test_a_defect_is_raised_where_the_sync_is_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise MemoryError

    syncer = Syncer()
    with monkeypatch.context() as patched:
        patched.setattr("roundhouse_router.store.syncer._sync_data", fail)
        with pytest.raises(MemoryError):
            await asyncio.wait_for(syncer.sync(opened(tmp_path / "one"), []), 20)
    await asyncio.wait_for(syncer.sync(opened(tmp_path / "two"), []), 20)
    syncer.close()


async def test_a_spool_syncs_its_segment_what_was_closed_meanwhile_and_once_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []
    real = Syncer.sync

    async def seen(syncer: Syncer, fd: int, paths: Sequence[Path]) -> None:
        current = os.readlink(f"/proc/self/fd/{fd}")
        synced.append([Path(current).name, *(path.name for path in paths)])
        if len(synced) == 2:
            writer.roll()  # while the sync is under way
            writer.write(b"x\n", 0)
        await real(syncer, fd, paths)

    monkeypatch.setattr(Syncer, "sync", seen)
    writer = SegmentWriter(
        tmp_path,
        first_number=1,
        segment_bytes=1000,
        head=lambda: Head(router_id="rtr_1", next_sequence=1, created_at=0.0),
        sealed=[],
        counters=SpoolCounters(),
    )
    first, second = (segment_path(tmp_path, number).name for number in (1, 2))
    for _ in range(4):
        writer.write(b"x\n", 0)
        assert await writer.sync()
    assert synced == [[first, tmp_path.name], [first], [second, first, tmp_path.name], [second]]
    assert not writer.is_behind
    assert not await writer.sync()
    writer.close()


async def test_a_syncer_that_was_never_asked_closes() -> None:
    Syncer().close()
