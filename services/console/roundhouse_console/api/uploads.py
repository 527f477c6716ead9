"""Model files that a browser brings: passed on to the catalog piece by piece, with the person's own token."""

import re
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from roundhouse_console.api.cookies import language_of
from roundhouse_console.clients.rest import path_of
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import ConsoleError, Refused, SignedOut
from roundhouse_console.kit.refusals import told_in

__all__ = ["upload_routes"]

_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_UPLOAD_ID: Final = re.compile(r"upl_[0-9a-z]{1,64}")
_ELSEWHERE: Final = frozenset(("", ".", ".."))
"""Parts of a path that lead out of the upload."""
_PIECE_TIMEOUT_S: Final = 1800.0
"""After the last piece the catalog reads the whole file once more, to compare it with its digest."""


def upload_routes(most_bytes: int) -> APIRouter:
    """Return where browsers send files of uploads that were announced. Nothing of them is held in memory."""
    router = APIRouter(prefix="/uploads")

    @router.put("/{upload_id}/{path:path}")
    async def send_piece(request: Request, upload_id: str, path: str) -> Response:
        person: SignedIn = request.state.person
        if not _UPLOAD_ID.fullmatch(upload_id) or not _ELSEWHERE.isdisjoint(path.split("/")):
            return _say(404, "There is no such file of an upload.")
        said = request.headers.get("content-range", "")
        piece = _RANGE.fullmatch(said)
        if said and piece is None:
            return _say(422, f"{said!r} is no Content-Range; want bytes FIRST-LAST/SIZE.")
        if piece is not None and int(piece[3]) > most_bytes:
            return _say(413, f"The file has {piece[3]} bytes; {most_bytes} are allowed (UPLOAD_MOST_BYTES).")
        if piece is None and request.headers.get("content-length") != "0":
            return _say(422, "There is no Content-Range; want bytes FIRST-LAST/SIZE.")
        headers = {"content-length": request.headers.get("content-length", "0")}
        if said:
            headers["content-range"] = said
        # The token is asked for first: a stream cannot be sent twice, should the last one be void by now.
        target = f"{path_of('/api/v1/uploads/{}/files/', upload_id)}{quote(path, safe='/')}"
        try:
            await person.access_token()
            answer = await person.catalog.send(
                "PUT", target, content=request.stream(), headers=headers, timeout_s=_PIECE_TIMEOUT_S
            )
        except ClientDisconnect:
            return _say(499, "The browser went away.")
        except SignedOut as error:
            return _say(401, told_in(language_of(request), error))
        except ConsoleError as error:
            return _say(error.status if isinstance(error, Refused) else 503, told_in(language_of(request), error))
        return JSONResponse(answer.json())

    return router


def _say(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)
