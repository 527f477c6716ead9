"""Requests out of bytes: however they are cut, and whatever else comes."""

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.limits import WireLimits
from tests.support.wire import KeptTransport, Seen, connected, settle, split_at

_OURS: Final = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer")
_NAME = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).filter(lambda name: name not in _OURS)
_VALUE = st.text("abc XYZ=;,/\u00e9", max_size=30).map(str.strip)
_BODY = st.binary(max_size=300)
_CUTS = st.lists(st.integers(0, 5000), max_size=12)
Plain = tuple[str, str, dict[str, str], bytes, bool]


@st.composite
def requests(draw: st.DrawFn) -> Plain:
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]))
    path = "/" + draw(st.text("abc/-_.~", max_size=20))
    return method, path, draw(st.dictionaries(_NAME, _VALUE, max_size=6)), draw(_BODY), draw(st.booleans())


def on_the_wire(request: Plain) -> bytes:
    method, path, headers, body, is_chunked = request
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *(f"{name}: {value}" for name, value in headers.items())]
    if is_chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
        framed = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        lines.append(f"Content-Length: {len(body)}")
        framed = body
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + framed


async def feed(pieces: Sequence[bytes], limits: WireLimits | None = None) -> tuple[Seen, KeptTransport]:
    seen = Seen()
    async with connected(seen.handle, limits=limits) as (connection, transport, _):
        for piece in pieces:
            if not transport.is_closed:
                connection.data_received(piece)
                await settle(2)
        await settle(10 + 8 * len(pieces))
        assert (b"connection: close" in transport.written) == (transport.is_closed or transport.has_ended)
    return seen, transport


@given(st.lists(requests(), min_size=1, max_size=5), _CUTS)
async def test_requests_are_the_same_however_they_are_cut(sent: list[Plain], cuts: list[int]) -> None:
    data = b"".join(map(on_the_wire, sent))
    seen, transport = await feed(split_at(data, cuts))
    assert [(one[0], one[1], one[4]) for one in seen.requests] == [(one[0], one[1], one[3]) for one in sent]
    for got, request in zip(seen.requests, sent, strict=True):
        for name, value in request[2].items():
            assert got[3][name.encode()] == value.encode("latin-1")
    assert transport.written.count(b"HTTP/1.1 200") == len(sent)


@given(st.lists(st.binary(max_size=200), max_size=8))
async def test_no_bytes_bring_a_connection_down(pieces: list[bytes]) -> None:
    _, transport = await feed(pieces)
    assert transport.written.count(b"HTTP/1.1 4") + transport.written.count(b"HTTP/1.1 5") <= 1


@given(st.lists(requests(), min_size=1, max_size=3), st.integers(0, 2000), st.binary(min_size=1, max_size=8), _CUTS)
async def test_noise_in_requests_brings_at_most_one_refusal(
    sent: list[Plain], at: int, noise: bytes, cuts: list[int]
) -> None:
    data = b"".join(map(on_the_wire, sent))
    at %= len(data)
    _, transport = await feed(split_at(data[:at] + noise + data[at:], cuts))
    assert transport.written.count(b"HTTP/1.1 4") + transport.written.count(b"HTTP/1.1 5") <= 1


REFUSED = {
    "both framings": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "both framings, the other way": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nX",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "one length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": b"Content-Length: +5\r\n\r\nhello",
    "a hexadecimal length": b"Content-Length: 0x5\r\n\r\nhello",
    "a length beyond 64 bits": b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "another coding": b"Transfer-Encoding: gzip\r\n\r\nhello",
    "a coding before chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in a list of one": b"Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
    "nearly chunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "a chunk with a space": b"Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
    "a chunk longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
    "a NUL in a value": b"A: a\0b\r\n\r\n",
    "a NUL in a name": b"A\0: b\r\n\r\n",
    "a folded line": b"A: a\r\n b\r\n\r\n",
    "a bare carriage return": b"A: a\rB: b\r\n\r\n",
    "a bare line feed": b"A: a\nB: b\r\n\r\n",
    "two hosts": b"Host: other\r\n\r\n",
    "two keys": b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    "a websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("rest", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("width", [1, 7, 10_000])
async def test_what_proxies_might_read_differently_is_refused(rest: bytes, width: int) -> None:
    data = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n" + rest + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
    seen, transport = await feed([data[at : at + width] for at in range(0, len(data), width)])
    assert transport.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"connection: close\r\n" in transport.written
    assert b'{"error":{"message":' in transport.written
    assert seen.requests == []


LINES = {
    b"GET / HTTP/2.0\r\nHost: h\r\n\r\n": 505,
    b"GET / HTTP/1.3\r\nHost: h\r\n\r\n": 400,
    b"GET /\r\n\r\n": 505,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"FETCH / HTTP/1.1\r\nHost: h\r\n\r\n": 400,
    b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n": 400,
    b"GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n": 400,
    b"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n": 400,
    b"GET / HTTP/1.1\nHost: h\n\n": 400,
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 400,
    b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n": 414,
    b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 70_000 + b"\r\n\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"A%d: x\r\n" % n for n in range(201)) + b"\r\n": 431,
}


@pytest.mark.parametrize(("data", "status"), LINES.items(), ids=[line[:20].decode("latin-1") for line in LINES])
@pytest.mark.parametrize("width", [997, 1_000_000])
async def test_requests_beyond_the_limits_are_refused(data: bytes, status: int, width: int) -> None:
    seen, transport = await feed([data[at : at + width] for at in range(0, len(data), width)])
    assert transport.written.startswith(b"HTTP/1.1 %d " % status)
    assert seen.requests == []


async def test_endless_trailers_and_chunk_extensions_are_refused() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    for tail in (b"0\r\nA: " + b"x" * 1000, b"1;" + b"x" * 1000):
        _, transport = await feed([head, tail, *[b"x" * 8000] * 12])
        assert transport.written.startswith(b"HTTP/1.1 400 ")


async def test_trailers_do_not_become_headers_of_the_next_request() -> None:
    body = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Admin: yes\r\n\r\n"
    seen, _ = await feed([body + b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"])
    assert [(one[1], b"x-admin" in one[3]) for one in seen.requests] == [("/a", False), ("/b", False)]


async def test_what_follows_a_request_that_closes_is_never_looked_at() -> None:
    data = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"
    seen, transport = await feed([data])
    assert [one[1] for one in seen.requests] == ["/a"]
    assert b"connection: close\r\n" in transport.written


async def test_a_mistake_behind_a_good_request_waits_for_its_answer() -> None:
    _, transport = await feed([b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n\r\n"])
    first, second = transport.written.split(b"HTTP/1.1 ")[1:]
    assert (first[:3], second[:3]) == (b"200", b"400")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a%20b?x=%20", "/a b", b"x=%20"),
        (b"/a%252Fb", "/a%2Fb", b""),
        (b"/a%00b", "/a\0b", b""),
        (b"http://other/p?q", "/p", b"q"),
        (b"/p#f", "/p", b""),
        (b"/p?q#f", "/p", b"q"),
        (b"//p", "//p", b""),
        (b"/%ff", "/\ufffd", b""),
    ],
)
async def test_paths_are_decoded_once(target: bytes, path: str, query: bytes) -> None:
    seen, _ = await feed([b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n"])
    assert seen.requests[0][1:3] == (path, query)


@pytest.mark.parametrize("width", [1, 50, 1000])
async def test_an_offer_of_http2_is_ignored(width: int) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
    body = b"POST /a HTTP/1.1\r\nHost: h\r\n" + offer + b"Content-Length: 5\r\n\r\nhello"
    chunked = b"POST /b HTTP/1.1\r\nHost: h\r\n" + offer + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    data = body + chunked + body
    seen, _ = await feed([data[at : at + width] for at in range(0, len(data), width)])
    assert [(one[1], one[4]) for one in seen.requests] == [("/a", b"hello"), ("/b", b"hi"), ("/a", b"hello")]
    assert all(b"upgrade" not in one[3] for one in seen.requests)


async def test_repeated_headers_are_joined_and_names_are_lower_case() -> None:
    seen, _ = await feed([b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1 \r\nx-a:\t2\r\n\r\n"])
    assert seen.requests[0][3] == {b"host": b"h", b"x-a": b"1, 2"}


async def test_an_upload_that_nobody_reads_is_made_to_wait() -> None:
    async def idle(exchange: Exchange) -> None:
        await exchange.left()

    async with connected(idle) as (connection, transport, _):
        connection.data_received(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n")
        await settle()
        sent = 0
        while transport.is_reading and sent < 8_000_000:
            connection.data_received(b"x" * 60_000)
            sent += 60_000
        assert sent < 400_000


async def test_requests_ahead_are_kept_up_to_a_bound() -> None:
    async def idle(exchange: Exchange) -> None:
        await exchange.left()

    async with connected(idle) as (connection, transport, _):
        sent = 0
        while transport.is_reading and sent < 1_000_000:
            connection.data_received(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 100)
            sent += 2700
        assert sent < 100_000
