"""The settings of a deployment: how many replicas, which API keys, pause, and its end."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deploying import scaling_of
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import note, panel
from roundhouse_console.kit.signals import attempt, reason
from roundhouse_console.pages.deployments.fields import access_field, number, scaling_fields
from roundhouse_console.pages.deployments.keys import keys_panel

__all__ = ["show"]

Look = Callable[[], Awaitable[object]]


async def show(deployment_id: str, look: Look) -> None:
    """Build the tab. `look` shows the head of the page anew after a change."""
    path = path_of("/api/v1/deployments/{}", deployment_id)
    await once(lambda: here().person.catalog.get(path), lambda found: _parts(found, path, look))


async def _parts(deployment: Item, path: str, look: Look) -> None:
    _scale(deployment, path, look)
    _access(deployment, path, look)
    if here().me.may_anywhere("keys:read"):
        await keys_panel(deployment)
    holder = ui.element("div").classes("rh-live")
    with holder:
        _pause(deployment, path, look, holder)
    _delete(deployment, path)


def _scale(deployment: Item, path: str, look: Look) -> None:
    known = deployment["autoscale"]
    with panel(t("Replicas")):
        ui.label(t("Applies to the version that runs, at once. Each replica takes the same memory and devices."))
        with ui.element("div").classes("rh-wizard-fields"):
            replicas = number(t("Replicas"), deployment["replicas"])
        read = scaling_fields(None if known is None else scaling_of(known), known)

        async def save() -> None:
            try:
                scaling = read()
                autoscale = None if scaling is None else scaling.over(known)
            except ValueError as error:
                ui.notify(reason(error), type="negative")
                return
            body = {"replicas": int(replicas.value or 0), "autoscale": autoscale}
            if await attempt(lambda: here().person.catalog.patch(path, body), t("Saved.")) is not None:
                await look()

        _save(t("Save replicas"), save)


def _access(deployment: Item, path: str, look: Look) -> None:
    with panel(t("API keys that may use it")):
        access = access_field(deployment["access"], deployment["project_id"])

        async def save() -> None:
            body = {"access": access.value}
            if await attempt(lambda: here().person.catalog.patch(path, body), t("Saved.")) is not None:
                await look()

        _save(t("Save access"), save)


def _save(words: str, do: Callable[[], Awaitable[None]]) -> None:
    with ui.element("div").classes("rh-row"):
        ui.button(words, on_click=do).props("unelevated no-caps")


def _pause(deployment: Item, path: str, look: Look, holder: ui.element) -> None:
    paused = deployment["is_paused"]
    with panel(t("Pause")):
        if paused:
            note(t("Paused: changes of version and scaling by load wait."), "warn", icon="pause_circle")
        else:
            ui.label(t("While paused, changes of version and scaling by load wait; what fails is still replaced."))

        async def switch() -> None:
            verb = "resume" if paused else "pause"
            changed = await attempt(lambda: here().person.catalog.post(f"{path}:{verb}"))
            if changed is None:
                return
            holder.clear()
            with holder:
                _pause(changed, path, look, holder)
            await look()

        with ui.element("div").classes("rh-row"):
            words, icon = (t("Resume"), "play_arrow") if paused else (t("Pause"), "pause")
            ui.button(words, icon=icon, on_click=switch).props("outline no-caps")


def _delete(deployment: Item, path: str) -> None:
    name = deployment["name"]

    async def delete() -> None:
        what = [
            t("All its versions are gone for good, and so is its address: requests to {name} are refused.", name=name),
            t("Its logs, usage and audit entries stay."),
        ]
        if not await confirm(t("Delete {name}?", name=name), what, button=t("Delete"), type_to_confirm=name):
            return

        async def send() -> bool:
            await here().person.catalog.delete(path)
            return True

        if await attempt(send, t("{name} is deleted.", name=name)):
            ui.navigate.to("/deployments")

    with panel(t("Delete the deployment")):
        ui.label(t("Only while no version is active: stop it first, and wait until it is Stopped."))
        with ui.element("div").classes("rh-row"):
            ui.button(t("Delete"), icon="delete", on_click=delete).props("outline no-caps color=negative")
