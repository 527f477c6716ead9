"""The templates of the tenant, each with its newest number."""

from collections.abc import Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.templates import suits_text
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.dialogs import form_dialog, until_closed
from roundhouse_console.kit.files import text_file
from roundhouse_console.kit.here import ago, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.signals import done
from roundhouse_console.kit.tables import Row, column, link, table, text
from roundhouse_console.pages.deployments.parts import deployment_tabs

__all__ = ["bring_in", "show"]

_EXAMPLE = """name: chat-on-cpu
suits: {kinds: [chat]}
engine: llama.cpp
parameters: {parallel: 4, context: 2048}"""


async def show() -> None:
    may_write = here().may("deployments:write")
    with page_head(
        t("Templates"), t("Engine, parameters, resources and scaling, settled once: who deploys only picks a model.")
    ):
        if may_write:
            bring = ui.button(t("Import")).props("flat no-caps").classes("rh-button-quiet")
            ui.link(t("New template"), "/deployments/new-template").classes("rh-button")
    deployment_tabs("templates")
    with panel():
        look = await follow(_ask, _table)

    async def brought() -> None:
        if await bring_in(""):
            await look()

    if may_write:
        bring.on_click(brought)


async def _ask() -> list[Item]:
    return await here().person.catalog.items("/api/v1/templates")


def _table() -> Callable[[list[Item]], None]:
    put = table(
        [
            column("name", t("Name"), wraps=True),
            column("suits", t("For models")),
            column("engine", t("Engine")),
            column("each", t("Each replica"), is_wide=True),
            column("number", t("Number"), is_wide=True),
            column("changed", t("Changed"), is_wide=True),
        ],
        label=t("Templates"),
        order="name",
        nothing=t("There are no templates yet. Make one, and deploying needs only a model."),
    )
    return lambda found: put([_row(one) for one in found])


def _row(one: Item) -> Row:
    return {
        "id": one["name"],
        "label": one["name"],
        "name": link(one["name"], path_of("/deployments/templates/{}", one["name"]), one["description"]),
        "suits": suits_text(one, t) or t("any"),
        "engine": f"{one['engine']} {one['engine_version']}".strip(),
        "each": _each(one),
        "number": one["number"],
        "changed": text(ago(instant(one["created_at"])), sort=one["created_at"]),
    }


def _each(one: Item) -> str:
    if one["alternatives"]:
        return ", ".join(way["name"] for way in one["alternatives"])
    resources = one["resources"]
    devices = (
        t("{count|accelerator|accelerators}", count=resources["device_count"]) if resources["device_count"] else ""
    )
    memory = bytes_text(resources["memory_bytes"]) if resources["memory_bytes"] else t("as its files need")
    return " · ".join(part for part in (devices, memory) if part)


async def bring_in(document: str) -> bool:
    """Ask for recipes in YAML or JSON, beginning with `document`, and import them. True: something changed."""
    title, button = (t("Edit as a file"), t("Save")) if document else (t("Import templates"), t("Import"))
    with form_dialog(title, button=button, is_large=True) as (dialog, form):
        told = t("A document or several, in YAML or JSON. A name that is there gets its next number. All, or none.")
        ui.label(told).classes("rh-dim")
        field = ui.textarea(t("Templates"), value=document, placeholder=_EXAMPLE)
        field.props("outlined stack-label autogrow input-class=rh-code")
        field.props('input-style="min-height:220px;max-height:50vh"')
        text_file(field, accept=".yaml,.yml,.json")

        async def send() -> list[Item]:
            content = str(field.value or "")
            if not content.strip():
                raise ValueError(t("Paste a template first."))
            made = await here().person.catalog.post_text("/api/v1/templates:import", content, "application/yaml")
            items: list[Item] = made["items"]
            return items

        form.send = send
    items = await until_closed(dialog)
    if not items:
        return False
    words = {"created": t("new"), "updated": t("changed"), "unchanged": t("as it was")}
    done(", ".join(f"{one['name']}@{one['number']}: {words.get(one['change'], one['change'])}" for one in items))
    return any(one["change"] != "unchanged" for one in items)
