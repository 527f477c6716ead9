"""Pieces of files on their way from a browser to the catalog."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from roundhouse_common.runtime import SystemIds
from roundhouse_console.api.uploads import upload_routes
from roundhouse_console.clients.rest import Rest

_MOST = 100


async def sent(
    path: str, body: bytes, status: int = 200, *, content_range: str = ""
) -> tuple[httpx.Response, list[Any]]:
    """Send a piece through the route to a catalog that answers with `status`; return the answer and what came there."""
    came: list[Any] = []

    async def catalog(request: httpx.Request) -> httpx.Response:
        came.append((request.url.raw_path.decode(), dict(request.headers), await request.aread()))
        return httpx.Response(status, json={"offset": 3, "is_whole": True, "detail": "no"})

    async def token(_refused: str = "") -> str:
        return "secret"

    http = httpx.AsyncClient(transport=httpx.MockTransport(catalog))
    rest = Rest(http, "catalog", "http://catalog", token=token, ids=SystemIds())
    web = FastAPI()
    web.include_router(upload_routes(_MOST))

    @web.middleware("http")
    async def signed_in(request: Request, go_on: Any) -> Any:
        request.state.person = SimpleNamespace(catalog=rest, access_token=token)
        return await go_on(request)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://console") as browser:
        headers = {"content-range": content_range} if content_range else {}
        return await browser.put(path, content=body, headers=headers), came


async def test_a_piece_goes_to_its_file_with_the_persons_token() -> None:
    answer, came = await sent("/uploads/upl_1/a%20dir/m%C3%B6.gguf", b"abc", content_range="bytes 0-2/3")
    assert (answer.status_code, answer.json()["is_whole"]) == (200, True)
    [(path, headers, body)] = came
    assert path == "/api/v1/uploads/upl_1/files/a%20dir/m%C3%B6.gguf"
    assert (headers["authorization"], headers["content-range"], headers["content-length"], body) == (
        "Bearer secret",
        "bytes 0-2/3",
        "3",
        b"abc",
    )


@pytest.mark.parametrize(("said", "status"), [("bytes 0-2/101", 413), ("bytes=0-2", 422), ("", 422)])
async def test_what_is_too_large_or_says_no_place_never_reaches_the_catalog(said: str, status: int) -> None:
    answer, came = await sent("/uploads/upl_1/a.gguf", b"abc", content_range=said)
    assert (answer.status_code, came) == (status, [])


async def test_what_the_catalog_refuses_is_told_as_it_says_it() -> None:
    answer, _ = await sent("/uploads/upl_1/a.gguf", b"abc", status=409, content_range="bytes 0-2/3")
    assert (answer.status_code, answer.json()["detail"]) == (409, "no")


@pytest.mark.parametrize("path", ["..%2Fmodels/x", "../x", "upl_1/../../models/x", "upl_1/a//b", "upl_1/..", "mdl_1/x"])
async def test_no_path_leads_out_of_an_upload(path: str) -> None:
    """The route carries the person's token, so it goes where it says and nowhere else."""
    answer, came = await sent(f"/uploads/{path}", b"abc", content_range="bytes 0-2/3")
    assert (answer.status_code, came) == (404, [])
    encoded, came = await sent(f"/uploads/{path.replace('..', '%2E%2E')}", b"abc", content_range="bytes 0-2/3")
    assert (encoded.status_code, came) == (404, [])
