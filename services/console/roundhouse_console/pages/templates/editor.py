"""A new template, or the next number of one."""

import asyncio
from dataclasses import dataclass, field

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deploying import draft_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.installed import nodes_with
from roundhouse_console.domain.routing import KINDS
from roundhouse_console.domain.templates import About, about_of, recipe_of
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import note, page_head, panel
from roundhouse_console.kit.signals import attempt, reason
from roundhouse_console.pages.deployments.fields import (
    Fields,
    access_field,
    engine_fields,
    place_fields,
    scale_fields,
)

__all__ = ["show"]


@dataclass(frozen=True, slots=True)
class _Known:
    template: Item | None
    etag: str
    engines: dict[str, int] = field(default_factory=dict)
    nodes: list[Item] = field(default_factory=list)


async def show(name: str = "") -> None:
    """With a name its newest number is what the form begins with."""
    if not here().may("deployments:write"):
        note(
            t(
                "Templates are for all of {tenant}: who deploys in a project only uses them.",
                tenant=here().me.tenant_name,
            )
        )
        return
    back = (name, path_of("/deployments/templates/{}", name)) if name else (t("Templates"), "/deployments/templates")
    title = t("Edit {name}", name=name) if name else t("New template")
    with page_head(title, t("Deployments that were made from it stay as they are.") if name else "", back=back):
        pass
    await once(lambda: _known(name), _editor)


async def _known(name: str) -> _Known:
    person = here().person
    template, tag = None, ""
    if name:
        template, tag = await person.catalog.with_etag(path_of("/api/v1/templates/{}", name))
    if not here().me.may_anywhere("nodes:read"):
        return _Known(template, tag)
    try:
        engines, nodes = await asyncio.gather(
            person.scheduler.items("/api/v1/engines"), person.scheduler.items("/api/v1/nodes")
        )
    except ConsoleError:  # it only helps to choose
        return _Known(template, tag)
    return _Known(template, tag, nodes_with(engines), nodes)


def _editor(known: _Known) -> None:
    template = known.template
    fields, about = Fields(draft_of(template)), about_of(template)
    with panel(t("What it is for")):
        name = _about_fields(fields, about, is_new=template is None)
    with panel(t("Engine")), ui.element("div").classes("rh-form"):
        engine_fields(fields, known.engines)
    with panel(t("Resources")), ui.element("div").classes("rh-form"):
        if template and template["alternatives"]:
            ways = ", ".join(one["name"] for one in template["alternatives"])
            note(t("Its classes of devices stay as they are: {names}. A file changes them: import it.", names=ways))
        scale_fields(fields, is_version=False)
        evictable = ui.switch(t("While idle it may be put to sleep to make room"), value=about.is_evictable)
        place_fields(fields, known.nodes)
    with panel(t("API keys that may use it")):
        access = access_field(fields.draft.access, "")

    async def save() -> None:
        about.is_evictable = bool(evictable.value)
        fields.draft.access = str(access.value)
        try:
            recipe = recipe_of(fields.read(), about, template)
        except ValueError as error:
            ui.notify(reason(error), type="negative")
            return
        await _save(str(name.value or "").strip() if name else "", recipe, known)

    with ui.element("div").classes("rh-dialog-buttons"):
        ui.button(t("Save as the next number") if template else t("Create"), on_click=save).props("unelevated no-caps")


def _about_fields(fields: Fields, about: About, *, is_new: bool) -> ui.input | None:
    with ui.element("div").classes("rh-form"):
        name = None
        if is_new:
            name = ui.input(t("Name"), placeholder="chat-on-cpu").props("outlined dense stack-label")
        description = ui.input(t("Description"), value=about.description).props("outlined dense stack-label")
        with ui.element("div").classes("rh-wizard-fields"):
            kinds = ui.select(
                {one: t(one) for one in KINDS}, value=about.kinds, multiple=True, label=t("Kinds of models")
            )
            kinds.props("outlined dense use-chips stack-label").classes("rh-field")
            names = ui.input(t("Names of models"), value=about.names, placeholder="*-instruct, qwen*")
            architectures = ui.input(t("Architectures"), value=about.architectures, placeholder="Llama*")
            for one in (names, architectures):
                one.props("outlined dense stack-label").classes("rh-field")
        ui.label(t("Empty: any. * stands for anything; several with commas between.")).classes("rh-dim")

    def read() -> None:
        about.description = str(description.value or "")
        about.kinds = list(kinds.value or ())
        about.names, about.architectures = str(names.value or ""), str(architectures.value or "")

    fields.readers.append(read)
    return name


async def _save(name: str, recipe: Item, known: _Known) -> None:
    catalog = here().person.catalog
    if known.template is None:
        made = await attempt(lambda: catalog.post("/api/v1/templates", {"name": name, **recipe}))
    else:
        path = path_of("/api/v1/templates/{}/versions", known.template["name"])
        made = await attempt(lambda: catalog.post(path, recipe, etag=known.etag))
    if made is not None:
        ui.navigate.to(path_of("/deployments/templates/{}", made["name"]))
