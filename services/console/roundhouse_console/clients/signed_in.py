"""A signed-in person, as every page of their browser sees them: tokens, rights, and the services."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx

from roundhouse_common.runtime import Clock, Ids
from roundhouse_console.clients.cached import Cached
from roundhouse_console.clients.conversations import Conversations
from roundhouse_console.clients.logins import Logins
from roundhouse_console.clients.rest import Rest
from roundhouse_console.domain.me import Me, me_of
from roundhouse_console.domain.session import Kept

__all__ = ["Addresses", "SignedIn"]

_RENEW_BEFORE_S: Final = 30.0
_ME_FOR_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the services are."""

    catalog: str
    scheduler: str
    metering: str
    router: str
    router_public: str


class SignedIn:
    """One browser session. `persist` keeps newer tokens and returns the newest kept ones, or None: it was ended."""

    def __init__(
        self,
        kept: Kept,
        *,
        digest: str,
        http: httpx.AsyncClient,
        logins: Logins,
        addresses: Addresses,
        clock: Clock,
        ids: Ids,
        persist: Callable[[Kept], Awaitable[None]],
        newest: Callable[[], Awaitable[Kept | None]],
        conversations: Conversations,
    ) -> None:
        self.kept = kept
        self.conversations = conversations
        self.digest = digest
        self.addresses = addresses
        self._logins = logins
        self._clock = clock
        self._persist = persist
        self._newest = newest
        self._renewing = asyncio.Lock()
        self._me: Me | None = None
        self._me_at = 0.0
        self.http = http
        """For what is no REST API of a service: requests to the router with an API key."""
        self.catalog = Rest(http, "catalog", addresses.catalog, token=self.access_token, ids=ids)
        self.scheduler = Rest(http, "scheduler", addresses.scheduler, token=self.access_token, ids=ids)
        self.metering = Rest(http, "metering", addresses.metering, token=self.access_token, ids=ids)
        self.cached = Cached(clock)
        """Answers that several pages of this session share for a moment."""

    async def access_token(self, refused: str = "") -> str:
        """Return a token that is valid for a while. `refused` is one that a service no longer takes.

        Raises SignedOut when the session is over.
        """
        if self._is_good(refused):
            return self.kept.access_token
        async with self._renewing:
            if not self._is_good(refused):
                # Another console, or this one before a restart, may have renewed it already.
                self.kept = await self._newest() or self.kept
            if not self._is_good(refused):
                await self._take(await self._logins.refresh(self.kept))
        return self.kept.access_token

    async def me(self, *, is_fresh: bool = False) -> Me:
        """Return who the person is and what they may do, at most a minute old."""
        if self._me is None or is_fresh or self._clock.monotonic() - self._me_at > _ME_FOR_S:
            self._me = me_of(await self.catalog.get("/api/v1/me"))
            self._me_at = self._clock.monotonic()
        return self._me

    async def switch_tenant(self, tenant_id: str) -> None:
        """Work in another tenant from now on. Raises Refused."""
        async with self._renewing:
            await self._take(await self._logins.refresh(self.kept, tenant_id))
        self._me = None
        self.cached.clear()

    async def keep(self, kept: Kept) -> None:
        """Keep something more beside the tokens."""
        async with self._renewing:
            await self._take(kept)

    async def _take(self, kept: Kept) -> None:
        self.kept = kept
        await self._persist(kept)

    def _is_good(self, refused: str) -> bool:
        kept = self.kept
        return kept.access_token != refused and kept.access_expires_at - _RENEW_BEFORE_S > self._clock.now()
