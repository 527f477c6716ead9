"""Handing the account of services and nodes to the NATS servers while they run: that is how credentials are refused."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats.errors

from roundhouse_common.bus.api import BusUnavailable
from roundhouse_common.bus.metrics import BusMetrics
from roundhouse_common.bus.nats_session import NatsAddress, NatsSession, status_of
from roundhouse_common.nats_auth.claims import CLAIMS_INBOX
from roundhouse_common.nats_auth.credentials import Credentials

__all__ = ["NatsAccounts"]

_ANSWER_S = 5.0
_OK = 200


class NatsAccounts:
    """Reads and writes one account. It connects for each question: there are few, and never in a hurry."""

    def __init__(self, url: str, credentials: Credentials, *, account: str) -> None:
        self._address = NatsAddress(
            url=url, name="account-publisher", inbox_prefix=CLAIMS_INBOX, known_credentials=credentials
        )
        self._account = account
        self._metrics = BusMetrics(None)

    async def read(self) -> str:
        """Return the signed account that the servers have; empty when they have none. Raises BusUnavailable."""
        return (await self._ask(f"$SYS.REQ.ACCOUNT.{self._account}.CLAIMS.LOOKUP", b"")).decode()

    async def write(self, jwt: str) -> None:
        """Let the servers have it: connections of users that it refuses are ended. Raises BusUnavailable."""
        answer: dict[str, Any] = json.loads(await self._ask("$SYS.REQ.CLAIMS.UPDATE", jwt.encode()))
        if answer.get("data", {}).get("code") != _OK:
            raise BusUnavailable(f"the account was not taken: {answer.get('error') or answer}")

    async def _ask(self, subject: str, payload: bytes) -> bytes:
        async with self._connected() as session:
            reply = await session.ask(subject, payload, {}, _ANSWER_S)
            if status_of(reply):
                raise BusUnavailable(f"no server answers {subject}")
            return bytes(reply.data)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[NatsSession]:
        try:
            session = await NatsSession.open(self._address, self._metrics)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise BusUnavailable(f"cannot connect to {self._address.url}: {error}") from error
        try:
            yield session
        finally:
            await session.close()
