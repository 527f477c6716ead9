"""One template: what it says, its numbers and what each changed, and what was made from it."""

import asyncio
import itertools
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deploying import parameters_text
from roundhouse_console.domain.templates import changes, made_from, suits_text
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import at_time, here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import fact, facts, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, column, table, text
from roundhouse_console.pages.templates.listing import bring_in

__all__ = ["show"]


@dataclass(frozen=True, slots=True)
class _Found:
    template: Item
    etag: str
    versions: list[Item]
    deployments: list[Item]


async def show(name: str) -> None:
    with page_head(name, back=(t("Templates"), "/deployments/templates")):
        holder = ui.element("div").classes("rh-actions")
    await once(lambda: _ask(name), lambda found: _built(found, holder))


async def _ask(name: str) -> _Found:
    catalog = here().person.catalog
    path = path_of("/api/v1/templates/{}", name)
    (template, tag), versions, deployments = await asyncio.gather(
        catalog.with_etag(path), catalog.items(f"{path}/versions"), catalog.items("/api/v1/deployments")
    )
    return _Found(template, tag, versions, made_from(name, deployments))


def _built(found: _Found, holder: ui.element) -> None:
    template = found.template
    holder.clear()
    with holder:
        _buttons(found)
    with panel():
        _facts(template)
        if template["parameters"]:
            ui.label(t("Engine parameters")).classes("rh-dim")
            ui.label(parameters_text(template["parameters"])).classes("rh-log")
    if template["alternatives"]:
        with panel(t("Classes of devices, the preferred one first")):
            _ways(template["alternatives"])
    with panel(t("Numbers")):
        _numbers(found.versions)
    with panel(t("Made from it")):
        _deployments(found.deployments)


def _buttons(found: _Found) -> None:
    name = found.template["name"]
    if here().me.may_anywhere("deployments:write"):
        ui.link(t("Deploy with it"), f"/deployments/new?template={name}").classes("rh-button")
    if not here().may("deployments:write"):
        return
    ui.link(t("Edit"), f"/deployments/new-template?name={name}").classes("rh-button-quiet")
    ui.button(t("Edit as a file"), on_click=lambda: _as_file(name)).props("flat no-caps")
    ui.button(t("Delete"), on_click=lambda: _delete(found)).props("flat no-caps color=negative")


async def _as_file(name: str) -> None:
    document = await attempt(lambda: here().person.catalog.text(path_of("/api/v1/templates/{}", name), format="yaml"))
    if document is not None and await bring_in(document):
        await ui.context.client.sub_pages_router.refresh()


async def _delete(found: _Found) -> None:
    name = found.template["name"]
    what = [
        t("All its numbers go: {count}.", count=len(found.versions)),
        t("Deployments that were made from it stay as they are: {count}.", count=len(found.deployments)),
    ]
    if await confirm(t("Delete {name}?", name=name), what, button=t("Delete")):
        path = path_of("/api/v1/templates/{}", name)
        told = t("{name} is deleted.", name=name)
        if await attempt(lambda: _gone(path, found.etag), told):
            ui.navigate.to("/deployments/templates")


async def _gone(path: str, etag: str) -> bool:
    await here().person.catalog.delete(path, etag=etag)
    return True


def _facts(template: Item) -> None:
    if template["description"]:
        ui.label(template["description"]).classes("rh-pre")
    resources, autoscale = template["resources"], template["autoscale"]
    with facts():
        fact(t("For models"), suits_text(template, t) or t("any"))
        fact(t("Engine"), f"{template['engine']} {template['engine_version']}".strip())
        fact(t("Replicas"), str(template["replicas"]) if not autoscale else _range(autoscale))
        fact(t("Accelerators for each replica"), str(resources["device_count"]))
        memory = resources["memory_bytes"]
        fact(t("Memory for each replica"), bytes_text(memory) if memory else t("as its files need"))
        fact(t("Where it may run"), _place(template["placement"]) or t("any"))
        fact(t("Number"), str(template["number"]))
        fact(t("Changed"), f"{at_time(instant(template['created_at']))} · {template['created_by']}")


def _range(autoscale: Item) -> str:
    return t("{least} to {most}, by load", least=autoscale["min_replicas"], most=autoscale["max_replicas"])


def _place(placement: Item) -> str:
    said = [placement[name] for name in ("region", "zone", "device_vendor", "device_model")]
    labels = [f"{name}={value}" for name, value in placement["node_labels"].items()]
    return ", ".join(one for one in (*said, *labels, *placement["node_ids"]) if one)


def _ways(alternatives: list[Item]) -> None:
    columns = [
        column("name", t("Name"), is_sortable=False),
        column("devices", t("Accelerators"), is_sortable=False),
        column("count", t("For each replica"), align="right", is_sortable=False),
        column("parameters", t("Engine parameters"), is_wide=True, is_sortable=False),
    ]
    rows: list[Row] = [
        {
            "id": one["name"],
            "name": one["name"],
            "devices": " ".join(part for part in (one["device_vendor"], one["device_model"]) if part)
            or t("processors"),
            "count": one["resources"]["device_count"],
            "parameters": ", ".join(f"{name}={value}" for name, value in one["parameters"].items()),
        }
        for one in alternatives
    ]
    table(columns, rows=rows, label=t("Classes of devices, the preferred one first"), search=False)


def _numbers(versions: list[Item]) -> None:
    before: dict[int, Item] = {}
    for older, newer in itertools.pairwise(versions):
        before[newer["number"]] = older
    rows: list[Row] = [
        {
            "id": str(one["number"]),
            "number": one["number"],
            "when": text(at_time(instant(one["created_at"])), sort=one["created_at"], sub=one["created_by"]),
            "what": _said(before[one["number"]], one) if one["number"] in before else t("the first one there is"),
        }
        for one in versions
    ]
    columns = [
        column("number", t("Number")),
        column("when", t("Made at")),
        column("what", t("What it changed"), wraps=True, is_sortable=False),
    ]
    table(columns, rows=rows, label=t("Numbers"), search=False, order="number", is_descending=True, per_page=10)


def _said(older: Item, newer: Item) -> str:
    found = changes(older, newer)
    return "; ".join(f"{place}: {was or '–'} → {now or '–'}" for place, was, now in found) or t("no difference")


def _deployments(deployments: list[Item]) -> None:
    if not deployments:
        ui.label(t("Nothing that runs now.")).classes("rh-dim")
        return
    with ui.element("ul").classes("rh-list"):
        for one in deployments:
            with ui.element("li"):
                ui.link(one["name"], path_of("/deployments/{}", one["id"])).classes("rh-link")
                ui.label(str(one["active_version"]["template"])).classes("rh-sub")
