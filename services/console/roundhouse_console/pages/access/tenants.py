"""Tenants: the organisations that share the platform, for its administrators."""

from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.access import patterns, patterns_text, quota_text
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.panels import page_head
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, text
from roundhouse_console.pages.access.parts import Again, access_tabs, field, listed, picks, quota_fields

__all__ = ["choose_log", "show"]

_PATH: Final = "/api/v1/tenants"
_LEVELS: Final = {"off": "nothing", "metadata": "who, what, when", "bodies": "texts too, redacted"}


async def show() -> None:
    again = Again()
    by_id: dict[str, Item] = {}
    with page_head(t("Tenants"), t("Organisations that share the platform; none sees what another has.")):

        async def create() -> None:
            await _create()
            await again()

        ui.button(t("Create a tenant"), icon="add", on_click=create).props("unelevated no-caps")
    access_tabs("tenants")

    async def rows() -> list[Row]:
        found = await here().person.catalog.items(_PATH)
        by_id.update({one["id"]: one for one in found})
        return [_row(one) for one in found]

    async def act(tenant_id: str, name: str) -> None:
        does = {"change": _change, "log": choose_log, "suspend": _suspend, "resume": _resume, "remove": _remove}
        await does[name](by_id[tenant_id])
        await again()

    columns = [
        column("name", t("Name")),
        column("state", t("State")),
        column("devices", t("Accelerators"), align="right", is_wide=True),
        column("replicas", t("Replicas"), align="right", is_wide=True),
        column("storage", t("Storage for uploads"), align="right", is_wide=True),
        column("log", t("Logged of requests"), is_wide=True),
        column("created", t("Created"), is_wide=True),
        column("actions", "", align="right", is_sortable=False),
    ]
    await listed(rows, columns, label=t("Tenants"), again=again, nothing=t("There are no tenants."), on_action=act)


def _row(one: Item) -> Row:
    devices, replicas, storage = quota_text(one["quota"])
    created = instant(one["created_at"])
    turn = (
        action("resume", "play_arrow", t("Resume"))
        if one["is_suspended"]
        else action("suspend", "pause", t("Suspend"), is_destructive=True)
    )
    buttons = [action("change", "edit", t("Change")), action("log", "receipt_long", t("Request log"))]
    if one["id"] != here().me.tenant_id:
        buttons += [turn, action("remove", "delete", t("Remove"), is_destructive=True)]
    return {
        "id": one["id"],
        "label": one["name"],
        "name": text(one["name"], sub=one["id"]),
        "state": state(t("Suspended"), "bad") if one["is_suspended"] else state(t("Active"), "good"),
        "devices": devices,
        "replicas": replicas,
        "storage": storage,
        "log": t(_LEVELS[one["request_log"]["level"]]),
        "created": text(ago(created), sort=created, why=at_time(created)),
        "actions": actions(*buttons),
    }


async def _create() -> None:
    person = here().person
    people = {one["id"]: one["name"] for one in await person.catalog.items("/api/v1/users")}
    with form_dialog(t("Create a tenant"), button=t("Create")) as (dialog, form):
        name = field(t("Name"), example="Research").props("autofocus")
        administrators = picks(t("Administrators"), people, [])
        quota = quota_fields()

        async def send() -> Item:
            body = {"name": name.value, "administrators": administrators.value, "quota": quota()}
            return await person.catalog.post(_PATH, body)

        form.send = send
    await until_closed(dialog)
    await names_of(person, "tenant")


async def _change(tenant: Item) -> None:
    person = here().person
    with form_dialog(t("Change {name}", name=tenant["name"]), button=t("Save")) as (dialog, form):
        name, quota = field(t("Name"), tenant["name"]), quota_fields(tenant["quota"])

        async def send() -> Item:
            return await person.catalog.patch(
                path_of(_PATH + "/{}", tenant["id"]), {"name": name.value, "quota": quota()}
            )

        form.send = send
    await until_closed(dialog)


async def choose_log(tenant: Item) -> None:
    """Choose what is logged of a tenant's requests, for how long, and what is taken out of texts."""
    person, now = here().person, tenant["request_log"]
    with form_dialog(t("Request log of {name}", name=tenant["name"]), button=t("Save")) as (dialog, form):
        options = {name: t(words) for name, words in _LEVELS.items()}
        level = ui.select(options, value=now["level"], label=t("Logged of requests")).props("outlined dense")
        days = ui.number(t("Kept for days"), value=now["keep_days"], min=1, precision=0).props("outlined dense")
        own = ui.textarea(
            t("Taken out of texts too: name = expression, one a line"), value=patterns_text(now["patterns"])
        ).props("outlined dense autogrow")

        async def send() -> Item:
            body = {"level": level.value, "keep_days": int(days.value or 1), "patterns": patterns(own.value)}
            return await person.catalog.patch(path_of(_PATH + "/{}", tenant["id"]), {"request_log": body})

        form.send = send
    await until_closed(dialog)


async def _suspend(tenant: Item) -> None:
    what = [
        t("Its API keys and sign-ins are refused within seconds, until it is resumed."),
        t("What runs goes on running; nothing is deleted."),
    ]
    if await confirm(t("Suspend {name}?", name=tenant["name"]), what, button=t("Suspend")):
        await _turn(tenant, t("{name} is suspended.", name=tenant["name"]), is_suspended=True)


async def _resume(tenant: Item) -> None:
    await _turn(tenant, t("{name} is resumed.", name=tenant["name"]), is_suspended=False)


async def _turn(tenant: Item, told: str, *, is_suspended: bool) -> None:
    path = path_of(_PATH + "/{}", tenant["id"])
    await attempt(lambda: here().person.catalog.patch(path, {"is_suspended": is_suspended}), told)


async def _remove(tenant: Item) -> None:
    what = [
        t("Its people, roles, projects and keys are gone for good."),
        t("A tenant with deployments or uploads is not removed: delete them first."),
    ]
    name = tenant["name"]
    if not await confirm(t("Remove {name}?", name=name), what, button=t("Remove"), type_to_confirm=name):
        return

    async def gone() -> None:
        await here().person.catalog.delete(path_of(_PATH + "/{}", tenant["id"]))

    await attempt(gone, t("{name} is removed.", name=name))
