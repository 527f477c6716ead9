"""Switches: a deployment is made ready, and idle ones make room where there is none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.switches import STATES, is_over, room_of, state_of, switchable
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm, form_dialog, gone_when_closed, until_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, link, state, table, text
from roundhouse_console.pages.deployments.parts import deployment_tabs

__all__ = ["ask_for", "show"]

_MOST = 200


@dataclass(frozen=True, slots=True)
class _Found:
    switches: list[Item]
    deployments: list[Item]

    @property
    def names(self) -> dict[str, str]:
        return {one["id"]: one["name"] for one in self.deployments}


async def show() -> None:
    words = t("Where memory does not do for all models at once, idle ones that are evictable make room.")
    with page_head(t("Switches"), words):
        begin = ui.button(t("Switch to a model"), icon="swap_horiz").props("unelevated no-caps")
    deployment_tabs("switches")
    looks: list[Callable[[], Awaitable[None]]] = []
    with panel():
        looks.append(await follow(_ask, lambda: _table(looks)))

    async def began() -> None:
        if await _choose():
            await looks[0]()

    begin.on_click(began)


async def _ask() -> _Found:
    person = here().person
    switches, deployments = await asyncio.gather(
        person.scheduler.items("/api/v1/switches", most=_MOST), person.catalog.items("/api/v1/deployments")
    )
    return _Found(switches, deployments)


def _table(looks: list[Callable[[], Awaitable[None]]]) -> Callable[[_Found], None]:
    by_id: dict[str, tuple[Item, str]] = {}

    async def act(switch_id: str, name: str) -> None:
        switch, deployment = by_id[switch_id]
        if name == "steps":
            _steps(switch, deployment)
        elif await _call_off(switch, deployment):
            await looks[0]()

    put = table(
        [
            column("deployment", t("To")),
            column("state", t("State")),
            column("progress", t("Progress"), is_wide=True, wraps=True),
            column("room", t("Made room"), is_wide=True),
            column("began", t("Began"), is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Switches"),
        on_action=act,
        nothing=t("There were no switches yet. Switch to a model that has no room, and idle ones go to sleep for it."),
    )

    def show_all(found: _Found) -> None:
        names = found.names
        by_id.clear()
        by_id.update({one["id"]: (one, names.get(one["deployment_id"], "")) for one in found.switches})
        put([_row(one, names) for one in found.switches])

    return show_all


def _row(one: Item, names: dict[str, str]) -> Row:
    words, tone = state_of(one)
    buttons = [action("steps", "format_list_numbered", t("Steps"))]
    if not is_over(one):
        buttons.append(action("cancel", "cancel", t("Call it off"), is_destructive=True))
    name: str = names.get(one["deployment_id"]) or str(one["deployment_id"])
    return {
        "id": one["id"],
        "label": name,
        "deployment": link(name, path_of("/deployments/{}", one["deployment_id"])),
        "state": state(t(words), tone),
        "progress": one["detail"],
        "room": ", ".join(room or t("of another tenant") for room in room_of(one)),
        "began": text(ago(instant(one["began_at"])), sort=one["began_at"], sub=one["actor"]),
        "actions": actions(*buttons),
    }


def _steps(switch: Item, deployment: str) -> None:
    title = t("Switch to {name}", name=deployment)
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        dialog.props["aria-label"] = title
        ui.element("h2").classes("rh-panel-title")._text = title
        rows: list[Row] = [
            {
                "id": str(index),
                "at": text(at_time(instant(one["at"])), sort=one["at"]),
                "state": t(STATES.get(one["state"], (one["state"], "quiet"))[0]),
                "detail": one["detail"],
            }
            for index, one in enumerate(switch["steps"])
        ]
        columns = [
            column("at", t("Time"), is_sortable=False),
            column("state", t("State"), is_sortable=False),
            column("detail", t("Progress"), is_sortable=False, wraps=True),
        ]
        table(columns, rows=rows, label=title, search=False)
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    gone_when_closed(dialog)
    dialog.open()


async def _choose() -> bool:
    deployments = await attempt(lambda: here().person.catalog.items("/api/v1/deployments"))
    if deployments is None:
        return False
    names = switchable([one for one in deployments if here().may("deployments:write", one["project_id"])])
    if not names:
        ui.notify(t("No deployment runs. Deploy or start one first."), type="warning", position="bottom")
        return False
    with form_dialog(t("Switch to a model"), button=t("Switch")) as (dialog, form):
        ui.label(t("It is made ready now. Where memory is short, idle evictable deployments go to sleep for it."))
        ui.label(t("Requests in flight are never cut off; a request wakes what went to sleep.")).classes("rh-dim")
        chosen = ui.select(names, value=next(iter(names)), label=t("Deployment"), with_input=True)
        chosen.props("outlined dense")

        async def send() -> Item:
            return await here().person.scheduler.post("/api/v1/switches", {"deployment_id": chosen.value})

        form.send = send
    return await until_closed(dialog) is not None


async def ask_for(deployment: Item) -> bool:
    """Have a deployment made ready, from its own page. True: it was asked for."""
    name = deployment["name"]
    what = [
        t("It is made ready now. Where memory is short, idle evictable deployments go to sleep for it."),
        t("Requests in flight are never cut off; a request wakes what went to sleep."),
    ]
    if not await confirm(t("Switch to {name}?", name=name), what, button=t("Switch")):
        return False
    body = {"deployment_id": deployment["id"]}
    made = await attempt(lambda: here().person.scheduler.post("/api/v1/switches", body))
    if made is not None:
        ui.navigate.to("/deployments/switches")
    return made is not None


async def _call_off(switch: Item, name: str) -> bool:
    what = [
        t("What has not happened yet does not happen: it goes back to sleep if it slept, and who has not gone stays.")
    ]
    if not await confirm(t("Call off the switch to {name}?", name=name), what, button=t("Call it off")):
        return False
    path = path_of("/api/v1/switches/{}:cancel", switch["id"])
    return await attempt(lambda: here().person.scheduler.post(path)) is not None
