"""Names of what services only know by id: keys, users, projects, deployments."""

from collections.abc import Mapping
from typing import Final

from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import ConsoleError

__all__ = ["names_of"]

_FOR_S: Final = 30.0
_LISTS: Final[Mapping[str, tuple[str, str]]] = {
    "key": ("/api/v1/api-keys", "name"),
    "project": ("/api/v1/projects", "name"),
    "deployment": ("/api/v1/deployments", "name"),
    "provider": ("/api/v1/providers", "name"),
    "route": ("/api/v1/routes", "name"),
    "user": ("/api/v1/members", "name"),
    "tenant": ("/api/v1/tenants", "name"),
}


async def names_of(person: SignedIn, kind: str) -> dict[str, str]:
    """Return names by id, at most half a minute old; none where the person may not list them: the ids show then."""

    async def ask() -> dict[str, str]:
        if kind == "node":
            return {one["id"]: one["hostname"] for one in await person.scheduler.items("/api/v1/nodes")}
        path, member = _LISTS[kind]
        return {one["id"]: one[member] for one in await person.catalog.items(path)}

    if kind != "node" and kind not in _LISTS:
        return {}
    try:
        return await person.cached.get(f"names of {kind}", ask, for_s=_FOR_S)
    except ConsoleError:
        return {}
