"""The REST APIs of the services, as the command uses them."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from roundhouse_cli.connection import Connection
from roundhouse_cli.credentials import GivenToken, Tokens, tokens_for
from roundhouse_cli.errors import Failure, Refused, Unreachable
from roundhouse_common.runtime import Ids, SystemClock, SystemIds

__all__ = ["Api", "Item", "Readiness", "Services"]

Item = dict[str, Any]
"""One JSON object as a service sent it. Any: the services own its shape; `-o json` prints it untouched."""

_PAGE = 200
_USER_AGENT = f"roundhouse ({platform.node()})"
"""Says to whoever looks at their logins on which host one is."""
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
"""Reading the headers of a model that is elsewhere takes services up to 40 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a service says of itself."""

    is_answering: bool
    why_not: str = ""
    """Why it is not ready; empty when it is."""

    @property
    def is_ready(self) -> bool:
        return self.is_answering and not self.why_not


class Api:
    """One service. Every method raises Unreachable or Refused, whose text can be shown as it is."""

    def __init__(self, http: httpx.Client, service: str, base_url: str, tokens: Tokens, ids: Ids) -> None:
        self._http = http
        self._ids = ids
        self._tokens = tokens
        self.service = service
        self.base_url = base_url

    def get(self, path: str, **query: object) -> Item:
        return self._json("GET", path, query=query)

    def items(self, path: str, **query: object) -> list[Item]:
        """Return every item of a listing, page by page."""
        found: list[Item] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=_PAGE, cursor=cursor, **query)
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return found

    def post(self, path: str, body: Item | None = None) -> Item:
        """POST once: the key makes a repetition by the transport harmless."""
        return self._json("POST", path, body=body, headers={"idempotency-key": self._ids.new("req")})

    def send(self, path: str, content: bytes, content_type: str, **query: object) -> Item:
        """POST a document as it is, once."""
        headers = {"idempotency-key": self._ids.new("req"), "content-type": content_type}
        answer = self._send("POST", path, query=query, content=content, headers=headers)
        found: Item = answer.json()
        return found

    def put(self, path: str, content: Iterator[bytes], headers: dict[str, str]) -> Item:
        """PUT a body of any size, piece by piece; safe to repeat."""
        answer = self._send("PUT", path, content=content, headers=headers)
        found: Item = answer.json()
        return found

    def text(self, path: str, **query: object) -> str:
        """Return an answer that is not JSON."""
        return self._send("GET", path, query=query).text

    def patch(self, path: str, body: Item) -> Item:
        """Change what is there now, whatever its generation."""
        etag = self._send("GET", path).headers.get("etag", "*")
        return self._json("PATCH", path, body=body, headers={"if-match": etag})

    def replace(self, path: str, body: Item) -> Item:
        """Replace the whole of what is there now, whatever its generation."""
        etag = self._send("GET", path).headers.get("etag", "*")
        return self._json("PUT", path, body=body, headers={"if-match": etag})

    def delete(self, path: str, **query: object) -> None:
        self._send("DELETE", path, query=query, headers={"if-match": "*"})

    def readiness(self) -> "Readiness":
        """Ask whether the service is ready; never raises."""
        try:
            answer = self._http.get(f"{self.base_url}/readyz", timeout=2.0)
        except httpx.TransportError as error:
            return Readiness(is_answering=False, why_not=str(error) or type(error).__name__)
        if answer.status_code == httpx.codes.OK:
            return Readiness(is_answering=True)
        checks = answer.json().get("checks", {}) if "json" in answer.headers.get("content-type", "") else {}
        wrong = [f"{name}: {why}" for name, why in checks.items() if why != "ok"]
        return Readiness(is_answering=True, why_not="; ".join(wrong) or f"HTTP {answer.status_code}")

    @contextmanager
    def lines(self, path: str, body: Item | None = None, **query: object) -> Iterator[Iterator[str]]:
        """Open a stream of text lines that may go on for ever."""
        request = self._http.build_request(
            "POST" if body is not None else "GET",
            f"{self.base_url}{path}",
            params=_given(query),
            json=body,
            headers=self._headers({}),
            timeout=httpx.Timeout(None, connect=5.0),
        )
        try:
            answer = self._http.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        try:
            if answer.is_error:
                answer.read()
                raise self._refused(answer)
            yield self._guarded(answer.iter_lines())
        finally:
            answer.close()

    def _guarded(self, lines: Iterator[str]) -> Iterator[str]:
        try:
            yield from lines
        except httpx.TransportError as error:
            raise Failure(f"The stream from the {self.service} broke off: {error}.") from error

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, object] | None = None,
        body: Item | None = None,
        headers: dict[str, str] | None = None,
    ) -> Item:
        answer = self._send(method, path, query=query, body=body, headers=headers)
        try:
            found: Item = answer.json() if answer.content else {}
        except ValueError as error:
            raise Failure(f"What answers at {self.base_url} is not the {self.service} of a Roundhouse.") from error
        return found

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, object] | None = None,
        body: Item | None = None,
        content: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        def ask() -> httpx.Response:
            try:
                return self._http.request(
                    method,
                    f"{self.base_url}{path}",
                    params=_given(query or {}),
                    json=body,
                    content=content,
                    headers=self._headers(headers or {}),
                )
            except httpx.TransportError as error:
                raise self._unreachable(error) from error

        answer = ask()
        is_repeatable = content is None or isinstance(content, bytes)
        if answer.status_code == httpx.codes.UNAUTHORIZED and is_repeatable and self._tokens.renew():
            answer = ask()  # the rights of whoever asks have changed meanwhile: the next token states them
        if answer.is_error:
            raise self._refused(answer)
        return answer

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        token = self._tokens.current()
        return {**more, **({"authorization": f"Bearer {token}"} if token else {})}

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        why = "it does not answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
        return Unreachable(
            f"The {self.service} at {self.base_url} cannot be reached: {why}."
            " `roundhouse status` shows what runs, `roundhouse up` starts it."
        )

    def _refused(self, answer: httpx.Response) -> Refused:
        message, code = _explained(answer)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            message += " `roundhouse whoami` says where the credentials come from, `roundhouse login` gets new ones."
        return Refused(message, status=answer.status_code, code=code)


class Services:
    """All services of one connection, over one pool."""

    def __init__(self, connection: Connection, ids: Ids | None = None) -> None:
        self.connection = connection
        self.http = httpx.Client(timeout=_TIMEOUT, trust_env=False, headers={"user-agent": _USER_AGENT})
        self._ids = ids or SystemIds()
        self.tokens = tokens_for(connection, os.environ, self.http, SystemClock())
        self.catalog = self._api("catalog", connection.catalog_url, self.tokens)
        self.scheduler = self._api("scheduler", connection.scheduler_url, self.tokens)
        self.metering = self._api("metering", connection.metering_url, self.tokens)
        self.router = self._api("router", connection.router_url, GivenToken(connection.api_key))

    def all(self) -> tuple[Api, ...]:
        return (self.router, self.catalog, self.scheduler, self.metering)

    def api(self, service: str, base_url: str) -> Api:
        """Return another service that serves only the operations endpoints."""
        return self._api(service, base_url, GivenToken(""))

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _api(self, service: str, url: str, tokens: Tokens) -> Api:
        return Api(self.http, service, url.rstrip("/"), tokens, self._ids)


def _given(query: dict[str, object]) -> dict[str, str]:
    """Leave out what is None; write booleans as JSON does."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }


def _explained(answer: httpx.Response) -> tuple[str, str]:
    """Return message and code of a problem document (RFC 9457) or of an OpenAI error."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}.", ""
    if isinstance(body.get("error"), dict):
        return str(body["error"].get("message", answer.status_code)), str(body["error"].get("code") or "")
    message = str(body.get("detail") or body.get("title") or answer.status_code)
    fields = [f"{item.get('field')}: {item.get('message')}" for item in body.get("errors") or []]
    return " ".join([message, *(f"({field})" for field in fields if field not in message)]), str(body.get("code", ""))
