"""Room for the spool that is reserved and mapped: it is given back, and no line is torn at its edges."""

import os
from pathlib import Path

import pytest

from roundhouse_router.store.segments import segment_path
from roundhouse_router.store.window import Window, can_reserve
from tests.component.router.test_router_spool import abandon, everything, opened, serve

MIB = 1024 * 1024
MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:35 / /data rw - btrfs /dev/sdb rw
31 22 0:36 / /run rw shared:5 master:1 - tmpfs tmpfs rw
"""


async def test_room_behind_the_last_line_is_given_back_after_a_kill(tmp_path: Path) -> None:
    spool = opened(tmp_path, is_mapped=True)
    records = serve(spool, 3)
    written = spool.writer.offset
    abandon(spool)
    path = segment_path(tmp_path, 1)
    assert path.stat().st_size >= MIB, "the test needs reserved room"
    again = opened(tmp_path, is_mapped=True)
    assert path.stat().st_size == written
    assert again.counters.damaged_lines == 0
    assert (again.writer.sealed[0].size, await everything(again)) == (written, records)


async def test_a_closed_segment_ends_with_its_last_line(tmp_path: Path) -> None:
    spool = opened(tmp_path, is_mapped=True, segment_bytes=3000)
    records = serve(spool, 12)
    for sealed in spool.writer.sealed:
        path = segment_path(tmp_path, sealed.number)
        assert path.stat().st_size == sealed.size
        assert path.read_bytes().endswith(b"\n")
    assert await everything(spool) == records
    last, size = segment_path(tmp_path, spool.writer.number), spool.writer.offset
    spool.close()
    assert last.stat().st_size == size


async def test_lines_across_the_edge_of_a_window_are_whole(tmp_path: Path) -> None:
    spool = opened(tmp_path, is_mapped=True)
    records = serve(spool, 2500)
    assert spool.writer.offset > 2 * MIB, "the test needs several windows"
    assert await everything(spool) == records
    abandon(spool)
    again = opened(tmp_path, is_mapped=True)
    assert again.counters.damaged_lines == 0
    assert await everything(again) == records


@pytest.mark.parametrize("is_refused", [False, True], ids=["taken", "refused"])
def test_zeros_are_written_ahead_only_while_much_is_written(
    is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead: list[int] = []
    pwrite = os.pwrite

    def watched(fd: int, data: bytes, offset: int) -> int:
        ahead.append(offset)
        if is_refused:
            raise OSError("refused")
        return pwrite(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", watched)
    path = tmp_path / "segment"
    fd, window, lines = os.open(path, os.O_RDWR | os.O_CREAT), Window(), b""
    try:
        for is_synced in (True, True, False, False, False):
            if is_synced:
                window.synced(len(lines))
            for number in range(60):
                line = b"%d " % number * 600 + b"\n"
                assert window.put(fd, len(lines), line)
                lines += line
            assert bool(ahead) is not is_synced, "60 lines are less than what is much, 120 are more"
    finally:
        window.close()
        os.close(fd)
    assert path.read_bytes().rstrip(b"\0") == lines


def test_a_file_without_room_is_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "read-only"
    path.touch()
    fd, window = os.open(path, os.O_RDONLY), Window()
    try:
        assert not window.put(fd, 0, b"line")
    finally:
        os.close(fd)
    assert path.read_bytes() == b""


@pytest.mark.parametrize(("device", "is_kept"), [((8, 1), True), ((0, 35), False), ((0, 36), True), ((0, 99), False)])
def test_room_is_reserved_where_the_file_system_keeps_it(
    device: tuple[int, int], is_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)

    class Stated:
        st_dev = os.makedev(*device)

    directory = tmp_path / "spool"
    monkeypatch.setattr(Path, "stat", lambda self: Stated())
    assert can_reserve(directory, mounts) is is_kept
    assert not can_reserve(directory, tmp_path / "missing")
