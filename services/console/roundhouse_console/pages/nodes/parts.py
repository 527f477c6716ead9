"""What the pages of nodes share: the way between them, and choosing nodes for an order."""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.installed import for_nodes
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import subnav

__all__ = ["choose_nodes", "node_names", "node_tabs"]


def node_tabs(current: str) -> None:
    """The pages of nodes as links."""
    parts = (
        ("fleet", "/nodes", t("Fleet")),
        ("engines", "/nodes/engines", t("Engines")),
        ("files", "/nodes/files", t("Model files")),
        ("tokens", "/nodes/tokens", t("Join tokens")),
    )
    subnav(t("Nodes"), parts, current)


async def node_names() -> dict[str, str]:
    """Return the names of all nodes by id."""
    person = here().person

    async def ask() -> dict[str, str]:
        return {one["id"]: one["hostname"] for one in await person.scheduler.items("/api/v1/nodes")}

    return await person.cached.get("node names", ask, for_s=10.0)


def choose_nodes(names: Mapping[str, str]) -> Callable[[], Item]:
    """Build fields for the nodes of an order; returns what reads them. It raises ValueError for the person."""
    ways = {
        "nodes": t("These nodes"),
        "labels": t("Nodes with labels, also later ones"),
        "all": t("All, also later ones"),
    }
    way = ui.select(ways, value="nodes", label=t("On")).props("outlined dense")
    first: list[Any] = list(names)[:1] if len(names) == 1 else []
    chosen = ui.select(dict(names), value=first, multiple=True, with_input=True, label=t("Nodes"))
    chosen.props("outlined dense use-chips").bind_visibility_from(way, "value", lambda value: value == "nodes")
    labels = ui.input(t("Labels"), placeholder="pool=chat, rack=7").props("outlined dense")
    labels.bind_visibility_from(way, "value", lambda value: value == "labels")
    return lambda: for_nodes(str(way.value), list(chosen.value or ()), labels.value or "")
