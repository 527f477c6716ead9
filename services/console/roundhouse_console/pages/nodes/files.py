"""Model files on the nodes: what is there, what is being fetched, and fetching more ahead of need."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.installed import (
    file_progress,
    file_source,
    file_state,
    is_busy,
    nodes_of_order,
    order_progress,
)
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import ago, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel, stat, tiles
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, bar, column, state, table, text
from roundhouse_console.pages.nodes.cleaning import clean
from roundhouse_console.pages.nodes.fetching import fetch
from roundhouse_console.pages.nodes.parts import node_names, node_tabs

__all__ = ["show"]

_ORDERS = "/api/v1/file-orders"


@dataclass(frozen=True, slots=True)
class _Files:
    """What nodes report, what was ordered, and the names of nodes."""

    found: list[Item]
    orders: list[Item]
    names: dict[str, str]


async def show() -> None:
    looks: list[Callable[[], Awaitable[None]]] = []

    def button(title: str, icon: str, do: Callable[[], Awaitable[bool]], props: str) -> None:
        async def act() -> None:
            if await do():
                for one in looks:
                    await one()

        ui.button(title, icon=icon, on_click=act).props("no-caps").props(props)

    async def look() -> None:
        for one in looks:
            await one()

    with page_head(t("Model files"), t("What each node keeps of models, and fetches.")):
        if here().may("nodes:write"):
            button(t("Clean up"), "cleaning_services", clean, "outline")
            button(t("Fetch a model"), "download", fetch, "unelevated")
    node_tabs("files")
    looks.append(await follow(_ask, lambda: _tables(look)))


async def _ask() -> _Files:
    scheduler = here().person.scheduler
    found, orders, names = await asyncio.gather(
        scheduler.items("/api/v1/model-files"), scheduler.items(_ORDERS), node_names()
    )
    return _Files(found, orders, names)


def _tables(look: Callable[[], Awaitable[None]]) -> Callable[[_Files], None]:
    latest: list[_Files] = []

    async def act(row: str, name: str) -> None:
        order = next((one for one in latest[-1].orders if one["id"] == row), None)
        if order is not None and await _act(order, latest[-1].names, name):
            await look()

    with tiles():
        kept, idle, coming = stat(t("Kept on nodes")), stat(t("Not in use")), stat(t("Still to be fetched"))
    ordered = ui.element("div").classes("rh-live")
    put_orders: Callable[[list[Row]], None] | None = None
    with panel(t("On the nodes")):
        put_files = _file_table()

    def put(found: _Files) -> None:
        nonlocal put_orders
        latest[:] = [found]
        kept.set_text(bytes_text(sum(one["stored_bytes"] for one in found.found)))
        idle.set_text(bytes_text(sum(one["stored_bytes"] for one in found.found if not one["is_in_use"])))
        left = sum(max(0, one["total_bytes"] - one["stored_bytes"]) for one in found.found if is_busy(one["state"]))
        coming.set_text(bytes_text(left))
        if found.orders and put_orders is None:
            with ordered:
                put_orders = _order_table(act)
        if put_orders is not None:
            put_orders([_order(one, found.names) for one in found.orders])
        put_files([_file(one) for one in found.found])

    return put


def _file_table() -> Callable[[list[Row]], None]:
    return table(
        [
            column("model", t("Model")),
            column("node", t("Node")),
            column("state", t("State")),
            column("here", t("Here")),
            column("speed", t("Speed, left"), is_wide=True),
            column("use", t("In use"), is_wide=True),
            column("used", t("Last used"), align="right", is_wide=True),
            column("detail", t("Where or why"), is_wide=True),
        ],
        label=t("Model files"),
        order="model",
        nothing=t("No node keeps model files: they are fetched when a deployment needs them, or here ahead of need."),
    )


def _order_table(act: Callable[[str, str], Awaitable[None]]) -> Callable[[list[Row]], None]:
    with panel(t("Ordered")):
        return table(
            [
                column("model", t("Model")),
                column("wish", t("Wish"), is_wide=True),
                column("nodes", t("Nodes"), is_wide=True),
                column("progress", t("Nodes done")),
                column("now", t("Now")),
                column("actions", "", align="right", is_sortable=False),
            ],
            label=t("Ordered"),
            search=False,
            on_action=act,
        )


def _file(one: Item) -> Row:
    words, tone = file_state(one["state"])
    share, shown, speed = file_progress(one)
    return {
        "id": f"{one['node_id']}/{one['key']}",
        "model": text(one["name"], sub=file_source(one["source"])),
        "node": {"kind": "link", "text": one["hostname"], "href": f"/nodes/{one['node_id']}", "sort": one["hostname"]},
        "state": state(t(words), tone, one["detail"]),
        "here": bar(share, shown, "good" if tone == "busy" else tone),
        "speed": speed,
        "use": t("yes") if one["is_in_use"] else t("no"),
        "used": text(ago(instant(one["used_at"])), sort=one["used_at"]) if one["used_at"] else t("never"),
        "detail": text(one["detail"] or (one["origin"] if is_busy(one["state"]) else "") or one["path"]),
    }


def _order(one: Item, names: dict[str, str]) -> Row:
    share, shown, tone = order_progress(one["on_nodes"])
    failed = [node for node in one["on_nodes"] if node["state"] == "failed"]
    busy = [node for node in one["on_nodes"] if is_busy(node["state"])]
    now = [f"{node['hostname']}: {node['detail'] or t(node['state'])}" for node in failed]
    now += [f"{node['hostname']}: {' · '.join(file_progress(node)[1:]) or t(node['state'])}" for node in busy]
    more = t("and {count} more", count=len(now) - 1) if len(now) > 1 else ""
    return {
        "id": one["id"],
        "label": one["name"],
        "model": text(one["name"], sub=file_source(one["source"])),
        "wish": t(one["wish"]),
        "nodes": nodes_of_order(one["nodes"], names, t("all")),
        "progress": bar(share, shown, "bad" if tone == "bad" else "good"),
        "now": text(now[0] if now else "", sub=more, why="\n".join(now)),
        "actions": actions(*_buttons(one, is_failed=bool(failed), is_busy=bool(busy))),
    }


def _buttons(one: Item, *, is_failed: bool, is_busy: bool) -> list[Row]:
    if not here().may("nodes:write") or one["wish"] not in ("fetch", "pause"):
        return []
    found = []
    if one["wish"] == "pause":
        found.append(action("resume", "play_arrow", t("Go on")))
    elif is_busy:
        found.append(action("pause", "pause", t("Pause")))
    if is_failed:
        found.append(action("retry", "refresh", t("Try again")))
    found.append(action("cancel", "close", t("Take the order back"), is_destructive=True))
    found.append(action("remove", "delete", t("Delete the files"), is_destructive=True))
    return found


async def _act(order: Item, names: dict[str, str], name: str) -> bool:
    path = path_of(_ORDERS + "/{}", order["id"])
    where = nodes_of_order(order["nodes"], names, t("all nodes"))
    told = {
        "pause": t("{name} pauses.", name=order["name"]),
        "resume": t("{name} goes on where it stopped.", name=order["name"]),
        "retry": t("{name} is tried again.", name=order["name"]),
    }
    if name in told:
        return await attempt(lambda: here().person.scheduler.post(f"{path}:{name}"), told[name]) is not None
    if name == "cancel":
        what = [t("Fetching on {nodes} ends, and half a file is dropped. Whole models stay.", nodes=where)]
        title, files, button = t("Take the order back?"), "keep", t("Take the order back")
    else:
        size = bytes_text(sum(one["stored_bytes"] for one in order["on_nodes"]))
        what = [t("{size} go from {nodes}, from each as soon as no replica uses them.", size=size, nodes=where)]
        title, files, button = t("Delete the files of {name}?", name=order["name"]), "remove", t("Delete the files")
    if not await confirm(title, what, button=button):
        return False

    async def take_back() -> bool:
        await here().person.scheduler.delete(path, files=files)
        return True

    return bool(await attempt(take_back))
