"""Service accounts: programs of the tenant that sign in with tokens."""

import asyncio
from typing import Final

from nicegui import ui

from roundhouse_common.auth import Role
from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.access import role_names
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import form_dialog, until_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.panels import page_head
from roundhouse_console.kit.tables import Row, column, link, state, text
from roundhouse_console.pages.access.members import own_roles
from roundhouse_console.pages.access.parts import Again, access_tabs, field, listed, picks, role_field

__all__ = ["show"]

_PATH: Final = "/api/v1/service-accounts"


async def show() -> None:
    again = Again()
    with page_head(t("Service accounts"), t("Programs that sign in by themselves, with roles of their own.")):
        if here().may("members:write"):
            ui.button(t("Create a service account"), icon="add", on_click=_create).props("unelevated no-caps")
    access_tabs("accounts")
    await listed(
        _rows,
        [
            column("name", t("Name")),
            column("state", t("State")),
            column("roles", t("Roles"), wraps=True),
            column("created", t("Created"), is_wide=True),
        ],
        label=t("Service accounts"),
        again=again,
        nothing=t("There are no service accounts yet. Create one for a program that deploys or watches."),
    )


async def _rows() -> list[Row]:
    person = here().person
    members, own, projects = await asyncio.gather(
        person.catalog.items("/api/v1/members"), own_roles(), names_of(person, "project")
    )
    return [_row(one, role_names(one, own, projects)) for one in members if one["kind"] == "service-account"]


def _row(one: Item, roles: str) -> Row:
    created = instant(one["created_at"])
    return {
        "id": one["id"],
        "name": link(one["name"], f"/access/members/{one['id']}", one["display_name"]),
        "state": state(t("Disabled"), "bad") if one["is_disabled"] else state(t("Active"), "good"),
        "roles": text(roles or t("none")),
        "created": text(ago(created), sort=created, why=at_time(created)),
    }


async def _create() -> None:
    person, own = here().person, await own_roles()
    with form_dialog(t("Create a service account"), button=t("Create")) as (dialog, form):
        name = field(t("Name"), hint=t("Which program it is.")).props("autofocus")
        display_name = field(t("Display name"))
        roles = role_field([Role.VIEWER.value])
        own_field = picks(t("Own roles of the tenant"), own, [])
        own_field.set_visibility(bool(own))

        async def send() -> Item:
            body = {"name": name.value, "display_name": display_name.value, "roles": roles.value}
            return await person.catalog.post(_PATH, {**body, "own_role_ids": own_field.value})

        form.send = send
    if made := await until_closed(dialog):
        ui.navigate.to(f"/access/members/{made['id']}")
