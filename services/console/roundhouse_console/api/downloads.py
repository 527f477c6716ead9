"""Files that a browser saves: passed on from the services, piece by piece, with the person's own token."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from roundhouse_console.api.cookies import language_of
from roundhouse_console.clients.rest import Rest
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.audit import AUDIT_SHAPES, audit_query
from roundhouse_console.domain.errors import ConsoleError, Refused
from roundhouse_console.domain.usage import records_query
from roundhouse_console.kit.refusals import told_in

__all__ = ["download_routes"]

_USAGE: Final = {
    "usage.csv": ("/api/v1/usage/records.csv", "text/csv"),
    "usage.parquet": ("/api/v1/usage/records.parquet", "application/vnd.apache.parquet"),
    "focus.csv": ("/api/v1/usage/focus.csv", "text/csv"),
}


def download_routes() -> APIRouter:
    """Return what people save as files."""
    router = APIRouter(prefix="/download")

    @router.get("/audit/{shape}")
    async def save_audit(request: Request, shape: str) -> Response:
        if shape not in AUDIT_SHAPES:
            return _missing()
        person: SignedIn = request.state.person
        query = {"format": shape, **audit_query(dict(request.query_params))}
        name, media_type = f"audit.{shape}", AUDIT_SHAPES[shape]
        return await _passed_on(
            request, person.catalog, "/api/v1/audit:export", query, name=name, media_type=media_type
        )

    @router.get("/{name}")
    async def save_usage(request: Request, name: str) -> Response:
        if name not in _USAGE:
            return _missing()
        person: SignedIn = request.state.person
        path, media_type = _USAGE[name]
        query = records_query(dict(request.query_params))
        return await _passed_on(request, person.metering, path, query, name=name, media_type=media_type)

    return router


def _missing() -> Response:
    return PlainTextResponse("There is no such file.", 404)


async def _passed_on(
    request: Request, service: Rest, path: str, query: dict[str, str], *, name: str, media_type: str
) -> Response:
    stack = AsyncExitStack()
    try:
        answer = await stack.enter_async_context(service.stream("GET", path, **query))
    except ConsoleError as error:
        await stack.aclose()
        return PlainTextResponse(
            told_in(language_of(request), error), error.status if isinstance(error, Refused) else 503
        )

    async def pieces() -> AsyncIterator[bytes]:
        async with stack:
            async for piece in answer.aiter_bytes():
                yield piece

    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(pieces(), media_type=media_type, headers=headers)
