"""Which API keys are for a deployment, and those made for it."""

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deploying import keys_for
from roundhouse_console.kit.dialogs import confirm, form_dialog, show_secret, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import action, actions, column, table, text

__all__ = ["keys_panel"]


async def keys_panel(deployment: Item) -> None:
    """Build the list of keys that name the deployment, with what makes, adds and takes them away."""
    with panel(t("Keys for this deployment")):
        ui.label(t("They may call the deployments that they name, and only these, whatever its access is."))
        holder = ui.element("div").classes("rh-live")

    async def look() -> None:
        holder.clear()
        with holder:
            await once(lambda: here().person.catalog.items("/api/v1/api-keys"), build)

    def build(keys: list[Item]) -> None:
        named, others = keys_for(keys, deployment["id"])
        by_id = {one["id"]: one for one in named}

        async def act(key_id: str, _: str) -> None:
            if await _take_away(by_id[key_id], deployment):
                await look()

        may_write = here().me.may_anywhere("keys:write")
        columns = [column("name", t("Name")), column("key", t("Key")), column("others", t("Also for"), is_wide=True)]
        table(
            [*columns, column("actions", "", align="right", is_sortable=False)],
            rows=[_row(one, may_write=may_write) for one in named],
            label=t("Keys for this deployment"),
            search=False,
            nothing=t("No key names it yet."),
            on_action=act,
        )
        if may_write:
            with ui.element("div").classes("rh-row"):
                _button(t("New key"), "add", partial(_make, deployment), look)
                if others:
                    _button(t("Add to a key"), "key", partial(_add, deployment, others), look)

    await look()


def _button(words: str, icon: str, do: Callable[[], Awaitable[bool]], look: Callable[[], Awaitable[None]]) -> None:
    async def clicked() -> None:
        if await do():
            await look()

    ui.button(words, icon=icon, on_click=clicked).props("outline no-caps")


def _row(one: Item, *, may_write: bool) -> Item:
    more = len(one["deployment_ids"]) - 1
    buttons = [action("remove", "link_off", t("Take away"), is_destructive=True)] if may_write else []
    return {
        "id": one["id"],
        "label": one["name"],
        "name": one["name"],
        "key": text(f"{one['prefix']}…{one['last_four']}"),
        "others": t("{count} more {count:deployment|deployments}", count=more) if more else "",
        "actions": actions(*buttons),
    }


async def _make(deployment: Item) -> bool:
    person, made = here().person, list[Item]()
    with form_dialog(t("New key for {name}", name=deployment["name"]), button=t("Create")) as (dialog, form):
        name = ui.input(t("Name"), placeholder=t("where it is used")).props("outlined dense stack-label autofocus")

        async def send() -> bool:
            body = {"name": (name.value or "").strip(), "deployment_ids": [deployment["id"]]}
            made.append(await person.catalog.post("/api/v1/api-keys", body))
            return True

        form.send = send
    if await until_closed(dialog) is not True:
        return False
    await show_secret(t("The new key"), made[0]["secret"], t("It is shown this once. Keep it where it is used."))
    return True


async def _add(deployment: Item, others: list[Item]) -> bool:
    person = here().person
    by_id = {one["id"]: one for one in others}
    with form_dialog(t("Let a key call {name}", name=deployment["name"]), button=t("Add")) as (dialog, form):
        key = ui.select({one["id"]: one["name"] for one in others}, value=others[0]["id"], label=t("Key"))
        key.props("outlined dense")

        async def send() -> bool:
            chosen = by_id[str(key.value)]
            ids = [*chosen["deployment_ids"], deployment["id"]]
            await person.catalog.patch(path_of("/api/v1/api-keys/{}", chosen["id"]), {"deployment_ids": ids})
            return True

        form.send = send
    return await until_closed(dialog) is True


async def _take_away(key: Item, deployment: Item) -> bool:
    catalog, path = here().person.catalog, path_of("/api/v1/api-keys/{}", key["id"])
    left = [one for one in key["deployment_ids"] if one != deployment["id"]]
    if left:
        told = t("{name} may no longer call it.", name=key["name"])
        return await attempt(lambda: catalog.patch(path, {"deployment_ids": left}), told) is not None
    # A key that names no deployment would be good for all that its owner may use: more than it was made for.
    what = [t("It names no other deployment, so it is revoked: whoever uses it is refused from now on.")]
    if not await confirm(t("Revoke {name}?", name=key["name"]), what, button=t("Revoke")):
        return False

    async def revoke() -> bool:
        await catalog.delete(path)
        return True

    return await attempt(revoke, t("{name} is revoked.", name=key["name"])) is True
