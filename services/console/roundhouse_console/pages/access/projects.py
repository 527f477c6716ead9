"""Projects: parts of a tenant with members and bounds of their own."""

import asyncio
from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import quota_text
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import fact, facts, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, link
from roundhouse_console.pages.access.member_dialogs import roles_in_project, without_project
from roundhouse_console.pages.access.parts import Again, access_tabs, field, listed, quota_fields, role_field

__all__ = ["show", "show_one"]

_PATH: Final = "/api/v1/projects"
_MEMBERS: Final = "/api/v1/members"


async def show() -> None:
    again = Again()
    with page_head(
        t("Projects"), t("Parts of {tenant} with members and bounds of their own.", tenant=here().me.tenant_name)
    ):
        if here().may("members:write"):
            ui.button(t("Create a project"), icon="add", on_click=_create).props("unelevated no-caps")
    access_tabs("projects")
    await listed(
        _rows,
        [
            column("name", t("Name")),
            column("members", t("Members"), align="right"),
            column("devices", t("Accelerators"), align="right", is_wide=True),
            column("replicas", t("Replicas"), align="right", is_wide=True),
            column("storage", t("Storage for uploads"), align="right", is_wide=True),
        ],
        label=t("Projects"),
        again=again,
        nothing=t("There are no projects yet. Create one to keep teams apart, with roles and bounds of their own."),
    )


async def _rows() -> list[Row]:
    person = here().person
    projects, members = await asyncio.gather(person.catalog.items(_PATH), person.catalog.items(_MEMBERS))
    rows = []
    for one in projects:
        devices, replicas, storage = quota_text(one["quota"])
        rows.append(
            {
                "id": one["id"],
                "name": link(one["name"], f"/access/projects/{one['id']}", one["description"]),
                "members": sum(1 for member in members if one["id"] in member["project_roles"]),
                "devices": devices,
                "replicas": replicas,
                "storage": storage,
            }
        )
    return rows


async def _create() -> None:
    person = here().person
    with form_dialog(t("Create a project"), button=t("Create")) as (dialog, form):
        name, description = field(t("Name")).props("autofocus"), field(t("What it is for"))
        quota = quota_fields()

        async def send() -> Item:
            body = {"name": name.value, "description": description.value, "quota": quota()}
            return await person.catalog.post(_PATH, body)

        form.send = send
    if made := await until_closed(dialog):
        person.cached.clear()
        ui.navigate.to(f"/access/projects/{made['id']}")


async def show_one(project_id: str) -> None:
    again = Again()
    project = await here().person.catalog.get(path_of(_PATH + "/{}", project_id))
    with page_head(project["name"], project["description"], back=(t("Projects"), "/access/projects")):
        if here().may("members:write"):
            _buttons(project)
    access_tabs("projects")
    _bounds(project)
    await _members(project_id, again)


def _bounds(project: Item) -> None:
    devices, replicas, storage = quota_text(project["quota"])
    with panel(t("Bounds")), facts():
        fact(t("Accelerators"), devices or t("no bound"))
        fact(t("Replicas"), replicas or t("no bound"))
        fact(t("Storage for uploads"), storage or t("no bound"))
        fact(t("Id"), project["id"], is_code=True)


def _buttons(project: Item) -> None:
    async def change() -> None:
        person = here().person
        with form_dialog(t("Change {name}", name=project["name"]), button=t("Save")) as (dialog, form):
            name = field(t("Name"), project["name"])
            description = field(t("What it is for"), project["description"])
            quota = quota_fields(project["quota"])

            async def send() -> Item:
                body = {"name": name.value, "description": description.value, "quota": quota()}
                return await person.catalog.patch(path_of(_PATH + "/{}", project["id"]), body)

            form.send = send
        if await until_closed(dialog):
            person.cached.clear()
            await ui.context.client.sub_pages_router.refresh()

    async def remove() -> None:
        what = [t("Roles in it are gone. A project with deployments or uploads is not removed: move them first.")]
        if not await confirm(t("Remove {name}?", name=project["name"]), what, button=t("Remove")):
            return

        async def gone() -> bool:
            await here().person.catalog.delete(path_of(_PATH + "/{}", project["id"]))
            return True

        if await attempt(gone, t("{name} is removed.", name=project["name"])):
            here().person.cached.clear()
            ui.navigate.to("/access/projects")

    ui.button(t("Change"), icon="edit", on_click=change).props("outline no-caps")
    ui.button(t("Remove"), icon="delete", on_click=remove).props("outline no-caps")


async def _members(project_id: str, again: Again) -> None:
    by_id: dict[str, Item] = {}
    may = here().may("members:write")

    async def rows() -> list[Row]:
        members = await here().person.catalog.items(_MEMBERS)
        by_id.update({one["id"]: one for one in members})
        buttons = [action("change", "edit", t("Change")), action("remove", "close", t("Remove"), is_destructive=True)]
        return [
            {
                "id": one["id"],
                "label": one["name"],
                "name": link(one["name"], f"/access/members/{one['id']}", one["display_name"]),
                "roles": ", ".join(t(role) for role in one["project_roles"][project_id]),
                **({"actions": actions(*buttons)} if may else {}),
            }
            for one in members
            if project_id in one["project_roles"]
        ]

    async def act(user_id: str, name: str) -> None:
        await (roles_in_project if name == "change" else without_project)(by_id[user_id], project_id)
        await again()

    columns = [column("name", t("Name")), column("roles", t("Roles"))]
    if may:
        columns.append(column("actions", "", align="right", is_sortable=False))
    nothing = t("Nobody has a role in this project alone; who has one in the tenant may work in it too.")

    async def add() -> None:
        members = {one["id"]: one for one in await here().person.catalog.items(_MEMBERS)}
        await _add(project_id, members)
        await again()

    button = (t("Add a member"), "person_add", add) if may else None
    await listed(
        rows, columns, label=t("Members"), title=t("Members"), again=again, nothing=nothing, on_action=act,
        button=button,
    )  # fmt: skip


async def _add(project_id: str, members: dict[str, Item]) -> None:
    person = here().person
    others = {one["id"]: one["name"] for one in members.values() if project_id not in one["project_roles"]}
    with form_dialog(t("Add a member"), button=t("Add")) as (dialog, form):
        chosen = ui.select(others, label=t("Who"), with_input=True).props("outlined dense")
        roles = role_field(["deployer"])

        async def send() -> Item:
            if not chosen.value:
                raise ValueError(t("Choose somebody."))
            path = path_of(_MEMBERS + "/{}", str(chosen.value))
            now, etag = await person.catalog.with_etag(path)
            body = {"project_roles": {**now["project_roles"], project_id: list(roles.value)}}
            return await person.catalog.patch(path, body, etag=etag)

        form.send = send
    await until_closed(dialog)
