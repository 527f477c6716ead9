"""The thread that puts the spool on stable storage."""

import asyncio
import os
from pathlib import Path

import pytest

from roundhouse_router.store.syncer import Syncer


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


def test_a_loop_that_is_closed_does_not_end_the_thread(tmp_path: Path) -> None:
    syncer = Syncer()

    async def leave() -> None:
        asyncio.ensure_future(syncer.sync(opened(tmp_path / "one"), [tmp_path] * 50))  # noqa: RUF006 - cut off by the end
        await asyncio.sleep(0)

    async def again() -> None:
        await syncer.sync(opened(tmp_path / "two"), [])

    asyncio.run(leave())
    asyncio.run(again())
    syncer.close()


async def test_a_syncer_that_was_never_asked_closes() -> None:
    Syncer().close()
