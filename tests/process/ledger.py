"""What metering recorded for one API key."""

from dataclasses import dataclass
from typing import Any

from roundhouse_cli.errors import CliError
from tests.process.platform import Platform, fetch, until


@dataclass(frozen=True)
class Ledger:
    """Reads the usage of one key, so that a test sees its own requests only."""

    platform: Platform
    key_id: str
    secret: str

    async def records(self) -> list[dict[str, Any]]:
        """Return every record of the key, oldest first."""
        connection, found, cursor = self.platform.connection, [], ""
        while True:
            query = {"key_id": self.key_id, "limit": "200", **({"cursor": cursor} if cursor else {})}
            page = await fetch(f"{connection['metering_url']}/api/v1/usage/records", connection["admin_token"], **query)
            found += page["items"]
            if (cursor := page["next_cursor"]) is None:
                return found

    async def settled(self, requests: int) -> list[dict[str, Any]]:
        """Wait until the ledger holds at least so many records of this key, and return them."""
        latest: list[dict[str, Any]] = []

        def count() -> bool:
            try:
                totals = self.platform.ask(lambda services: services.metering.get("/api/v1/usage", by="key"))["items"]
            except CliError:  # metering may be starting
                return False
            return any(row["key"] == self.key_id and row["requests"] >= requests for row in totals)

        await until(count, within_s=30, what=f"{requests} records of {self.key_id} in the ledger")
        latest += await self.records()
        return latest

    async def missing(self) -> int:
        """Return how many admitted requests, of any key, have no record."""
        connection = self.platform.connection
        found = await fetch(f"{connection['metering_url']}/api/v1/reconciliation", connection["admin_token"])
        missing: int = found["totals"]["missing"]
        return missing
