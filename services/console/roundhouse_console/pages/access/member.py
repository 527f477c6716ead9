"""One member: what they are, what is theirs, and what administrators do about them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.errors import Refused
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import badge, fact, facts, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column
from roundhouse_console.pages.access.member_dialogs import (
    change_account,
    disable,
    remove,
    roles_in_project,
    sign_out,
    without_project,
)
from roundhouse_console.pages.access.members import give_password, own_roles
from roundhouse_console.pages.access.parts import Again, access_tabs, listed, picks, role_field
from roundhouse_console.pages.access.tokens import tokens_panel

__all__ = ["show"]

_MEMBER: Final = "/api/v1/members/{}"


@dataclass(frozen=True, slots=True)
class _Found:
    member: Item
    user: Item | None
    """What they are everywhere; None for those who may not see it."""
    own: dict[str, str]


async def show(user_id: str) -> None:
    again = Again()
    found = await _found(user_id)
    member = found.member
    is_person = member["kind"] == "user"
    back = (t("Members"), "/access/members") if is_person else (t("Service accounts"), "/access/service-accounts")
    with page_head(
        member["name"], " · ".join(one for one in (member["display_name"], member["email"]) if one), back=back
    ):
        buttons = ui.element("div").classes("rh-row")
    access_tabs("members" if is_person else "accounts")
    again.add(await follow(lambda: _found(user_id), lambda: _head(buttons, again), every_s=again.every_s))
    await _projects(user_id, again)
    await _belongings(user_id, again)
    if not is_person:
        await tokens_panel(again, user_id, may_write=here().may("members:write"))


async def _found(user_id: str) -> _Found:
    member, user, own = await asyncio.gather(
        here().person.catalog.get(path_of(_MEMBER, user_id)), _user(user_id), own_roles()
    )
    return _Found(member, user, own)


async def _user(user_id: str) -> Item | None:
    try:
        return await here().person.catalog.get(path_of("/api/v1/users/{}", user_id))
    except Refused:
        return None  # service accounts are no users


def _head(buttons: ui.element, again: Again) -> Callable[[_Found], None]:
    holder = ui.element("div").classes("rh-grid")

    def put(found: _Found) -> None:
        holder.clear()
        with holder:
            with panel(t("About")):
                _about(found)
            if here().may("members:write"):
                with panel(t("Roles in {tenant}", tenant=here().me.tenant_name)):
                    _roles(found, again)
        buttons.clear()
        with buttons:
            _buttons(found, again)

    return put


def _about(found: _Found) -> None:
    member = found.member
    badge(t("Disabled"), "bad") if member["is_disabled"] else badge(t("Active"), "good")
    with facts():
        fact(t("Kind"), t("person") if member["kind"] == "user" else t("service account"))
        fact(t("Email"), member["email"])
        fact(t("Roles"), [*map(t, member["roles"]), *(found.own.get(one, one) for one in member["own_role_ids"])])
        if found.user is not None:
            fact(t("Roles on the platform"), [*map(t, found.user["platform_roles"])])
        fact(t("Member since"), at_time(instant(member["created_at"])))
        fact(t("Id"), member["id"], is_code=True)


def _roles(found: _Found, again: Again) -> None:
    member, person = found.member, here().person
    roles = role_field(list(member["roles"]))
    own = picks(t("Own roles of the tenant"), found.own, list(member["own_role_ids"]))
    own.set_visibility(bool(found.own))
    platform = role_field(list(found.user["platform_roles"]) if found.user else [], t("Roles on the platform"))
    platform.set_visibility(found.user is not None and here().may("platform:admin"))

    async def save() -> None:
        async def change() -> bool:
            body = {"roles": roles.value, "own_role_ids": own.value}
            await person.catalog.patch(path_of(_MEMBER, member["id"]), body)
            if found.user is not None and sorted(platform.value) != sorted(found.user["platform_roles"]):
                path = path_of("/api/v1/users/{}", member["id"])
                await person.catalog.patch(path, {"platform_roles": platform.value})
            return True

        if await attempt(change, t("Saved. It counts from now on.")):
            await again()

    with ui.element("div").classes("rh-row"):
        ui.button(t("Save roles"), on_click=save).props("unelevated no-caps")


def _buttons(found: _Found, again: Again) -> None:
    member = found.member
    if not here().may("members:write"):
        return

    def button(title: str, icon: str, do: Callable[[], object]) -> None:
        async def act() -> None:
            made = do()
            if asyncio.iscoroutine(made) and await made is not False:
                await again()

        ui.button(title, icon=icon, on_click=act).props("outline no-caps")

    if found.user is not None:
        button(t("Reset password"), "password", lambda: _reset(member))
        button(t("Sign out everywhere"), "logout", lambda: sign_out(member))
        if here().may("platform:admin"):
            title = t("Enable") if member["is_disabled"] else t("Disable")
            button(title, "person_off", lambda: disable(member, "/api/v1/users/{}"))
    else:
        button(t("Change"), "edit", lambda: change_account(member))
        title = t("Enable") if member["is_disabled"] else t("Disable")
        button(title, "block", lambda: disable(member, "/api/v1/service-accounts/{}"))
    button(t("Remove"), "person_remove", lambda: remove(member, is_person=found.user is not None))


async def _reset(member: Item) -> None:
    what = [
        t("{name} is signed out everywhere and gets a password for one login.", name=member["name"]),
    ]
    if await confirm(t("Reset the password of {name}?", name=member["name"]), what, button=t("Reset password")):
        await give_password(member)


async def _projects(user_id: str, again: Again) -> None:
    person, held = here().person, list[Item]()
    may = here().may("members:write")

    async def rows() -> list[Row]:
        member, names = await asyncio.gather(person.catalog.get(path_of(_MEMBER, user_id)), names_of(person, "project"))
        held[:] = [member]
        buttons = [action("change", "edit", t("Change")), action("remove", "close", t("Remove"), is_destructive=True)]
        return [
            {
                "id": project_id,
                "label": names.get(project_id, project_id),
                "name": names.get(project_id, project_id),
                "roles": ", ".join(t(one) for one in roles),
                **({"actions": actions(*buttons)} if may else {}),
            }
            for project_id, roles in member["project_roles"].items()
        ]

    async def act(project_id: str, name: str) -> None:
        await (roles_in_project if name == "change" else without_project)(held[0], project_id)
        await again()

    columns = [column("name", t("Project")), column("roles", t("Roles"))]
    if may:
        columns.append(column("actions", "", align="right", is_sortable=False))
    nothing = t("They have no role in a single project; roles in the tenant hold in all of them.")

    async def add() -> None:
        await roles_in_project(held[0], "")
        await again()

    button = (t("Add a role in a project"), "add", add) if may else None
    await listed(
        rows, columns, label=t("Roles in projects"), title=t("Roles in projects"), again=again, nothing=nothing,
        on_action=act, button=button,
    )  # fmt: skip


async def _belongings(user_id: str, again: Again) -> None:
    async def rows() -> list[Row]:
        found = (await here().person.catalog.get(path_of(_MEMBER + "/belongings", user_id)))["items"]
        return [{"id": one["id"], "kind": t(one["kind"]), "name": one["name"]} for one in found]

    columns = [column("name", t("Name")), column("kind", t("Kind"))]
    nothing = t("Nothing here is theirs.")
    await listed(rows, columns, label=t("Belongs to them"), title=t("Belongs to them"), again=again, nothing=nothing)
