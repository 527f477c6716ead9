"""Asking for a file: redirects, credentials, proxies, and what each way to fail means."""

import asyncio
import contextlib
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.transfers.messages import TransferLimits
from roundhouse_node_agent.transfers.refusals import Refusal, Setback, refusal_of, shown

__all__ = ["Place", "Web"]

_MOST_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429})
_MOST_WAIT_S: Final = 300.0
_READ_BYTES: Final = 1024 * 1024
_MOST_HEADER_BYTES: Final = 64 * 1024
"""Redirects lead to signed addresses, which are long."""
_SECRETS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(slots=True, kw_only=True)
class Place:
    """One address of a file, and what became of asking there."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: SourceKind = SourceKind.UNKNOWN
    name: str = ""
    """In words, when it is not told by its host, e.g. a node."""
    is_direct: bool = False
    """Asked without the proxy of the environment."""
    target: URL | None = None
    """Where redirects led, so that not every part asks for the way."""
    has_ranges: bool = True
    ignored_ranges: int = 0
    """How often in a row it answered with something else than the part it was asked for."""
    refusal: str = ""
    """Why it is not asked any more."""
    failures: int = 0
    """In a row."""
    rests_until: float = 0.0
    """On the monotonic clock."""

    @property
    def origin(self) -> str:
        return self.name or URL(self.url).host or self.url


class Web:
    """One session for all files of a transfer."""

    def __init__(self, limits: TransferLimits, clock: Clock) -> None:
        self._clock = clock
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.connect_timeout_s, sock_read=limits.stall_timeout_s
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            max_line_size=_MOST_HEADER_BYTES,
            max_field_size=_MOST_HEADER_BYTES,
            headers={"User-Agent": "roundhouse", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> "Web":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @contextlib.asynccontextmanager
    async def get(self, place: Place, extra: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield an answer of 200, 206 or 416. Raises Refusal and Setback, also for what happens while it is read."""
        try:
            answer = await self._ask(place, extra)
            try:
                yield answer
            finally:
                if not answer.content.at_eof():
                    answer.close()
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
            raise Refusal(
                f"the certificate of {shown(place.url, place.kind)} is not trusted on this node; name your "
                f"authority in SSL_CERT_FILE: {error}"
            ) from error
        except (aiohttp.ClientError, TimeoutError, ConnectionError, asyncio.IncompleteReadError) as error:
            place.target = None
            raise Setback(f"{shown(place.url, place.kind)}: {_words(error)}") from error

    async def _ask(self, place: Place, extra: Mapping[str, str]) -> aiohttp.ClientResponse:
        try:
            return await self._follow(place, extra)
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError):
            raise  # which are ValueErrors, too
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            raise Refusal(f"{shown(place.url, place.kind)} is not an address that can be asked") from error

    async def _follow(self, place: Place, extra: Mapping[str, str]) -> aiohttp.ClientResponse:
        start = URL(place.url)
        url, was_known = place.target or start, place.target is not None
        for _ in range(_MOST_REDIRECTS):
            headers = {**_for(place.headers, start, url), **extra}
            answer = await self._session.get(url, headers=headers, allow_redirects=False, proxy=_proxy(place, url))
            if answer.status in _REDIRECTS and "Location" in answer.headers:
                url = url.join(URL(answer.headers["Location"], encoded=True))
                answer.release()
                if url.scheme not in ("http", "https"):
                    raise Refusal(f"{shown(place.url, place.kind)} leads to an address that is not http: {url.scheme}")
                continue
            if answer.status in (200, 206, 416):
                place.target = url
                return answer
            answer.close()
            if was_known and answer.status < 500 and answer.status not in _PASSING:
                place.target = None  # signed addresses expire: ask for the way again before believing it
                return await self._follow(place, extra)
            raise self._failure(place, answer, has_credentials="authorization" in {name.lower() for name in headers})
        raise Refusal(f"{shown(place.url, place.kind)} leads in circles: more than {_MOST_REDIRECTS} redirects")

    def _failure(self, place: Place, answer: aiohttp.ClientResponse, *, has_credentials: bool) -> Refusal | Setback:
        if answer.status >= 500 or answer.status in _PASSING:
            wait_s = self._retry_after_s(answer.headers.get("Retry-After", ""))
            return Setback(f"{shown(place.url, place.kind)} answered {answer.status}", wait_s=wait_s)
        place.target = None
        return refusal_of(answer.status, place.url, place.kind, answer.headers, has_credentials=has_credentials)

    def _retry_after_s(self, text: str) -> float:
        """Return the seconds that a server asks for; 0 when it does not, and never more than some minutes."""
        try:
            return min(max(float(text), 0.0), _MOST_WAIT_S)
        except ValueError:
            pass
        try:
            at = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError):
            return 0.0
        return min(max(at - self._clock.now(), 0.0), _MOST_WAIT_S)


def _for(headers: Mapping[str, str], start: URL, url: URL) -> Mapping[str, str]:
    """Return the headers for one host: credentials are for the host that they were given for, and for no other."""
    is_same = url.host == start.host and (url.port == start.port or (start.scheme, url.scheme) == ("http", "https"))
    is_downgraded = (start.scheme, url.scheme) == ("https", "http")
    if is_same and not is_downgraded:
        return headers
    return {name: value for name, value in headers.items() if name.lower() not in _SECRETS}


def _proxy(place: Place, url: URL) -> str | None:
    """Return the proxy that the environment names. (The session would read passwords from ~/.netrc, too.)"""
    if place.is_direct or urllib.request.proxy_bypass(url.host or ""):
        return None
    return urllib.request.getproxies().get(url.scheme)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no byte came in time"
    return str(error) or type(error).__name__
