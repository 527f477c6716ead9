"""What the test tool sends to the router, and what it never sends anywhere else."""

from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from roundhouse_console.clients.router_call import open_call
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import Unreachable
from roundhouse_console.domain.testing import FORM, MULTIPART, Call, File, call_of

_ROUTER = "http://router.test:8800"


def _person(answer: httpx.MockTransport) -> SignedIn:
    person = SimpleNamespace(http=httpx.AsyncClient(transport=answer), addresses=SimpleNamespace(router=_ROUTER))
    return cast("SignedIn", person)


async def _sent(call: Call) -> tuple[httpx.Request, bytes]:
    seen: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        await request.aread()
        seen.append(request)
        return httpx.Response(418, content=b"no")

    async with open_call(_person(httpx.MockTransport(answer)), call, "rh-secret") as got:
        assert got.status_code == 418
        assert await got.aread() == b"no"
    return seen[0], seen[0].content


async def test_a_request_has_the_key_the_parameters_and_the_body() -> None:
    request, body = await _sent(call_of("POST", "/v1/completions?a=1", query="b=2", body="{}"))
    assert str(request.url) == f"{_ROUTER}/v1/completions?a=1&b=2"
    assert request.headers["authorization"] == "Bearer rh-secret"
    assert (request.headers["content-type"], body) == ("application/json", b"{}")


async def test_a_key_that_was_typed_goes_before_the_kept_one() -> None:
    request, body = await _sent(call_of("GET", "/v1/models", headers="Authorization: Bearer mine"))
    assert request.headers.get_list("authorization") == ["Bearer mine"]
    assert body == b""


async def test_forms_and_files_are_encoded() -> None:
    request, body = await _sent(call_of("POST", "/x", content_type=FORM, body="a=1\na=2 3"))
    assert (request.headers["content-type"], body) == (FORM, b"a=1&a=2+3")
    sound = File("file", "a.wav", "audio/wav", b"RIFF")
    request, body = await _sent(call_of("POST", "/x", content_type=MULTIPART, body="model=m", files=[sound]))
    assert request.headers["content-type"].startswith(f"{MULTIPART}; boundary=")
    assert b'name="model"\r\n\r\nm\r\n' in body
    assert b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF' in body


async def test_a_router_that_is_away_is_said() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Unreachable, match="router"):
        async with open_call(_person(httpx.MockTransport(refuse)), call_of("GET", "/x"), "k"):
            pass
