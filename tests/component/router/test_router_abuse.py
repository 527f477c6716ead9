"""Bytes that no client library sends, against the whole router: clear errors, and it serves on."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from tests.support.running_router import SECRET, Fleet, RunningRouter
from tests.support.scripted_engine import Engine

HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n"
KEY = f"authorization: Bearer {SECRET}\r\n"
GOOD = b'{"model":"tiny","messages":[]}'
ENDLESS = b"[" * 1_000_000


async def sent(router: RunningRouter, data: bytes) -> tuple[int, dict[str, str]]:
    """Send bytes on a connection of their own; return the status and the error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", router.service.port)
    writer.write(data)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20.0)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return int(head.split(b" ")[1]), json.loads(body).get("error", {})


def request(body: bytes, headers: str = KEY) -> bytes:
    return f"{HEAD}{headers}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body


BOMB = gzip.compress(b" " * 10_000_000)
ABUSE = {
    "a compressed bomb": (request(BOMB, f"{KEY}content-encoding: gzip\r\n"), 415, "unsupported_encoding"),
    "a key with other letters": (
        request(GOOD, "authorization: Bearer rh-\u00fc\u00ff\u0080\r\n"),
        401,
        "invalid_api_key",
    ),
    "a key of 30 KB": (request(GOOD, f"authorization: Bearer {'k' * 30_000}\r\n"), 401, "invalid_api_key"),
    "an empty key": (request(GOOD, "authorization: Bearer \r\n"), 401, "invalid_api_key"),
    "a NUL in the key": (request(GOOD, "authorization: Bearer rh-\0\r\n"), 400, "bad_request"),
    "two keys": (request(GOOD, KEY + KEY), 400, "bad_request"),
    "a NUL in the model": (request(b'{"model":"ti\\u0000ny","messages":[]}'), 404, "model_not_found"),
    "half a surrogate": (request(b'{"model":"\\ud800","messages":[]}'), 400, "invalid_json"),
    "no UTF-8": (request(b'{"model":"\xff\xfe","messages":[]}'), 400, "invalid_type"),
    "a deep nest": (request(b'{"model":"tiny","messages":' + ENDLESS), 400, "invalid_json"),
    "a list": (request(b"[]"), 400, "invalid_json"),
    "nothing": (request(b""), 400, "invalid_json"),
    "a NUL in the path": (b"GET /v1/%00 HTTP/1.1\r\nhost: h\r\n\r\n", 404, "unknown_url"),
    "a long announcement": (f"{HEAD}{KEY}content-length: 99999999999\r\n\r\n".encode(), 413, "request_too_large"),
    "a method of its own": (b"BREW /v1/chat/completions HTTP/1.1\r\nhost: h\r\n\r\n", 400, "bad_request"),
    "a broken chunk": (f"{HEAD}{KEY}transfer-encoding: chunked\r\n\r\nxyz\r\n".encode(), 400, "bad_request"),
    "both framings": (request(GOOD, f"{KEY}transfer-encoding: chunked\r\n"), 400, "bad_request"),
}


@pytest.mark.parametrize(("data", "status", "code"), ABUSE.values(), ids=ABUSE)
async def test_abuse_is_told_what_is_wrong(router: RunningRouter, data: bytes, status: int, code: str) -> None:
    got, error = await sent(router, data)
    assert (got, error.get("code")) == (status, code)
    assert error.keys() == {"message", "type", "param", "code"}
    assert SECRET not in str(error)
    assert (await sent(router, request(GOOD)))[0] == 200, "it serves on"


async def test_what_was_no_http_is_counted(router: RunningRouter) -> None:
    await sent(router, b"nonsense\r\n\r\n")
    assert router.metric("roundhouse_router_bad_requests_total", code="bad_request") == 1
    assert router.metric("roundhouse_router_connections") >= 0


async def test_a_client_that_is_too_slow_is_told_and_left(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with RunningRouter(tmp_path, fleet, client_head_timeout_s=0.2, client_body_timeout_s=0.2) as router:
        await fleet.serve(engine)
        await router.ready()
        for begun in (HEAD.encode(), f"{HEAD}{KEY}content-length: 5000\r\n\r\n".encode()):
            status, error = await sent(router, begun)
            assert (status, error["code"]) == (408, "request_timeout")
