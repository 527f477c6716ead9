"""What the commands about tenants and people share: quotas and roles as they are typed and shown."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from roundhouse_cli.commands.launch_options import given
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.resolve import pick
from roundhouse_cli.rest import Item, Services

__all__ = ["Devices", "OwnRoles", "ProjectRoles", "Replicas", "Roles", "Storage", "quota_body", "quota_words",
           "role_words", "roles_body", "tell"]  # fmt: skip

Devices = Annotated[str, typer.Option("--devices", metavar="N", help="Accelerators at once; none: no bound.")]
Replicas = Annotated[str, typer.Option("--replicas", metavar="N", help="Replicas at once; none: no bound.")]
Storage = Annotated[
    str, typer.Option("--storage", metavar="SIZE", help="Uploads, e.g. 500GiB or bytes; none: no bound.")
]
Roles = Annotated[
    list[str] | None, typer.Option("--role", metavar="ROLE", help="In the tenant. May be repeated; none: no role.")
]
OwnRoles = Annotated[
    list[str] | None, typer.Option("--own-role", metavar="NAME", help="One of the tenant's own. May be repeated.")
]
ProjectRoles = Annotated[
    list[str] | None,
    typer.Option("--project-role", metavar="PROJECT=ROLE", help="In one project only. May be repeated."),
]
_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def quota_body(devices: str, replicas: str, storage: str) -> Item | None:
    """Return the bounds that were typed, None for those that end; None when nothing was."""
    typed = {"devices": devices, "replicas": replicas, "storage_bytes": storage}
    return {name: _bound(name, text) for name, text in typed.items() if text} or None


def roles_body(
    services: Services, roles: Sequence[str] | None, own: Sequence[str] | None, projects: Sequence[str] | None
) -> Item:
    """Return the roles that were typed; each kind that is stated is replaced whole."""
    return given(
        roles=_names(roles),
        own_role_ids=None if own is None else [_found(services, "roles", one)["id"] for one in _names(own) or []],
        project_roles=None if projects is None else _in_projects(services, projects),
    )


def quota_words(item: Item) -> str:
    """Say in a few words what may be held; empty: there is no bound."""
    words = {"devices": "devices", "replicas": "replicas", "storage_bytes": "bytes"}
    return ", ".join(f"{item['quota'][name]} {what}" for name, what in words.items() if item["quota"][name] is not None)


def role_words(member: Item, own: Mapping[str, str], projects: Mapping[str, str]) -> str:
    """Name somebody's roles. `own` and `projects` give the names of roles and projects, by id."""
    told = [*member["roles"], *(own.get(one, one) for one in member["own_role_ids"])]
    for project_id, roles in member["project_roles"].items():
        told += [f"{role} in {projects.get(project_id, project_id)}" for role in roles]
    return ", ".join(told) or "none"


def tell(item: Item, output: OutputFormat, words: str) -> None:
    """Show what was made or changed."""
    if output is OutputFormat.JSON:
        show_item(item, output)
    else:
        note(f"{item['name']} {words}.")


def _bound(name: str, text: str) -> int | None:
    if text == "none":
        return None
    number = text.rstrip("KMGTiB")
    unit = text[len(number) :]
    if not number.isdecimal() or unit not in _UNITS or (unit and name != "storage_bytes"):
        raise UsageFault(f"{text!r} is not an amount of {name.replace('_', ' ')}; write e.g. 8, 500GiB or none.")
    return int(number) * _UNITS[unit]


def _names(typed: Sequence[str] | None) -> list[str] | None:
    return None if typed is None else [one for one in typed if one != "none"]


def _in_projects(services: Services, typed: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in _names(typed) or []:
        project, separator, role = pair.partition("=")
        if not separator:
            raise UsageFault(f"--project-role {pair!r} is not PROJECT=ROLE, e.g. search=deployer.")
        found.setdefault(_found(services, "projects", project)["id"], []).append(role)
    return found


def _found(services: Services, path: str, wanted: str) -> Item:
    return pick(services.catalog.items(f"/api/v1/{path}"), wanted, path.removesuffix("s"))
