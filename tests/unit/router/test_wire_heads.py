"""Heads of answers and requests as bytes, and what of them is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.api.edge import id_headers, id_lines
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import LOWERED, Lines, extended, framed, head_end, lines_of
from tests.support.wire import Seen, connected, settle

BROKEN = [b"a\r\nset-cookie: x", b"a\nb", b"a\rb", b"a\0", b"\r\n", b"a\r\n"]
TEXT = st.binary(max_size=20).filter(lambda value: not {*b"\r\n\0"} & {*value})
NAME = st.from_regex(rb"[a-z-]{1,12}", fullmatch=True)
SENT = [(b"x-request-id", b"req-1"), (b"x-left", b"7")]


@given(st.lists(st.tuples(NAME, TEXT)), st.lists(st.tuples(NAME, TEXT)))
def test_lines_are_the_headers_that_they_were_made_of(
    first: list[tuple[bytes, bytes]], more: list[tuple[bytes, bytes]]
) -> None:
    lines = extended(Lines(lines_of(first)), tuple(more))
    assert isinstance(lines, Lines)
    assert list(lines) == first + more
    assert len(lines) == len(first + more)
    assert all(header in lines for header in first + more)
    assert (b"X", b"") not in lines
    assert lines_of(lines) == lines_of(extended(first, tuple(more))) == lines.ready


@pytest.mark.parametrize("value", BROKEN)
def test_nothing_that_breaks_a_line_becomes_one(value: bytes) -> None:
    for header in ((b"content-type", value), (value, b"a")):
        for _ in range(2):  # what was refused once is not remembered as good
            with pytest.raises(ValueError, match="line break"):
                extended(Lines(lines_of(SENT)), (header,))
            with pytest.raises(ValueError, match="line break"):
                lines_of([header])
            with pytest.raises(ValueError, match="line break"):
                lines_of(extended(SENT, (header,)))


@pytest.mark.parametrize("value", BROKEN)
async def test_a_broken_value_beside_ready_lines_is_a_defect_and_never_sent(value: bytes) -> None:
    async def defect(exchange: Exchange) -> None:
        exchange.answer(200, extended(Lines(lines_of(SENT)), ((b"content-type", value),)), b"")

    async with connected(defect) as (connection, transport, _):
        connection.data_received(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        await settle(20)
        assert transport.written.startswith(b"HTTP/1.1 500 ")


def test_what_is_remembered_has_bounds() -> None:
    """Whoever sends other content types all the time finds each of them in its answer, however many."""
    for number in range(2000):
        kind = b"text/%d" % number + b"x" * (number % 500)
        assert list(extended(Lines(b""), ((b"content-type", kind),))) == [(b"content-type", kind)]


@pytest.mark.parametrize("size", [0, 1, 9, 8191, 8192, 100_000])
def test_lengths_are_right_the_first_time_and_again(size: int) -> None:
    for _ in range(2):
        assert head_end(size) == b"content-length: %d\r\n\r\n" % size
        if size:
            assert framed(b"head", b"w" * size, b"\r\n") == b"head%x\r\n%b\r\n" % (size, b"w" * size)


@pytest.mark.parametrize(
    "given_id", [None, b"mine", b"~" * 128, b"~" * 129, b"", b"two words", b"a\r\nb: c", b"\xff", b"a\n"]
)
def test_the_id_is_the_same_as_headers_and_as_lines(given_id: bytes | None) -> None:
    headers = {} if given_id is None else {b"x-request-id": given_id}
    assert list(Lines(id_lines(headers, "req-1"))) == id_headers(headers, "req-1")


def test_names_are_the_same_however_they_are_spelled() -> None:
    assert all(name == spelled.lower() for spelled, name in LOWERED.items())


@pytest.mark.parametrize("name", [b"x-kept", b"X-KEPT", b"Accept", b"aCCept"])
@pytest.mark.parametrize("value", [b"", b" ", b"\t", b"a ", b"a\t \t", b"a b  ", b" a"])
async def test_a_value_is_taken_without_the_space_around_it(name: bytes, value: bytes) -> None:
    seen = Seen()
    async with connected(seen.handle) as (connection, _, _):
        connection.data_received(b"GET /a HTTP/1.1\r\nHost: h\r\n%b:%b\r\n\r\n" % (name, value))
        await settle(20)
    assert seen.requests[0][3][name.lower()] == value.strip()


@pytest.mark.parametrize("again", [b"Content-Length", b"content-length", b"CONTENT-LENGTH", b"cOntent-length"])
async def test_a_length_that_comes_twice_is_refused_however_it_is_spelled(again: bytes) -> None:
    async with connected(Seen().handle) as (connection, transport, _):
        connection.data_received(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n%b: 1\r\n\r\nx" % again)
        await settle(20)
        assert transport.written.startswith(b"HTTP/1.1 400 ")
