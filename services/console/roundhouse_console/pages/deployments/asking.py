"""What the scheduler says of a deployment that it may not have heard of yet."""

from collections.abc import Awaitable
from typing import Final, TypeVar

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.errors import Refused
from roundhouse_console.kit.here import here, t

__all__ = ["status_of", "unless_new", "version_states"]

T = TypeVar("T")
_UNHEARD: Final = 404


async def unless_new(asked: Awaitable[T], otherwise: T) -> T:
    """Return the answer. The catalog makes a deployment, the scheduler hears of it a moment later: until then, this."""
    try:
        return await asked
    except Refused as error:
        if error.status != _UNHEARD:
            raise
        return otherwise


async def status_of(deployment_id: str) -> Item:
    path = path_of("/api/v1/deployments/{}/status", deployment_id)
    words = t("The scheduler has not looked at it yet.")
    unheard: Item = {"state": "Preparing", "why": words, "replicas_ready": 0, "replicas_wanted": 0}
    return await unless_new(here().person.scheduler.get(path), unheard)


async def version_states(deployment_id: str) -> list[Item]:
    path = path_of("/api/v1/deployments/{}/versions", deployment_id)
    return await unless_new(here().person.scheduler.items(path), list[Item]())
