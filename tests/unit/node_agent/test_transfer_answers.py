"""What servers say about ranges, sizes and states of a file, and what parts are left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_node_agent.transfers.answers import Extent, extent_of, range_headers, validator_of
from roundhouse_node_agent.transfers.journal import JournalHead
from roundhouse_node_agent.transfers.part_queue import PartQueue, Span


def test_a_part_says_where_it_lies() -> None:
    found = extent_of(206, {"Content-Range": "bytes 100-199/1000"})
    assert found == Extent(start=100, end=200, total=1000, is_part=True)


def test_a_whole_answer_may_not_know_its_length() -> None:
    assert extent_of(200, {}) == Extent(start=0, end=-1, total=-1, is_part=False)
    assert extent_of(200, {"Content-Length": "7"}) == Extent(start=0, end=7, total=7, is_part=False)


def test_an_empty_file_is_told_from_a_range_that_is_not_there() -> None:
    assert extent_of(416, {"Content-Range": "bytes */0"}) == Extent(start=0, end=0, total=0, is_part=False)
    assert extent_of(416, {"Content-Range": "bytes */5"}) is None


@pytest.mark.parametrize("stated", ["", "bytes 0-9/*", "bytes 5-4/10", "bytes 0-10/10", "items 0-1/2", "bytes 1-2"])
def test_a_part_that_does_not_say_where_it_lies_is_not_relied_on(stated: str) -> None:
    assert extent_of(206, {"Content-Range": stated}) is None


def test_an_encoded_answer_is_not_the_file() -> None:
    assert extent_of(200, {"Content-Encoding": "gzip", "Content-Length": "7"}) is None


def test_a_state_is_told_by_its_tag_before_its_time() -> None:
    assert validator_of({"ETag": '"a"', "Last-Modified": "then"}) == '"a"'
    assert validator_of({"Last-Modified": "then"}) == "then"
    assert validator_of({}) == ""


def test_a_weak_tag_is_not_asked_about() -> None:
    assert range_headers(Span(5, 10)) == {"Range": "bytes=5-9"}
    assert range_headers(Span(5, 10), '"a"') == {"Range": "bytes=5-9", "If-Range": '"a"'}
    assert range_headers(Span(5, 10), 'W/"a"') == {"Range": "bytes=5-9"}


@given(size=st.integers(0, 1000), part_bytes=st.integers(1, 300), data=st.data())
def test_missing_parts_cover_what_is_missing_and_nothing_else(size: int, part_bytes: int, data: st.DataObject) -> None:
    head = JournalHead(size=size, part_bytes=part_bytes)
    whole = data.draw(st.sets(st.integers(0, max(0, head.part_count - 1)), max_size=head.part_count))
    queue = PartQueue(head, whole)
    covered = [False] * size
    for part, span in queue.spans():
        assert part not in whole
        for at in range(span.offset, span.end):
            assert not covered[at]
            covered[at] = True
        queue.finish(part)
    assert queue.missing_count == 0
    assert queue.prefix_bytes == size
    assert sum(covered) == sum(
        min(part_bytes, size - part * part_bytes) for part in set(range(head.part_count)) - whole
    )


def test_the_start_of_a_file_grows_only_without_gaps() -> None:
    queue = PartQueue(JournalHead(size=25, part_bytes=10), {1})
    assert queue.prefix_bytes == 0
    queue.finish(2)
    assert queue.prefix_bytes == 0
    queue.finish(0)
    assert queue.prefix_bytes == 25


def test_what_is_written_of_a_part_is_not_asked_for_again() -> None:
    queue = PartQueue(JournalHead(size=25, part_bytes=10), (), {0: 4, 2: 1})
    spans = queue.spans()
    assert [next(spans)[1], next(spans)[1]] == [Span(4, 10), Span(10, 20)]
    assert queue.begun() == {0: 4, 2: 1}
    assert next(spans)[1] == Span(21, 25)


def test_how_far_parts_are_is_known_until_they_are_whole() -> None:
    queue = PartQueue(JournalHead(size=25, part_bytes=10), ())
    taken = dict(queue.spans())
    taken[1].offset += 7
    taken[2].offset += 5
    queue.finish(2)
    assert queue.begun() == {1: 7}
