"""Engines on the nodes: what is installed or being installed, and having more installed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.installed import engine_state, is_busy, nodes_of_order, order_progress
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import ago, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, bar, column, state, table, text
from roundhouse_console.pages.nodes.installing import install, show_log
from roundhouse_console.pages.nodes.parts import node_names, node_tabs

__all__ = ["show"]

_ORDERS = "/api/v1/engine-orders"


@dataclass(frozen=True, slots=True)
class _Engines:
    """What nodes report, what was ordered, and the names of nodes."""

    found: list[Item]
    orders: list[Item]
    names: dict[str, str]


async def show() -> None:
    looks: list[Callable[[], Awaitable[None]]] = []

    async def look() -> None:
        for one in looks:
            await one()

    async def add() -> None:
        if await install():
            await look()

    with page_head(t("Engines"), t("The programs that run models, on each node.")):
        if here().may("nodes:write"):
            ui.button(t("Install an engine"), icon="add", on_click=add).props("unelevated no-caps")
    node_tabs("engines")
    looks.append(await follow(_ask, lambda: _tables(look)))


async def _ask() -> _Engines:
    scheduler = here().person.scheduler
    found, orders, names = await asyncio.gather(
        scheduler.items("/api/v1/engines"), scheduler.items(_ORDERS), node_names()
    )
    return _Engines(found, orders, names)


def _tables(look: Callable[[], Awaitable[None]]) -> Callable[[_Engines], None]:
    latest: list[_Engines] = []

    async def act(row: str, name: str) -> None:
        if await _act(latest[-1], row, name):
            await look()

    ordered = ui.element("div").classes("rh-live")
    put_orders: Callable[[list[Row]], None] | None = None
    with panel(t("On the nodes")):
        put_engines = table(
            [
                column("engine", t("Engine")),
                column("node", t("Node")),
                column("state", t("State")),
                column("method", t("Method"), is_wide=True),
                column("size", t("Size"), align="right", is_wide=True),
                column("since", t("Since"), align="right", is_wide=True),
                column("detail", t("Where or why"), is_wide=True),
                column("actions", "", align="right", is_sortable=False),
            ],
            label=t("Engines"),
            on_action=act,
            order="engine",
            nothing=t("No node has an engine yet: install one."),
        )

    def put(found: _Engines) -> None:
        nonlocal put_orders
        latest[:] = [found]
        if found.orders and put_orders is None:
            with ordered:
                put_orders = _order_table(act)
        if put_orders is not None:
            put_orders([_order(one, found.names) for one in found.orders])
        put_engines([_engine(one) for one in found.found])

    return put


def _order_table(act: Callable[[str, str], Awaitable[None]]) -> Callable[[list[Row]], None]:
    with panel(t("Ordered")):
        return table(
            [
                column("engine", t("Engine")),
                column("wish", t("Wish"), is_wide=True),
                column("nodes", t("Nodes"), is_wide=True),
                column("progress", t("Nodes done")),
                column("step", t("Now")),
                column("actions", "", align="right", is_sortable=False),
            ],
            label=t("Ordered"),
            search=False,
            on_action=act,
        )


def _named(one: Item) -> str:
    return " ".join(word for word in (one["engine"], one["version"], one["variant"]) if word)


def _engine(one: Item) -> Row:
    words, tone = engine_state(one["state"])
    why = "\n".join((one["detail"], *one["log_tail"])).strip()
    buttons = [action("log", "subject", t("Log"))] if one["order_id"] else []
    if one["order_id"] and here().may("nodes:write"):
        if one["state"] == "failed":
            buttons.append(action("retry", "refresh", t("Try again")))
        buttons.append(_take_away(one["state"]))
    return {
        "id": f"{one['node_id']}/{one['environment_id']}",
        "label": f"{_named(one)} {one['hostname']}",
        "engine": text(one["engine"], sub=" ".join(word for word in (one["version"], one["variant"]) if word)),
        "node": {"kind": "link", "text": one["hostname"], "href": f"/nodes/{one['node_id']}", "sort": one["hostname"]},
        "state": state(t(words), tone, why),
        "method": t(one["method"]),
        "size": text(bytes_text(one["size_bytes"]), sort=one["size_bytes"]) if one["size_bytes"] else "",
        "since": text(ago(instant(one["since"])), sort=one["since"]),
        "detail": text(one["detail"] or one["step"] or one["origin"], why=why),
        "actions": actions(*buttons),
    }


def _take_away(found: str) -> Row:
    if is_busy(found):
        return action("remove", "close", t("Cancel the installation"), is_destructive=True)
    return action("remove", "delete", t("Remove"), is_destructive=True)


def _order(one: Item, names: dict[str, str]) -> Row:
    share, done, tone = order_progress(one["on_nodes"])
    failed = [node for node in one["on_nodes"] if node["state"] == "failed"]
    busy = [node for node in one["on_nodes"] if is_busy(node["state"]) or node["state"] == "removing"]
    now = [f"{node['hostname']}: {node['detail'] or node['step'] or t(node['state'])}" for node in (*failed, *busy)]
    buttons = []
    if here().may("nodes:write") and not one["is_removed"]:
        if failed:
            buttons.append(action("retry", "refresh", t("Try again")))
        buttons.append(_take_away("installing" if busy else "ready"))
    return {
        "id": one["id"],
        "label": _named(one),
        "engine": text(one["engine"], sub=one["path"] or one["image"] or one["version"] or t("newest")),
        "wish": t("remove") if one["is_removed"] else t("install"),
        "nodes": nodes_of_order(one["nodes"], names, t("all")),
        "progress": bar(share, done, tone if tone == "bad" else "good"),
        "step": text(now[0] if now else "", sub=t("and {count} more", count=len(now) - 1) if len(now) > 1 else "",
                     why="\n".join(now)),
        "actions": actions(*buttons),
    }  # fmt: skip


async def _act(latest: _Engines, row: str, name: str) -> bool:
    """Do what a button of a row says. True: something changed."""
    engine = next((one for one in latest.found if f"{one['node_id']}/{one['environment_id']}" == row), None)
    order = next((one for one in latest.orders if one["id"] == (engine["order_id"] if engine else row)), None)
    if name == "log" and engine is not None:
        await show_log(engine)
        return False
    if order is None:
        return False
    path = path_of(_ORDERS + "/{}", order["id"])
    if name == "retry":
        return await attempt(lambda: here().person.scheduler.post(f"{path}:retry"), t("It is tried again.")) is not None
    return await _remove(order, latest.names, path)


async def _remove(order: Item, names: dict[str, str], path: str) -> bool:
    where = nodes_of_order(order["nodes"], names, t("all nodes"))
    what = [t("The order for {nodes} is taken back: what is half installed is dropped.", nodes=where)]
    used = await attempt(lambda: _users(order))
    if used is None:
        return False
    if used:
        sentence = t("In use by {names}. The engine goes from each node when none of these runs there.",
                     names=", ".join(used))  # fmt: skip
        what.append(sentence)
    else:
        what.append(t("No replica runs in it."))
    if not await confirm(t("Remove {name}?", name=_named(order)), what, button=t("Remove")):
        return False

    async def remove() -> bool:
        await here().person.scheduler.delete(path)
        return True

    return bool(await attempt(remove, t("{name} goes from its nodes.", name=_named(order))))


async def _users(order: Item) -> list[str]:
    """Return the deployments with replicas of this engine on the order's nodes."""
    person = here().person
    nodes = {one["node_id"] for one in order["on_nodes"]}
    replicas = [one for one in await person.scheduler.items("/api/v1/replicas") if one["node_id"] in nodes]
    versions = {one["version_id"]: one for one in replicas}.values()
    path = "/api/v1/deployments/{}/versions/{}"
    asked = await asyncio.gather(
        *(person.catalog.get(path_of(path, one["deployment_id"], str(one["version_number"]))) for one in versions)
    )
    engines = {one["id"]: one["engine"] for one in asked}
    return sorted({one["deployment_name"] for one in replicas if engines[one["version_id"]] == order["engine"]})
