"""One deployment: what it is, how it is, and everything one does with it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deployments import Found, failure_of, state_of, tells
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.here import ago, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import badge, fact, facts, page_head, panel
from roundhouse_console.pages.deployments import events, logs, metrics, replicas, settings, testing
from roundhouse_console.pages.deployments.asking import status_of, version_states
from roundhouse_console.pages.deployments.listing import start, stop
from roundhouse_console.pages.deployments.switches import ask_for

__all__ = ["show"]


@dataclass(frozen=True, slots=True)
class _Found:
    deployment: Item
    status: Item
    versions: list[Item]


async def show(deployment_id: str) -> None:
    first = await _found(deployment_id)
    looks: list[Callable[[], Awaitable[None]]] = []

    async def look() -> None:
        for one in looks:
            await one()

    name = first.deployment["name"]
    with page_head(name, first.deployment["active_version"]["model_name"], back=(t("Deployments"), "/deployments")):
        buttons = ui.element("div").classes("rh-row")
    looks.append(await follow(lambda: _found(deployment_id), lambda: _head(buttons, look)))
    project_id = first.deployment["project_id"]
    tabs: dict[str, tuple[str, Callable[[], Awaitable[None]]]] = {}
    if here().may("replicas:read", project_id):
        tabs["replicas"] = (t("Replicas"), lambda: replicas.show(deployment_id))
    if "replicas" in tabs and here().may("logs:read", project_id):
        tabs["logs"] = (t("Logs"), lambda: logs.show(deployment_id))
    tabs["metrics"] = (t("Metrics"), lambda: metrics.show(deployment_id))
    tabs["events"] = (t("Events"), lambda: events.show(deployment_id))
    if here().me.may_anywhere("keys:write"):
        tabs["test"] = (t("Test"), lambda: testing.show(name))
    if here().may("deployments:write", project_id):
        tabs["settings"] = (t("Settings"), lambda: settings.show(deployment_id, look))
    await _tabbed(tabs)


async def _found(deployment_id: str) -> _Found:
    person = here().person
    deployment, status, versions = await asyncio.gather(
        person.catalog.get(path_of("/api/v1/deployments/{}", deployment_id)),
        status_of(deployment_id),
        version_states(deployment_id),
    )
    return _Found(deployment, status, versions)


def _head(buttons: ui.element, look: Callable[[], Awaitable[None]]) -> Callable[[_Found], None]:
    with panel():
        holder = ui.element("div").classes("rh-column")

    def put(found: _Found) -> None:
        holder.clear()
        with holder:
            _state(found)
        buttons.clear()
        with buttons:
            _buttons(found.deployment, look)

    return put


def _state(found: _Found) -> None:
    deployment, status = found.deployment, found.status
    words, tone = state_of(status["state"])
    with ui.element("div").classes("rh-row"):
        badge(t(words), tone)
        ui.label(status["why"]).classes("rh-dim")
    version = deployment["active_version"]
    failure = failure_of(found.versions)
    if failure is not None and tells(failure, status["state"], version["number"]):
        _failure(failure, version["number"])
    with facts():
        fact(t("Replicas"), f"{status['replicas_ready']} / {status['replicas_wanted']}")
        fact(t("Version"), str(version["number"]))
        fact(t("Engine"), f"{version['engine']} {version['engine_version']}".strip())
        fact(t("Context"), f"{version['context_length']:,}".replace(",", " "))
        fact(t("Access"), t(deployment["access"]))
        fact(t("Project"), here().me.project_names.get(deployment["project_id"], deployment["project_id"]))
        fact(t("Changed"), ago(instant(deployment["updated_at"])))


def _failure(failure: Found, active: int) -> None:
    """The diagnosis, first of all: what happened, and the lines of the log that say so."""
    with ui.element("div").classes("rh-note rh-bad").props("role=alert"):
        ui.icon("error_outline")
        with ui.element("div").classes("rh-column"):
            ui.label(t("Version {number} failed", number=failure["number"])).classes("rh-strong")
            if failure["number"] != active:
                ui.label(t("Version {number} serves instead.", number=active))
            ui.label(failure["detail"] or failure["reason"]).classes("rh-pre")
    if failure["log_tail"]:
        ui.label("\n".join(failure["log_tail"])).classes("rh-log").props("tabindex=0 role=log")


def _buttons(deployment: Item, look: Callable[[], Awaitable[None]]) -> None:
    if not here().may("deployments:write", deployment["project_id"]):
        return

    async def act(do: Callable[[Item], Awaitable[bool]]) -> None:
        if await do(deployment):
            await look()

    new = path_of("/deployments/new?deployment={}", deployment["id"])
    ui.button(t("New version"), icon="add", on_click=lambda: ui.navigate.to(new)).props("outline no-caps")
    if deployment["desired"] == "run":
        ui.button(t("Switch"), icon="swap_horiz", on_click=lambda: ask_for(deployment)).props("outline no-caps")
        ui.button(t("Stop"), icon="stop", on_click=lambda: act(stop)).props("outline no-caps")
    else:
        ui.button(t("Start"), icon="play_arrow", on_click=lambda: act(start)).props("unelevated no-caps")


async def _tabbed(parts: Mapping[str, tuple[str, Callable[[], Awaitable[None]]]]) -> None:
    """Tabs whose content is built when they are first looked at, and taken down when one goes on."""
    first = next(iter(parts))
    with ui.tabs().props("no-caps align=left dense inline-label").classes("rh-tabs") as tabs:
        for name, (title, _) in parts.items():
            ui.tab(name, title)
    tabs.set_value(first)
    holder = ui.element("div").classes("rh-live").props("role=tabpanel")

    async def shown() -> None:
        holder.clear()
        with holder:
            await parts[str(tabs.value)][1]()

    tabs.on_value_change(shown)
    await shown()
