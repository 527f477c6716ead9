"""Reading a log that is cut into segments, by line and by offset."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.node import LogQuery
from roundhouse_node_agent.processes.log_files import end_offset, read_range, read_tail
from roundhouse_node_agent.processes.log_queries import LogFeed, answer, new_lines, plain_text


def write(directory: Path, *segments: bytes, first_offset: int = 0) -> None:
    directory.mkdir(exist_ok=True)
    offset = first_offset
    for segment in segments:
        (directory / f"{offset:020d}.log").write_bytes(segment)
        offset += len(segment)


def test_a_range_crosses_segments_and_ends_with_a_whole_line(tmp_path: Path) -> None:
    write(tmp_path, b"one\ntwo\n", b"three\nfour\n", b"fi")
    found = read_range(tmp_path, 4, 100)
    assert found is not None
    assert (found.data, found.next_offset) == (b"two\nthree\nfour\n", 19)
    assert end_offset(tmp_path) == 21


def test_reading_on_from_the_next_offset_gives_every_line_once(tmp_path: Path) -> None:
    write(tmp_path, b"one\ntwo\n", b"three\n", b"four\nfive\n")
    offset, text = 0, b""
    while (found := read_range(tmp_path, offset, 9)) is not None and found.data:
        offset, text = found.next_offset, text + found.data
    assert text == b"one\ntwo\nthree\nfour\nfive\n"


def test_what_was_rotated_away_is_told(tmp_path: Path) -> None:
    write(tmp_path, b"six\n", first_offset=100)
    chunk = answer(tmp_path, LogQuery(replica_id="rep_1", offset=0))
    assert (chunk.offset, chunk.text, chunk.is_truncated) == (100, "six\n", True)
    assert answer(tmp_path, LogQuery(replica_id="rep_1", offset=100)).is_truncated is False


@pytest.mark.parametrize(("lines", "text"), [(0, b""), (1, b"five\n"), (3, b"three\nfour\nfive\n")])
def test_a_tail_is_the_last_lines(tmp_path: Path, lines: int, text: bytes) -> None:
    write(tmp_path, b"one\ntwo\n", b"three\n", b"four\nfive\n")
    found = read_tail(tmp_path, lines, 1000)
    assert found is not None
    assert found.data == text
    assert found.next_offset == 24


def test_a_tail_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    write(tmp_path, b"x" * 50 + b"\n" + b"last\n")
    found = read_tail(tmp_path, 10, 20)
    assert found is not None
    assert found.data == b"last\n"


@given(
    segments=st.lists(
        st.lists(st.sampled_from([b"a\n", b"bb\n", b"\n", b"ccc\n"]), min_size=1), min_size=1, max_size=5
    ),
    lines=st.integers(1, 12),
)
def test_a_tail_of_any_segmentation_is_the_tail_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, segments: list[list[bytes]], lines: int
) -> None:
    directory = tmp_path_factory.mktemp("log")
    write(directory, *[b"".join(segment) for segment in segments])
    whole = b"".join(b"".join(segment) for segment in segments)
    found = read_tail(directory, lines, 10_000)
    assert found is not None
    assert found.data.splitlines() == whole.splitlines()[-lines:]
    assert whole[found.offset : found.next_offset] == found.data


def test_new_lines_come_once_and_only_whole(tmp_path: Path) -> None:
    write(tmp_path, b"one\ntw")
    feed, lines = new_lines("rep_1", LogFeed(directory=tmp_path, offset=0), max_lines=10)
    assert [line.line for line in lines] == ["one"]
    with (tmp_path / f"{0:020d}.log").open("ab") as log:
        log.write(b"o\nthree\n")
    feed, lines = new_lines("rep_1", feed, max_lines=10)
    assert [(line.offset, line.line) for line in lines] == [(4, "two"), (8, "three")]
    assert new_lines("rep_1", feed, max_lines=10) == (feed, [])


def test_a_flood_of_lines_is_cut_and_said_so(tmp_path: Path) -> None:
    write(tmp_path, b"".join(b"%d\n" % number for number in range(9)))
    _, lines = new_lines("rep_1", LogFeed(directory=tmp_path, offset=0), max_lines=2)
    assert [line.line for line in lines] == [
        "[roundhouse] 7 lines are not shown live; read the log to see them",
        "7",
        "8",
    ]


def test_control_characters_and_terminal_codes_do_not_pass() -> None:
    assert plain_text(b"\x1b[31mred\x1b[0m\tand\x00 \xffnew\r\n") == "red\tand �new\n"
