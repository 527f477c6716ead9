"""What the pages of the marketplace ask the services for."""

import asyncio
from dataclasses import dataclass

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.domain.models import room_bytes
from roundhouse_console.kit.here import Here
from roundhouse_console.kit.signals import explain

__all__ = ["Market", "ask_market", "forget_market", "look_at"]


@dataclass(frozen=True, slots=True)
class Market:
    """Everything that cards are made of."""

    models: list[Item]
    deployments: list[Item]
    room: int | None
    """Bytes free on one node at the most; None for who may not see nodes, or without the scheduler."""


async def ask_market(found: Here) -> Market:
    """Return the models, and what is known beside them: the marketplace shows without that too."""

    async def ask() -> Market:
        models, deployments, room = await asyncio.gather(
            found.person.catalog.items("/api/v1/models"), _deployments(found), _room(found)
        )
        return Market(models, deployments, room)

    return await found.person.cached.get("market", ask, for_s=2.0)


def forget_market(found: Here) -> None:
    """Ask anew next time, because something was changed."""
    found.person.cached.clear()


async def _deployments(found: Here) -> list[Item]:
    if not found.me.may_anywhere("deployments:read"):
        return []
    return await found.person.catalog.items("/api/v1/deployments")


async def _room(found: Here) -> int | None:
    if not found.may("nodes:read"):
        return None
    try:
        return room_bytes(await found.person.scheduler.items("/api/v1/nodes"))
    except SignedOut:
        raise
    except ConsoleError:
        return None


async def look_at(person: SignedIn, model: Item) -> Item:
    """Have a node read the files of a model that was just added; where none can, it is added all the same."""
    try:
        return await person.catalog.post(path_of("/api/v1/models/{}", model["id"]) + ":inspect")
    except SignedOut:
        raise
    except ConsoleError as error:
        return {**model, "notes": [explain(error)]}
