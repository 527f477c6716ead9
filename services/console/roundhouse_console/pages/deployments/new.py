"""A new deployment, or a new version of one: model, engine, resources, then a check before anything runs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deploying import (
    Draft,
    deployment_body,
    draft_of,
    suits,
    version_body,
    whole_body,
)
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.installed import nodes_with
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import empty, page_head, panel
from roundhouse_console.kit.signals import attempt, reason
from roundhouse_console.pages.deployments.check import check
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
    """What there is to choose from."""

    models: list[Item]
    templates: list[Item]
    engines: Mapping[str, int]
    nodes: list[Item]
    deployment: Item | None


@dataclass(slots=True)
class _Chosen:
    """What was chosen. `base` is what the template, or the version before, has."""

    known: _Known
    model: Item
    template: str = ""
    name: str = ""
    project_id: str = ""
    base: Draft = field(default_factory=Draft)
    fields: Fields = field(default_factory=lambda: Fields(Draft()))

    @property
    def is_version(self) -> bool:
        return self.known.deployment is not None

    def checked_body(self) -> Item:
        """Return what is checked. Raises ValueError."""
        if self.known.deployment is not None:
            return whole_body(self.fields.read(), model=self.model["id"], name=self.known.deployment["name"])
        return self.made_body()

    def made_body(self) -> Item:
        """Return what is made. Raises ValueError."""
        draft = self.fields.read()
        if self.is_version:
            return version_body(draft, self.base, model=self.model["id"])
        return deployment_body(
            draft,
            self.base,
            model=self.model["id"],
            name=self.name.strip(),
            template=self.template,
            project_id=self.project_id,
        )


async def show(model: str = "", deployment: str = "", template: str = "") -> None:
    back = (t("Deployments"), "/deployments")
    if deployment:
        back = (t("Deployment"), path_of("/deployments/{}", deployment))
    with page_head(t("New version") if deployment else t("Deploy a model"), back=back):
        pass
    await once(lambda: _known(deployment), lambda known: _wizard(known, model, template))


async def _known(deployment_id: str) -> _Known:
    person = here().person

    async def seen(ask: Callable[[], Awaitable[list[Item]]]) -> list[Item]:
        """Return what helps to choose; without it the form works as well."""
        try:
            return await ask() if here().me.may_anywhere("nodes:read") else []
        except ConsoleError:
            return []

    models, templates, engines, nodes, deployment = await asyncio.gather(
        person.catalog.items("/api/v1/models"),
        person.catalog.items("/api/v1/templates"),
        seen(lambda: person.scheduler.items("/api/v1/engines")),
        seen(lambda: person.scheduler.items("/api/v1/nodes")),
        _deployment(deployment_id),
    )
    return _Known(models, templates, nodes_with(engines), nodes, deployment)


async def _deployment(deployment_id: str) -> Item | None:
    if not deployment_id:
        return None
    return await here().person.catalog.get(path_of("/api/v1/deployments/{}", deployment_id))


async def _wizard(known: _Known, wanted: str, template: str) -> None:
    if not known.models:
        empty(t("There is no model yet. Add one in the marketplace."), action=t("Marketplace"), href="/models")
        return
    if known.deployment is not None:
        wanted = known.deployment["active_version"]["model_id"]
    chosen = _Chosen(known, _first_model(known, wanted, template))
    if known.deployment is not None:
        chosen.base = draft_of(known.deployment["active_version"])
        chosen.fields = Fields(draft_of(known.deployment["active_version"]))
    with panel(), ui.stepper().props("flat header-nav animated=false").classes("rh-steps") as stepper:
        with ui.step("model", t("Model")).props("prefix=1"):
            rebuild: list[Callable[[], None]] = []
            _model_step(chosen, lambda: [one() for one in rebuild], template)
            _steps(stepper, is_first=True)
        with ui.step("engine", t("Engine")).props("prefix=2"):
            engine_holder = ui.element("div").classes("rh-form")
            _steps(stepper)
        with ui.step("place", t("Resources")).props("prefix=3"):
            place_holder = ui.element("div").classes("rh-form")
            _steps(stepper)
        with ui.step("check", t("Check")).props("prefix=4"):
            check_holder = ui.element("div").classes("rh-live")
            with ui.stepper_navigation():
                ui.button(t("Back"), on_click=stepper.previous).props("flat no-caps")
                go = ui.button(t("Deploy"), icon="rocket_launch").props("unelevated no-caps")

    def build() -> None:
        chosen.fields.readers.clear()
        engine_holder.clear()
        place_holder.clear()
        with engine_holder:
            engine_fields(chosen.fields, known.engines)
        with place_holder:
            scale_fields(chosen.fields, is_version=chosen.is_version)
            _heading(t("Where it may run"))
            place_fields(chosen.fields, known.nodes)
            if not chosen.is_version:
                _access(chosen)

    async def entered() -> None:
        if stepper.value == "check":
            go.disable()
            check_holder.clear()
            with check_holder:
                if await check(chosen.checked_body, is_version=chosen.is_version):
                    go.enable()

    rebuild.append(build)
    build()
    stepper.on_value_change(entered)
    go.on_click(lambda: _deploy(chosen, go))


def _steps(stepper: ui.stepper, *, is_first: bool = False) -> None:
    with ui.stepper_navigation():
        if not is_first:
            ui.button(t("Back"), on_click=stepper.previous).props("flat no-caps")
        ui.button(t("Next"), on_click=stepper.next).props("unelevated no-caps")


def _heading(text: str) -> None:
    ui.element("h2").classes("rh-panel-title")._text = text


def _first_model(known: _Known, wanted: str, template: str) -> Item:
    """Return the model that was asked for, else the first that the template is for, else the first."""
    found = next((one for one in known.models if wanted in (one["id"], one["name"])), None)
    meant = next((one for one in known.templates if one["name"] == template), None)
    if found is None and meant is not None:
        found = next((one for one in known.models if suits(meant, one)), None)
    return found or known.models[0]


def _model_step(chosen: _Chosen, changed: Callable[[], object], wanted: str) -> None:
    known = chosen.known
    with ui.element("div").classes("rh-form"):
        names = {one["id"]: one["name"] for one in known.models}
        model = ui.select(names, value=chosen.model["id"], label=t("Model"), with_input=True).props("outlined dense")
        facts = ui.label().classes("rh-dim")
        template = ui.select({"": ""}, value="", label=t("Template")).props("outlined dense")
        about = ui.label().classes("rh-dim rh-pre")
        name: ui.input | None = None
        if not chosen.is_version:
            name = ui.input(t("Name"), placeholder=chosen.model["name"]).props("outlined dense stack-label")
            name.props["hint"] = t("What clients send as model; empty: the model's name.")
            name.on_value_change(lambda event: setattr(chosen, "name", event.value or ""))
            _project(chosen)

    def offered() -> None:
        chosen.model = next(one for one in known.models if one["id"] == model.value)
        if name is not None:
            name.props["placeholder"] = chosen.model["name"]
        facts.set_text(_facts(chosen.model))
        fitting = {"": t("None"), **{one["name"]: one["name"] for one in known.templates if suits(one, chosen.model)}}
        template.set_options(fitting, value=template.value if template.value in fitting else "")

    def laid() -> None:
        found = next((one for one in known.templates if one["name"] == template.value), None)
        about.set_text(found["description"] if found else "")
        about.set_visibility(bool(found and found["description"]))
        if known.deployment is not None and found is None:
            chosen.fields = Fields(draft_of(known.deployment["active_version"]))
        else:
            chosen.template = f"{found['name']}@{found['number']}" if found else ""
            chosen.fields = Fields(draft_of(found))
            if not chosen.is_version:
                chosen.base = draft_of(found)
        changed()

    def model_changed() -> None:
        if model.value is not None:
            offered()

    offered()
    about.set_visibility(False)
    model.on_value_change(model_changed)
    template.on_value_change(laid)
    if wanted in (template.options or ()):
        template.value = wanted


def _facts(model: Item) -> str:
    parts = [
        t(model["kind"]),
        bytes_text(model["total_bytes"]) if model["total_bytes"] else "",
        t("{count|token|tokens} of context", count=f"{model['context_length']:,}".replace(",", " ")),
        model["licence"],
    ]
    return " · ".join(one for one in parts if one)


def _project(chosen: _Chosen) -> None:
    me = here().me
    names = {one: name for one, name in me.project_names.items() if me.may("deployments:write", one)}
    if me.may("deployments:write"):
        names = {"": t("None"), **names}
    chosen.project_id = next(iter(names), "")
    if len(names) > 1 or "" not in names:
        project = ui.select(names, value=chosen.project_id, label=t("Project")).props("outlined dense")
        project.on_value_change(lambda event: setattr(chosen, "project_id", event.value or ""))


def _access(chosen: _Chosen) -> None:
    _heading(t("API keys that may use it"))
    access = access_field(chosen.fields.draft.access, chosen.project_id)

    def read() -> None:
        chosen.fields.draft.access = str(access.value)

    chosen.fields.readers.append(read)


async def _deploy(chosen: _Chosen, go: ui.button) -> None:
    go.disable()
    try:
        await _made(chosen)
    finally:
        go.enable()


async def _made(chosen: _Chosen) -> None:
    catalog, deployment = here().person.catalog, chosen.known.deployment
    try:
        body = chosen.made_body()
    except ValueError as error:
        ui.notify(reason(error), type="negative")
        return
    if deployment is not None:
        path = path_of("/api/v1/deployments/{}", deployment["id"])
        told = t("{name} has a new version.", name=deployment["name"])
        if await attempt(lambda: catalog.post(f"{path}/versions", body), told) is not None:
            ui.navigate.to(path_of("/deployments/{}", deployment["id"]))
        return
    made = await attempt(lambda: catalog.post("/api/v1/deployments", body))
    if made is not None:
        ui.navigate.to(path_of("/deployments/{}", made["id"]))
