"""The first run: what was found, a first model that fits, a first message."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.deployments import state_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.models import files_bytes, room_bytes
from roundhouse_console.domain.overview import device_figures
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.domain.welcome import FirstRun, Step, first_run
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import badge, note, page_head, panel

__all__ = ["show"]

_ICONS = {"done": "check_circle", "now": "arrow_circle_right", "later": "radio_button_unchecked"}


@dataclass(frozen=True, slots=True)
class _Found:
    nodes: list[Item]
    run: FirstRun


async def show() -> None:
    with page_head(t("Welcome"), t("Three steps to a first answer.")):
        ui.link(t("Overview"), "/").classes("rh-button-quiet")
    await follow(_ask, _steps)


async def _ask() -> _Found:
    person = here().person
    nodes, models, statuses, requests = await asyncio.gather(
        person.scheduler.items("/api/v1/nodes"),
        person.catalog.items("/api/v1/models"),
        person.scheduler.items("/api/v1/deployment-statuses"),
        _requests(),
    )
    return _Found(nodes, first_run(nodes, models, statuses, room_bytes(nodes), requests))


async def _requests() -> int:
    """Return how many requests there were; 0 where metering is away, for it only ticks off the last step."""
    try:
        usage = await here().person.metering.get("/api/v1/usage", by="model", top=1)
    except ConsoleError:
        return 0
    found: int = usage["totals"]["requests"]
    return found


def _steps() -> Callable[[_Found], None]:
    holder = ui.element("div").classes("rh-live")

    def put(found: _Found) -> None:
        holder.clear()
        with holder:
            with panel():
                _head(t("The machines"), found.run.machines)
                _machines(found.nodes)
            with panel():
                _head(t("A first model"), found.run.model)
                _models(found.run)
            with panel():
                _head(t("A first message"), found.run.answer)
                _message(found.run)

    return put


def _head(title: str, step: Step) -> None:
    with ui.element("div").classes("rh-row"):
        ui.icon(_ICONS[step]).classes(f"rh-step rh-step-{step}")
        ui.element("h2").classes("rh-panel-title")._text = title


def _machines(nodes: list[Item]) -> None:
    _, devices, _, memory = device_figures(nodes)
    if not nodes:
        note(t("No node has joined yet."), "warn", icon="dns")
        ui.link(t("Join a node"), "/nodes").classes("rh-button rh-fit")
        return
    kinds = sorted({one["model"] or one["vendor"] for node in nodes for one in node["devices"]})
    what = t(
        "{count|node|nodes}, {devices|device|devices}, {memory} of memory",
        count=len(nodes),
        devices=devices,
        memory=bytes_text(memory),
    )
    ui.label(what).classes("rh-strong")
    ui.label(", ".join(kinds) if kinds else t("No accelerators: engines run on CPUs")).classes("rh-dim")


def _models(run: FirstRun) -> None:
    if run.running is not None:
        with ui.element("div").classes("rh-row"):
            badge(t("Running"), "good")
            ui.link(run.running["name"], f"/deployments/{run.running['deployment_id']}")
        return
    if run.starting is not None:
        words, tone = state_of(run.starting["state"])
        with ui.element("div").classes("rh-row"):
            badge(t(words), tone)
            ui.link(run.starting["name"], f"/deployments/{run.starting['deployment_id']}")
            ui.label(run.starting["why"]).classes("rh-dim")
        return
    if not run.proposals:
        note(t("The marketplace has no model yet that fits. Add one from a hub or upload a file."))
        ui.link(t("Add a model"), "/models/add").classes("rh-button rh-fit")
        return
    ui.label(t("These fit into the free memory, the smallest first:")).classes("rh-dim")
    for model in run.proposals:
        with ui.element("div").classes("rh-row"):
            ui.link(t("Deploy"), f"/deployments/new?model={quote(model['name'])}").classes("rh-button-quiet")
            ui.label(model["name"]).classes("rh-strong")
            ui.label(bytes_text(files_bytes(model)) if files_bytes(model) else "").classes("rh-dim")


def _message(run: FirstRun) -> None:
    if run.running is None:
        ui.label(t("As soon as a model runs, ask it something.")).classes("rh-dim")
        return
    ui.link(t("Say hello"), f"/playground?model={quote(run.running['name'])}").classes("rh-button rh-fit")
