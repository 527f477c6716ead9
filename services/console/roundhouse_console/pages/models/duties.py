"""What operators do with a model."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.adding import changes_of, parameters_lines
from roundhouse_console.domain.models import KINDS, Uses
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import note
from roundhouse_console.kit.signals import attempt, done
from roundhouse_console.pages.models.asking import forget_market

__all__ = ["duties"]

Look = Callable[[], Awaitable[None]]


def duties(model: Item, uses: Uses, look: Look) -> None:
    """Build the buttons of those who may change models. `look` shows what came of it."""
    if not here().may("models:write"):
        return

    def act(do: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[None]]:
        async def doing() -> None:
            if await do():
                forget_market(here())
                await look()

        return doing

    is_published = model["is_published"]
    ui.button(t("Withdraw") if is_published else t("Publish"), on_click=act(lambda: _publish(model))).props(
        "outline no-caps"
    )
    ui.button(t("Edit"), icon="edit", on_click=act(lambda: _edit(model))).props("outline no-caps")
    more = ui.button(icon="more_vert").props(f'outline aria-label="{t("More")}" aria-haspopup=menu')
    choices = (
        (t("Trial service"), act(lambda: _trial(model, uses))),
        (t("Read its files"), act(lambda: _inspect(model))),
        (t("Modelfile"), lambda: _modelfile(model)),
        (t("Copy it"), lambda: _copy(model)),
        (t("Delete"), lambda: _delete(model, uses)),
    )
    with more, ui.menu().props("role=menu"):
        for title, do in choices:
            ui.menu_item(title, on_click=do).props("role=menuitem").classes("rh-menu-item")


def _path(model: Item) -> str:
    return path_of("/api/v1/models/{}", model["id"])


async def _change(model: Item, body: Item, told: str) -> bool:
    return await attempt(lambda: here().person.catalog.patch(_path(model), body), told) is not None


async def _publish(model: Item) -> bool:
    name = model["name"]
    if not model["is_published"]:
        return await _change(model, {"is_published": True}, t("{name} is published.", name=name))
    what = [t("Users do not see it any more. What runs goes on.")]
    if not await confirm(t("Withdraw {name}?", name=name), what, button=t("Withdraw")):
        return False
    return await _change(model, {"is_published": False}, t("{name} is withdrawn.", name=name))


async def _inspect(model: Item) -> bool:
    ui.notify(t("Reading…"), type="ongoing", timeout=3000)
    path = f"{_path(model)}:inspect"
    return await attempt(lambda: here().person.catalog.post(path), t("Its files were read.")) is not None


async def _edit(model: Item) -> bool:
    person, own = here().person, model["defaults"] or {"system_message": "", "parameters": {}, "chat_template": ""}
    memory_mib = str(model["memory_bytes"] // 2**20 or "")
    typed: dict[str, Any] = {
        "name": model["name"],
        "kind": model["kind"],
        "licence": model["licence"],
        "tags": ", ".join(model["tags"]),
        "context_length": str(model["context_length"] or ""),
        "memory_mib": memory_mib,
        "known_memory_mib": memory_mib,
        "system_message": own["system_message"],
        "parameters": parameters_lines(own["parameters"]),
        "chat_template": own["chat_template"],
    }
    _, etag = await person.catalog.with_etag(_path(model))
    with form_dialog(t("Edit {name}", name=model["name"]), button=t("Save"), is_large=True) as (dialog, form):
        with ui.element("div").classes("rh-fields"):
            _field(typed, "name", t("Name"))
            ui.select({one: t(one) for one in KINDS}, label=t("Kind")).props("outlined dense").bind_value(typed, "kind")
            _field(typed, "licence", t("Licence"))
            _field(typed, "tags", t("Tags"))
            _field(typed, "context_length", t("Context in tokens"))
            _field(typed, "memory_mib", t("Memory in MiB, when it is to be stated"))
        ui.label(t("What callers get unless they say otherwise")).classes("rh-dim")
        _area(typed, "system_message", t("System message"))
        _area(typed, "parameters", t("Sampling parameters")).props["hint"] = t("one a line, e.g. temperature=0.2")
        _area(typed, "chat_template", t("Chat template")).props("input-class=rh-code")

        async def send() -> bool:
            await person.catalog.patch(_path(model), changes_of(typed, t), etag=etag)
            return True

        form.send = send
    if await until_closed(dialog) is not True:
        return False
    done(t("{name} is changed.", name=typed["name"]))
    return True


def _field(typed: dict[str, Any], name: str, label: str) -> ui.input:
    return ui.input(label).props("outlined dense").bind_value(typed, name)


def _area(typed: dict[str, Any], name: str, label: str) -> ui.textarea:
    return ui.textarea(label).props("outlined dense autogrow").bind_value(typed, name)


async def _trial(model: Item, uses: Uses) -> bool:
    choices = {"": t("No trial"), **{one["id"]: one["name"] for one in uses.deployments}}
    catalog, name = here().person.catalog, model["name"]
    with form_dialog(t("Let people try {name}", name=name), button=t("Save")) as (dialog, form):
        ui.label(t("Everybody who sees the model may then call this deployment without deploying it themselves."))
        if not uses.deployments:
            note(t("Nothing runs this model. Deploy it first, then name the deployment here."), "warn")
        known = model["trial_deployment_id"]
        chosen = ui.select(choices, value=known if known in choices else "", label=t("Deployment to try it with"))
        chosen.props("outlined dense")
        opens = ui.checkbox(t('Give it the access "tenant" when it is private'))
        publishes = ui.checkbox(t("Publish the model too"), value=True)
        publishes.set_visibility(not model["is_published"])

        async def send() -> bool:
            deployment = next((one for one in uses.deployments if one["id"] == chosen.value), None)
            if deployment is not None and opens.value and deployment["access"] == "private":
                await catalog.patch(path_of("/api/v1/deployments/{}", deployment["id"]), {"access": "tenant"})
            body: Item = {"trial_deployment_id": chosen.value or ""}
            if chosen.value and publishes.value:
                body["is_published"] = True
            await catalog.patch(_path(model), body)
            return True

        form.send = send
    if await until_closed(dialog) is not True:
        return False
    done(t("{name} can be tried.", name=name) if chosen.value else t("{name} is no trial any more.", name=name))
    return True


async def _copy(model: Item) -> None:
    with form_dialog(t("Copy {name}", name=model["name"]), button=t("Copy it")) as (dialog, form):
        ui.label(t("The copy refers to the same files; defaults, tags and licence are its own."))
        name = ui.input(t("Name"), value=f"{model['name']}-copy").props("outlined dense autofocus")

        async def send() -> str:
            made = await here().person.catalog.post(f"{_path(model)}:copy", {"name": name.value})
            return str(made["id"])

        form.send = send
    if made_id := await until_closed(dialog):
        forget_market(here())
        ui.navigate.to(f"/models/{made_id}")


async def _modelfile(model: Item) -> None:
    text = await attempt(lambda: here().person.catalog.text(f"{_path(model)}/modelfile"))
    if text is None:
        return
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t(
            "Modelfile of {name}", name=model["name"]
        )
        with ui.element("div").classes("rh-copy"):
            ui.label(text).classes("rh-code rh-pre rh-break")
            ui.button(icon="content_copy", on_click=lambda: ui.clipboard.write(text)).props(
                f'flat dense round aria-label="{t("Copy")}"'
            )
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    await until_closed(dialog)


async def _delete(model: Item, uses: Uses) -> None:
    name = model["name"]
    what = [t("It is removed from the marketplace. Files on nodes stay until they are cleaned up there.")]
    if uses.deployments:
        names = ", ".join(one["name"] for one in uses.deployments)
        what = [t("These deployments have versions of it: {names}. Delete them first.", names=names)]
        await confirm(t("{name} cannot be deleted", name=name), what, button=t("Understood"))
        return
    if model["source"]["kind"] == "upload":
        what.append(t("The uploaded files are deleted with the last model that is made of them."))
    if not await confirm(t("Delete {name}?", name=name), what, button=t("Delete"), type_to_confirm=name):
        return

    async def remove() -> bool:
        await here().person.catalog.delete(_path(model))
        return True

    if await attempt(remove, t("{name} is deleted.", name=name)):
        forget_market(here())
        ui.navigate.to("/models")
