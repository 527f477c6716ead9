"""Deleting model files that nothing uses: first what would go, then, if that is wanted, it goes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.installed import UNUSED_FOR_S
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.dialogs import form_dialog, until_closed
from roundhouse_console.kit.here import ago, here, t
from roundhouse_console.kit.panels import note
from roundhouse_console.kit.signals import attempt, done, explain
from roundhouse_console.kit.tables import column, table, text
from roundhouse_console.pages.nodes.parts import node_names

__all__ = ["clean"]

_AT_ONCE = 8
"""Nodes that are asked at a time: each answers itself, over the bus."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one node said."""

    node_id: str
    hostname: str
    models: list[Item]
    freed_bytes: int
    trouble: str


async def clean() -> bool:
    """Ask where and what, show what would go, and delete that. True: something was deleted."""
    names = await attempt(node_names)
    if names is None:
        return False
    with form_dialog(t("Clean up model files"), button=t("Show what would go")) as (dialog, form):
        ui.label(t("Only files that no replica and no order wants. Nothing is deleted yet."))
        nodes = ui.select(names, value=list(names), multiple=True, with_input=True, label=t("Nodes"))
        nodes.props("outlined dense use-chips" if len(names) <= 8 else "outlined dense")
        spans = {seconds: t(words) for seconds, words in UNUSED_FOR_S.items()}
        unused = ui.select(spans, value=0, label=t("Unused for at least")).props("outlined dense")

        async def send() -> list[_Answer]:
            if not nodes.value:
                raise ValueError(t("Choose at least one node."))
            chosen = {one: names[one] for one in nodes.value}
            return await _ask(chosen, {"unused_for_s": unused.value, "is_dry_run": True})

        form.send = send
    answers = await until_closed(dialog)
    return False if answers is None else await _really(answers, unused.value)


async def _ask(names: dict[str, str], body: Item, keys: dict[str, list[str]] | None = None) -> list[_Answer]:
    gate = asyncio.Semaphore(_AT_ONCE)
    person = here().person

    async def ask(node_id: str) -> _Answer:
        own = body if keys is None else {**body, "keys": keys[node_id]}
        async with gate:
            try:
                said = await person.scheduler.post(path_of("/api/v1/nodes/{}/model-files:clean", node_id), own)
            except ConsoleError as error:
                return _Answer(node_id, names[node_id], [], 0, explain(error))
        return _Answer(node_id, names[node_id], said["models"], said["freed_bytes"], said["error"])

    return await asyncio.gather(*(ask(one) for one in names))


async def _really(answers: Sequence[_Answer], unused_for_s: int) -> bool:
    """Show what would go; delete exactly that when the person says so."""
    size = sum(one.freed_bytes for one in answers)
    full = [one for one in answers if one.models]
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t("What would go")
        _troubles(answers)
        if not full:
            ui.label(t("There is nothing to clean up."))
        else:
            count = sum(len(one.models) for one in full)
            what = t(
                "{count|model|models} on {nodes|node|nodes}, {size} in all.",
                count=count,
                nodes=len(full),
                size=bytes_text(size),
            )
            ui.label(what)
            _listing(full)
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=lambda: dialog.submit(False)).props("flat no-caps")
            if full:
                button = ui.button(t("Delete {size}", size=bytes_text(size)), on_click=lambda: dialog.submit(True))
                button.props("unelevated no-caps color=negative")
    is_meant = await until_closed(dialog)
    if not is_meant:
        return False
    keys = {one.node_id: [model["key"] for model in one.models] for one in full}
    body: Item = {"unused_for_s": unused_for_s, "is_dry_run": False}
    told = await _ask({one.node_id: one.hostname for one in full}, body, keys)
    done(t("{size} freed.", size=bytes_text(sum(one.freed_bytes for one in told))))
    for one in told:
        if one.trouble:
            ui.notify(f"{one.hostname}: {one.trouble}", type="negative", timeout=0, close_button=t("Close"))
    return True


def _troubles(answers: Sequence[_Answer]) -> None:
    found = [f"{one.hostname}: {one.trouble}" for one in answers if one.trouble]
    if found:
        note("\n".join(found[:5]), "warn", icon="warning_amber")


def _listing(answers: Sequence[_Answer]) -> None:
    table(
        [
            column("model", t("Model")),
            column("node", t("Node")),
            column("size", t("Size"), align="right"),
            column("used", t("Last used"), align="right", is_wide=True),
        ],
        label=t("What would go"),
        search=False,
        per_page=10,
        rows=[
            {
                "id": f"{one.node_id}/{model['key']}",
                "model": model["name"],
                "node": one.hostname,
                "size": text(bytes_text(model["stored_bytes"]), sort=model["stored_bytes"]),
                "used": ago(instant(model["used_at"])) if model["used_at"] else t("never"),
            }
            for one in answers
            for model in one.models
        ],
    )
