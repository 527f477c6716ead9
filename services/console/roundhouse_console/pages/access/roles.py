"""Roles: those that every tenant has, and its own."""

from typing import Final

from nicegui import ui

from roundhouse_common.auth import ACTIONS, PLATFORM_ACTIONS
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import action_groups
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import page_head
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, text
from roundhouse_console.pages.access.parts import Again, access_tabs, field, listed

__all__ = ["show"]

_PATH: Final = "/api/v1/roles"


async def show() -> None:
    again = Again()
    by_id: dict[str, Item] = {}
    with page_head(t("Roles"), t("What somebody with a role may do, in the tenant or in a project.")):
        if here().may("members:write"):

            async def create() -> None:
                await _edit(None)
                await again()

            ui.button(t("Create a role"), icon="add", on_click=create).props("unelevated no-caps")
    access_tabs("roles")

    async def rows() -> list[Row]:
        found = await here().person.catalog.items(_PATH)
        by_id.update({one["id"]: one for one in found})
        return [_row(one) for one in found]

    async def act(role_id: str, name: str) -> None:
        await {"open": _open, "change": _edit, "remove": _remove}[name](by_id[role_id])
        await again()

    columns = [
        column("name", t("Name")),
        column("kind", t("Of")),
        column("actions_count", t("Actions"), align="right", is_wide=True),
        column("permits", t("Permits"), is_wide=True, wraps=True),
        column("actions", "", align="right", is_sortable=False),
    ]
    await listed(
        rows, columns, label=t("Roles"), again=again, nothing=t("There are no roles."), on_action=act, order="kind"
    )


def _row(role: Item) -> Row:
    groups = action_groups(role["actions"])
    buttons = [action("open", "search", t("Details"))]
    if not role["is_template"] and here().may("members:write"):
        buttons.append(action("change", "edit", t("Change")))
        buttons.append(action("remove", "delete", t("Remove"), is_destructive=True))
    return {
        "id": role["id"],
        "label": role["name"],
        "name": text(t(role["name"]) if role["is_template"] else role["name"], sub=role["description"]),
        "kind": state(t("every tenant"), "quiet") if role["is_template"] else state(t("this tenant"), "busy"),
        "actions_count": len(role["actions"]),
        "permits": text(", ".join(groups), why="; ".join(f"{name}: {', '.join(one)}" for name, one in groups.items())),
        "actions": actions(*buttons),
    }


async def _open(role: Item) -> None:
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = role["name"]
        if role["description"]:
            ui.label(role["description"]).classes("rh-dim")
        with ui.element("dl").classes("rh-facts"):
            for name, verbs in action_groups(role["actions"]).items():
                with ui.element("div"):
                    ui.element("dt")._text = name
                    ui.element("dd")._text = ", ".join(verbs)
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    await until_closed(dialog)


async def _edit(role: Item | None) -> None:
    """Make a role of the tenant's own, or change one. Nobody gives what they may not do themselves."""
    person, me = here().person, here().me
    held = set(role["actions"]) if role else set()
    offered = sorted((ACTIONS - PLATFORM_ACTIONS) & (me.actions | held))
    title = t("Change {name}", name=role["name"]) if role else t("Create a role")
    with form_dialog(title, button=t("Save") if role else t("Create"), is_large=True) as (dialog, form):
        name = field(t("Name"), role["name"] if role else "").props("autofocus")
        description = field(t("What it is for"), role["description"] if role else "")
        boxes: dict[str, ui.checkbox] = {}
        with ui.element("div").classes("rh-actions-grid"):
            for about, verbs in action_groups(offered).items():
                with ui.element("fieldset").classes("rh-fieldset"):
                    ui.element("legend")._text = about
                    for verb in verbs:
                        one = f"{about}:{verb}"
                        boxes[one] = ui.checkbox(verb, value=one in held).props("dense")

        async def send() -> Item:
            chosen = [one for one, box in boxes.items() if box.value]
            body = {"name": name.value, "description": description.value, "actions": chosen}
            if role is None:
                return await person.catalog.post(_PATH, body)
            return await person.catalog.patch(path_of(_PATH + "/{}", role["id"]), body)

        form.send = send
    await until_closed(dialog)


async def _remove(role: Item) -> None:
    what = [t("A role that somebody holds is not removed: take it from them first.")]
    if not await confirm(t("Remove {name}?", name=role["name"]), what, button=t("Remove")):
        return

    async def gone() -> None:
        await here().person.catalog.delete(path_of(_PATH + "/{}", role["id"]))

    await attempt(gone, t("{name} is removed.", name=role["name"]))
