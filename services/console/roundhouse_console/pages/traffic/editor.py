"""One route: its form, and beside it what it would do to requests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.routing import KINDS, RouteDraft, body_of, changed_of, draft_of
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import fact, facts, note, page_head, panel
from roundhouse_console.kit.signals import attempt, done, reason
from roundhouse_console.pages.traffic.fields import Fields
from roundhouse_console.pages.traffic.parts import target_names
from roundhouse_console.pages.traffic.preview import Preview
from roundhouse_console.pages.traffic.settings import Known, access_part, settings_parts
from roundhouse_console.pages.traffic.targets import Fallbacks, Targets

__all__ = ["show", "show_new"]

_PATH = "/api/v1/routes"


@dataclass(slots=True)
class _Form:
    """A route in the form, beside it as it was read."""

    draft: RouteDraft
    route: Item | None = None
    etag: str = ""
    limits: list[Item] = field(default_factory=list)
    routes: list[Item] = field(default_factory=list)

    @property
    def is_own(self) -> bool:
        """Whether it is a deployment's own: that keeps its name, and goes with the deployment."""
        return self.route is not None and bool(self.route["deployment_id"])

    @property
    def users(self) -> list[str]:
        """The routes that name it."""
        if self.route is None:
            return []
        name = self.route["name"]
        return [
            one["name"]
            for one in self.routes
            if one["alias_of"] == name or any(back["route"] == name for back in one["fallbacks"])
        ]


async def show_new() -> None:
    """The form of a route that is not there yet."""
    with page_head(t("New route"), back=(t("Traffic"), "/traffic")):
        pass

    async def ask() -> tuple[_Form, Known]:
        routes, known = await asyncio.gather(here().person.catalog.items(_PATH), _known())
        return _Form(RouteDraft(), routes=routes), known

    await once(ask, lambda found: _editor(found[0], found[1]))


async def show(route_id: str) -> None:
    """The form of a route that is there."""

    async def ask() -> tuple[_Form, Known]:
        catalog = here().person.catalog
        (route, etag), routes, limits, known = await asyncio.gather(
            catalog.with_etag(path_of("/api/v1/routes/{}", route_id)),
            catalog.items(_PATH),
            catalog.items("/api/v1/limits"),
            _known(),
        )
        held = [one for one in limits if route_id in one["route_ids"]]
        return _Form(draft_of(route), route, etag, held, routes), known

    def build(found: tuple[_Form, Known]) -> Awaitable[None]:
        form, known = found
        route = form.route or {}
        with page_head(route["name"], _subtitle(route), back=(t("Traffic"), "/traffic")):
            if here().me.may_anywhere("routes:write") and not form.is_own:
                ui.button(t("Delete"), icon="delete", on_click=lambda: _delete(form)).props(
                    "outline no-caps color=negative"
                )
        return _editor(form, known)

    await once(ask, build)


def _subtitle(route: Item) -> str:
    if route["deployment_id"]:
        return t("A deployment's own route: it keeps its name, and goes with the deployment.")
    return t("For every tenant") if route["is_platform"] else t("A route of the tenant")


async def _known() -> Known:
    person = here().person
    deployments, providers, keys, tenants, projects, routes = await asyncio.gather(
        *(names_of(person, kind) for kind in ("deployment", "provider", "key", "tenant", "project", "route"))
    )
    destinations = {f"deployment:{one}": name for one, name in deployments.items()}
    destinations |= {f"provider:{one}": t("{name} (provider)", name=name) for one, name in providers.items()}
    return Known(destinations, sorted(set(routes.values())), keys, tenants, projects)


async def _editor(form: _Form, known: Known) -> None:
    looks: list[Callable[[], Awaitable[None]]] = []

    async def changed() -> None:
        for look in looks:
            await look()

    fields = Fields(changed, is_read_only=not here().me.may_anywhere("routes:write"))
    with ui.element("div").classes("rh-grid rh-editor"):
        with ui.element("div").classes("rh-live"):
            with panel(t("Route")):
                _lead_fields(fields, form, known)
            with panel(t("More settings"), classes="rh-folds"):
                with ui.element("div").classes("rh-column") as more:
                    settings_parts(fields, form.draft)
                more.bind_visibility_from(form.draft, "is_alias", value=False)
                access_part(fields, form.draft, known)
            if not fields.is_read_only:
                _buttons(form)
        with ui.element("div").classes("rh-live rh-beside"):
            names = await target_names()
            with panel(t("Effect")):
                looks.append(Preview(lambda: body_of(form.draft), names, known.keys).look)
            if form.route is not None:
                _used_by(form)
    await changed()


def _lead_fields(fields: Fields, form: _Form, known: Known) -> None:
    draft = form.draft
    with ui.element("div").classes("rh-fields"):
        hint = t("What clients send as “model”; * stands for any characters")
        name = fields.text(draft, "name", t("Name"), hint=hint, example="support")
        if form.is_own:
            name.props("readonly")
        kinds = {False: t("Deployments and providers"), True: t("Another route: this is one more name for it")}
        leads = ui.select(kinds, value=draft.is_alias, label=t("It leads to"))
        leads.props("outlined dense stack-label").classes("rh-field")
    if form.is_own or fields.is_read_only:
        leads.props("readonly disable")
    if form.route is None and here().may("platform:admin"):
        fields.switch(draft, "is_platform", t("For every tenant"))
    with ui.element("div").classes("rh-column") as alias:
        routes = {one: one for one in known.routes if one != draft.name}
        fields.choice(draft, "alias_of", t("The route that is meant"), routes)
    with ui.element("div").classes("rh-column") as direct:
        ui.label(
            t("Requests are split by weight among the targets of the lowest priority; the next ones take over.")
        ).classes("rh-dim")
        Targets(fields, draft, known)
        with ui.element("div").classes("rh-fields"):
            holds = {"request": t("each request"), "key": t("each API key"), "user": t("each user")}
            fields.choice(draft, "split_by", t("A draw by weight holds for"), holds)
            kind = fields.choice(draft, "model_kind", t("Kind of model"), {one: t(one) for one in KINDS})
            kind.props["hint"] = t("Counts where every target is a provider's")
        ui.element("h3").classes("rh-h3")._text = t("Fallbacks")
        Fallbacks(fields, draft, known)

    async def led(event: object) -> None:
        draft.is_alias = bool(leads.value)
        made = fields.changed()
        if isinstance(made, Awaitable):
            await made

    leads.on_value_change(led)
    alias.bind_visibility_from(leads, "value")
    direct.bind_visibility_from(leads, "value", value=False)


def _buttons(form: _Form) -> None:
    async def save() -> None:
        button.disable()
        try:
            await _save(form)
        finally:
            button.enable()

    with ui.element("div").classes("rh-dialog-buttons"):
        ui.link(t("Cancel"), "/traffic").classes("rh-button-quiet")
        title = t("Create the route") if form.route is None else t("Save")
        button = ui.button(title, icon="check", on_click=save).props("unelevated no-caps")


async def _save(form: _Form) -> None:
    catalog = here().person.catalog
    try:
        body = body_of(form.draft)
        before = {} if form.route is None else body_of(draft_of(form.route))
    except ValueError as error:
        ui.notify(reason(error), type="warning", position="bottom")
        return
    if form.route is None:
        saved = await attempt(lambda: catalog.post(_PATH, body), t("{name} is made.", name=body["name"]))
    else:
        changes = changed_of(before, body)
        if not changes:
            done(t("There is nothing to save."))
            return
        path = path_of("/api/v1/routes/{}", form.route["id"])
        told = t("{name} is changed. Routers follow within a second.", name=body["name"])
        saved = await attempt(lambda: catalog.patch(path, changes, etag=form.etag), told)
    if saved is not None:
        here().person.cached.clear()
        ui.navigate.to("/traffic")


async def _delete(form: _Form) -> None:
    route = form.route or {}
    name, path = route["name"], path_of("/api/v1/routes/{}", route["id"])
    what = [t("Clients that send {name} as “model” are refused with 404 from then on.", name=name)]
    if form.users:
        what.append(
            t("These routes name it, and keep it from being deleted until they are changed: {names}.",
              names=", ".join(form.users))
        )  # fmt: skip
    if form.limits:
        what.append(t("Limits for it: {names}.", names=", ".join(one["name"] for one in form.limits)))
    if not await confirm(t("Delete the route {name}?", name=name), what, button=t("Delete")):
        return
    catalog = here().person.catalog

    async def remove() -> bool:
        await catalog.delete(path)
        return True

    if await attempt(remove, t("{name} is deleted.", name=name)):
        here().person.cached.clear()
        ui.navigate.to("/traffic")


def _used_by(form: _Form) -> None:
    with panel(t("What uses it")):
        with facts():
            fact(t("Routes that name it"), form.users)
            fact(t("Limits for it"), [one["name"] for one in form.limits])
        if form.is_own:
            note(t("The deployment stays among its targets."))
