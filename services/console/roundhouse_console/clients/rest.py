"""One service's REST API, asked for one person."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from roundhouse_common.runtime import Ids
from roundhouse_console.domain.errors import FieldFault, Refused, SignedOut, Unreachable

__all__ = ["Item", "Rest", "path_of", "refusal"]

Item = dict[str, Any]
"""One JSON object as a service sent it. Any: the services own its shape."""

_PAGE: Final = 200
_MOST_ITEMS: Final = 20_000
"""A listing that does not end must not take the memory of everybody."""
_UNAUTHENTICATED: Final = 401


def path_of(template: str, *ids: str) -> str:
    """Return a path with ids in the places of `{}`, quoted: no id of anybody leads elsewhere."""
    return template.format(*(quote(one, safe="") for one in ids))


class Rest:
    """Every method raises Unreachable, Refused or SignedOut, whose text a page shows as it is.

    `token` gives a valid access token, a newer one when it is told that the last was refused.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        service: str,
        base_url: str,
        *,
        token: Callable[[str], Awaitable[str]],
        ids: Ids,
    ) -> None:
        self._http = http
        self._token = token
        self._ids = ids
        self.service = service
        self.base_url = base_url

    async def get(self, path: str, **query: object) -> Item:
        return await self._json("GET", path, query=query)

    async def items(self, path: str, *, most: int = _MOST_ITEMS, **query: object) -> list[Item]:
        """Return the items of a listing, page by page, `most` of them."""
        found: list[Item] = []
        cursor: str | None = None
        while True:
            page = await self.get(path, limit=min(_PAGE, most), cursor=cursor, **query)
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor or len(found) >= most:
                return found[:most]

    async def post(self, path: str, body: Item | None = None, *, etag: str = "", **query: object) -> Item:
        """POST once: the key makes a repetition harmless. With `etag` only onto what that names."""
        headers = {"idempotency-key": self._ids.new("req"), **({"if-match": etag} if etag else {})}
        return await self._json("POST", path, query=query, body=body, headers=headers)

    async def post_text(self, path: str, content: str, media_type: str) -> Item:
        """POST a document as it is, once."""
        headers = {"idempotency-key": self._ids.new("req"), "content-type": media_type}
        return _object(await self.send("POST", path, content=content.encode(), headers=headers))

    async def patch(self, path: str, body: Item, *, etag: str = "") -> Item:
        """Change what `etag` names, or what is there now. Refused with 412 when somebody changed it meanwhile."""
        etag = etag or (await self.send("GET", path)).headers.get("etag", "*")
        return await self._json("PATCH", path, body=body, headers={"if-match": etag})

    async def put(self, path: str, body: Item, *, etag: str = "*") -> Item:
        return await self._json("PUT", path, body=body, headers={"if-match": etag})

    async def delete(self, path: str, *, etag: str = "*", **query: object) -> None:
        await self.send("DELETE", path, query=query, headers={"if-match": etag})

    async def with_etag(self, path: str) -> tuple[Item, str]:
        """Return an object and what a later change of just this state names."""
        answer = await self.send("GET", path)
        return _object(answer), answer.headers.get("etag", "*")

    async def text(self, path: str, **query: object) -> str:
        """Return an answer that is not JSON."""
        return (await self.send("GET", path, query=query)).text

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Item | None = None,
        content: AsyncIterator[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Ask once, and once more with a fresh token when the last one was void before its time."""
        refused = ""
        while True:
            token = await self._token(refused)
            request = self._request(method, path, token, query, body, content, headers)
            if timeout_s is not None:
                request.extensions["timeout"] = httpx.Timeout(timeout_s).as_dict()
            try:
                answer = await self._http.send(request)
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            if answer.status_code == _UNAUTHENTICATED and not refused and not isinstance(content, AsyncIterator):
                refused = token
                continue
            if answer.is_error:
                raise self._refused(answer)
            return answer

    @asynccontextmanager
    async def stream(self, method: str, path: str, **query: object) -> AsyncIterator[httpx.Response]:
        """Open an answer that may go on for ever, e.g. a log that is followed."""
        request = self._request(method, path, await self._token(""), query, None, None, None)
        request.extensions["timeout"] = httpx.Timeout(None, connect=5.0).as_dict()
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        try:
            if answer.is_error:
                await answer.aread()
                raise self._refused(answer)
            yield answer
        finally:
            await answer.aclose()

    def _request(
        self,
        method: str,
        path: str,
        token: str,
        query: Mapping[str, object] | None,
        body: Item | None,
        content: AsyncIterator[bytes] | bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        return self._http.build_request(
            method,
            f"{self.base_url}{path}",
            params=_given(query or {}),
            json=body,
            content=content,
            headers={"authorization": f"Bearer {token}", **(headers or {})},
        )

    async def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Item | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Item:
        return _object(await self.send(method, path, query=query, body=body, headers=headers))

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        slow = isinstance(error, httpx.TimeoutException)
        return Unreachable(self.service, "it took too long" if slow else str(error) or type(error).__name__)

    def _refused(self, answer: httpx.Response) -> Exception:
        if answer.status_code == _UNAUTHENTICATED:
            return SignedOut()
        return refusal(self.service, answer)


def refusal(service: str, answer: httpx.Response) -> Refused:
    """Return a problem (RFC 9457), or whatever came instead of one, as an error."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    return Refused(
        service=service,
        status=answer.status_code,
        code=str(problem.get("code", "")),
        detail=str(problem.get("detail", "")),
        request_id=answer.headers.get("x-request-id", ""),
        faults=[
            FieldFault(str(one.get("field", "")), str(one.get("message", "")))
            for one in problem.get("errors", [])
            if isinstance(one, dict)
        ],
    )


def _object(answer: httpx.Response) -> Item:
    if not answer.content:
        return {}
    found: Item = json.loads(answer.content)
    return found


def _given(query: Mapping[str, object]) -> dict[str, Any]:
    """Return the parameters that have a value, as the services spell it."""
    given: dict[str, Any] = {}
    for name, value in query.items():
        if value is None or value == "":
            continue
        given[name] = str(value).lower() if isinstance(value, bool) else value
    return given
