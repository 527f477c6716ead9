"""Every fault of the Hub server is what it says, and leaving the server ends what still hangs."""

import contextlib
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.hub_server import Fault, HubServer

_CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def _get(url: str, part: str = "") -> httpx2.Response:
    return httpx2.get(url, headers={"Range": part} if part else {}, timeout=httpx2.Timeout(1.0))


def test_parts_of_a_file_are_given_by_range_and_tag(hub: HubServer) -> None:
    url = hub.add_file("a.bin", _CONTENT)
    whole = _get(url)
    assert (whole.status_code, whole.content) == (200, _CONTENT)
    part = _get(url, "bytes=5-9")
    assert (part.status_code, part.content) == (206, _CONTENT[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(_CONTENT)}"
    assert _get(url, f"bytes={len(_CONTENT) - 3}-").content == _CONTENT[-3:]
    assert _get(url, f"bytes={len(_CONTENT)}-").status_code == 416
    changed = httpx2.get(url, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, _CONTENT)
    same = httpx2.get(url, headers={"Range": "bytes=5-9", "If-Range": whole.headers["etag"]})
    assert same.status_code == 206


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.LIMITED, 429), (Fault.UNAVAILABLE, 503), (Fault.VANISHED, 404), (Fault.FORBIDDEN, 403)],
)
def test_a_refusal_comes_as_often_as_asked(hub: HubServer, fault: Fault, status: int) -> None:
    url = hub.add_file("a.bin", b"x")
    hub.fail(fault, "*/a.bin", times=2, retry_after="9")
    answers = [_get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers.get("retry-after") == ("9" if fault is Fault.LIMITED else None)
    assert _get(hub.add_file("b.bin", b"x")).status_code == 200


def test_a_cut_ends_the_connection_and_a_stall_does_not(hub: HubServer) -> None:
    url = hub.add_file("a.bin", _CONTENT)
    hub.fail(Fault.CUT, after_bytes=1000)
    with pytest.raises(httpx2.RemoteProtocolError):
        _get(url)
    for fault in (Fault.STALL, Fault.SILENT):
        hub.fail(fault, after_bytes=1000)
        with pytest.raises(httpx2.ReadTimeout):
            _get(url)
    hub.fail(Fault.HUNG_UP)
    with pytest.raises(httpx2.RemoteProtocolError):
        _get(url)
    assert _get(url).content == _CONTENT


def test_a_slow_answer_is_slow_and_a_wrong_one_wrong(hub: HubServer) -> None:
    url = hub.add_file("a.bin", _CONTENT[:40_000])
    hub.fail(Fault.SLOW, rate_bytes_s=100_000)
    start = time.monotonic()
    assert _get(url).content == _CONTENT[:40_000]
    assert time.monotonic() - start >= 0.25  # the last piece comes at once
    hub.fail(Fault.WRONG, after_bytes=3)
    assert [at for at, (a, b) in enumerate(zip(_get(url).content, _CONTENT, strict=False)) if a != b] == [3]
    hub.fail(Fault.RANGE_IGNORED)
    assert _get(url, "bytes=5-9").content == _CONTENT[:40_000]
    hub.fail(Fault.HEAD_REFUSED, times=-1)
    assert httpx2.head(url).status_code == 405
    assert _get(url).status_code == 200


def test_leaving_the_server_ends_what_hangs() -> None:
    with httpx2.Client(timeout=30.0) as client, contextlib.ExitStack() as asked:
        with HubServer() as hub:
            hub.fail(Fault.STALL, after_bytes=10)
            answer = asked.enter_context(client.stream("GET", hub.add_file("a.bin", _CONTENT)))
            assert next(answer.iter_raw())
            start = time.monotonic()
        assert time.monotonic() - start < 20.0
