"""Members of the tenant: people and service accounts with their roles."""

import asyncio
from typing import Final

from nicegui import ui

from roundhouse_common.auth import Role
from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import role_names
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import form_dialog, show_secret, until_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.panels import page_head
from roundhouse_console.kit.signals import attempt, done
from roundhouse_console.kit.tables import Row, column, link, state, text
from roundhouse_console.pages.access.parts import Again, access_tabs, field, listed, picks, role_field

__all__ = ["give_password", "own_roles", "show"]

_USERS: Final = "/api/v1/users"
_MEMBERS: Final = "/api/v1/members"


async def show() -> None:
    again = Again()
    with page_head(t("Members"), t("Who belongs to {tenant}, and what they may do.", tenant=here().me.tenant_name)):
        if here().may("members:write"):
            _buttons(again)
    access_tabs("members")
    await listed(
        _rows,
        [
            column("name", t("Name")),
            column("kind", t("Kind"), is_wide=True),
            column("state", t("State")),
            column("roles", t("Roles"), wraps=True),
            column("created", t("Since"), is_wide=True),
        ],
        label=t("Members"),
        again=again,
        nothing=t("The tenant has no members."),
    )


def _buttons(again: Again) -> None:
    async def invite() -> None:
        await _invite()
        await again()

    async def add() -> None:
        await _add()
        await again()

    ui.button(t("Add from another tenant"), icon="group_add", on_click=add).props("outline no-caps")
    ui.button(t("Invite a person"), icon="person_add", on_click=invite).props("unelevated no-caps")


async def own_roles() -> dict[str, str]:
    """Return the names of the tenant's own roles by id."""
    return {
        one["id"]: one["name"] for one in await here().person.catalog.items("/api/v1/roles") if not one["is_template"]
    }


async def _rows() -> list[Row]:
    person = here().person
    members, own, projects = await asyncio.gather(
        person.catalog.items(_MEMBERS), own_roles(), names_of(person, "project")
    )
    return [_row(one, role_names(one, own, projects)) for one in members]


def _row(one: Item, roles: str) -> Row:
    created = instant(one["created_at"])
    return {
        "id": one["id"],
        "name": link(one["name"], f"/access/members/{one['id']}", one["display_name"]),
        "kind": t("person") if one["kind"] == "user" else t("service account"),
        "state": state(t("Disabled"), "bad") if one["is_disabled"] else state(t("Active"), "good"),
        "roles": text(roles or t("none")),
        "created": text(ago(created), sort=created, why=at_time(created)),
    }


async def _invite() -> None:
    """Add a person whom nobody knows yet, and show the password for their first login once."""
    person, own = here().person, await own_roles()
    with form_dialog(t("Invite a person"), button=t("Invite")) as (dialog, form):
        name = field(t("Login name")).props("autofocus")
        display_name, email = field(t("Display name")), field(t("Email"))
        roles = role_field([Role.USER.value])
        own_field = picks(t("Own roles of the tenant"), own, [])
        own_field.set_visibility(bool(own))
        platform = role_field([], t("Roles on the platform"))
        platform.set_visibility(here().may("platform:admin"))

        async def send() -> Item:
            body: Item = {"name": name.value, "display_name": display_name.value, "email": email.value}
            body |= {"roles": roles.value, "own_role_ids": own_field.value, "platform_roles": platform.value}
            return await person.catalog.post(_USERS, body)

        form.send = send
    if made := await until_closed(dialog):
        await give_password(made)


async def give_password(user: Item) -> None:
    """Give somebody a password for one login, and show it once."""
    path = path_of(_USERS + "/{}", user["id"]) + "/password:reset"
    given = await attempt(lambda: here().person.catalog.post(path))
    if given is None:
        return
    why = t(
        "Tell {name} this password. It is good for one login until {until}; they choose their own then.",
        name=user["name"],
        until=at_time(instant(given["expires_at"])),
    )
    await show_secret(t("The first password of {name}", name=user["name"]), given["password"], why)


async def _add() -> None:
    """Make somebody whom the platform knows a member here too."""
    person = here().person
    with form_dialog(t("Add from another tenant"), button=t("Add")) as (dialog, form):
        name = field(t("Login name"), hint=t("As they sign in at their own tenant.")).props("autofocus")
        roles = role_field([Role.USER.value])

        async def send() -> Item:
            return await person.catalog.post(_MEMBERS, {"name": name.value, "roles": roles.value})

        form.send = send
    if made := await until_closed(dialog):
        done(t("{name} is a member now.", name=made["name"]))
