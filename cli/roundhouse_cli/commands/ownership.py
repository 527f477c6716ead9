"""What is whose: `roundhouse users owns`, `roundhouse give`, and successors of those who leave."""

from typing import Annotated

import typer

from roundhouse_cli.commands.options import Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import Column, note
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services

__all__ = ["OWNED", "Abandon", "Successor", "give", "leaving"]

_PLACES = {
    "api-key": "api-keys",
    "deployment": "deployments",
    "project": "projects",
    "service-account": "service-accounts",
}
OWNED = (
    Column("KIND", lambda one: one["kind"]),
    Column("ID", lambda one: one["id"]),
    Column("NAME", lambda one: one["name"]),
)
Successor = Annotated[
    str, typer.Option("--successor", metavar="USER", help="Who takes over what they own: a name, an id, or a part.")
]
Abandon = Annotated[
    bool, typer.Option("--abandon", help="Leave what they own: their API keys are refused, the rest goes on.")
]


def give(
    kind: Annotated[str, typer.Argument(help="api-key, deployment, project or service-account.")],
    name: Annotated[str, typer.Argument(help="A name, an id, or a part of an id.")],
    to: Annotated[str, typer.Option("--to", metavar="USER", help="A member of the tenant, or a service account.")],
    url: Url = "",
) -> None:
    """Give something to somebody else. An API key keeps its secret."""
    if kind not in _PLACES:
        raise UsageFault(f"{kind!r} cannot be given away; say one of {', '.join(_PLACES)}.")
    path = f"/api/v1/{_PLACES[kind]}"
    with connect(url) as services:
        found = pick([one for one in services.catalog.items(path) if not one.get("is_revoked")], name, kind)
        owner = _member(services, to)
        services.catalog.post(f"{path}/{found['id']}:transfer", {"user_id": owner["id"]})
        note(f"{found['name']} is {owner['name']}'s now.")


def leaving(services: Services, successor: str, *, abandon: bool) -> Item:
    """Return the query that says what becomes of what a leaver owns."""
    if successor and abandon:
        raise UsageFault("--successor and --abandon exclude each other.")
    if successor:
        return {"successor": _member(services, successor)["id"]}
    return {"abandon": True} if abandon else {}


def _member(services: Services, wanted: str) -> Item:
    return pick(services.catalog.items("/api/v1/members"), wanted, "member")
