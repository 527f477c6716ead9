"""The connections to engines."""

from collections.abc import Mapping
from types import TracebackType
from typing import Final

import aiohttp
from yarl import URL

from roundhouse_common.contracts.scheduler import Endpoint
from roundhouse_router.settings import RouterSettings

__all__ = ["Upstream"]

_OURS: Final = ("User-Agent", "Accept-Encoding", "Accept", "Content-Type")
_URLS_KEPT: Final = 4096


class Upstream:
    """A resource: one session with as many connections as there are requests, each used again while it is idle, and
    one whose connections serve a single request."""

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings
        self._urls: dict[tuple[str, str], URL] = {}

    async def __aenter__(self) -> "Upstream":
        kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=self._settings.upstream_keep_alive_s)
        self._session = self._open(kept)
        self._fresh = self._open(aiohttp.TCPConnector(limit=0, force_close=True))
        return self

    def _open(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        settings = self._settings
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.first_byte_timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_OURS,
            trust_env=False,
            read_bufsize=256 * 1024,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._fresh.close()
        await self._session.close()

    async def post(
        self, endpoint: Endpoint, path: str, body: bytes, headers: Mapping[str, str], *, is_fresh: bool = False
    ) -> aiohttp.ClientResponse:
        """Send the body and return the answer once its headers are there. Raises aiohttp.ClientError.

        `is_fresh` asks for a connection that nobody has used: idle ones may all have been given up by the engine.
        """
        key = (endpoint.base_url, path)
        url = self._urls.get(key)
        if url is None:
            if len(self._urls) >= _URLS_KEPT:
                self._urls.clear()
            url = self._urls[key] = URL(endpoint.base_url + path)
        session = self._fresh if is_fresh else self._session
        return await session.post(url, data=body, headers=headers, allow_redirects=False)

    def between_chunks(self, response: aiohttp.ClientResponse) -> None:
        """From now on the idle timeout holds, not the one for the first byte."""
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = self._settings.idle_timeout_s
            connection.protocol.start_timeout()
