"""The fleet: every node and device, and how one joins."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.nodes import condition_of, regions_of
from roundhouse_console.domain.overview import device_figures
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.fleet import fleet
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import empty, page_head, panel, stat, tiles
from roundhouse_console.kit.tables import bar, column, link, state, table
from roundhouse_console.pages.nodes.joining import join
from roundhouse_console.pages.nodes.parts import node_tabs

__all__ = ["Fleet", "ask_fleet", "show"]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every node and its last sample."""

    nodes: list[Item]
    now: dict[str, Item]
    drawn: dict[str, "_Drawn"] = field(default_factory=dict, compare=False)
    """By language: pages that are open share what they show."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    regions: list[Item]
    rows: list[Item]


async def show() -> None:
    with page_head(t("Nodes"), t("The machines that run engines, and their devices.")):
        if here().may("nodes:write"):
            ui.button(t("Join a node"), icon="add", on_click=join).props("unelevated no-caps")
    node_tabs("fleet")
    await follow(ask_fleet, _fleet)


async def ask_fleet() -> Fleet:
    """Return the fleet. Without metering there are no samples, and the map shows what the scheduler knows."""
    person = here().person

    async def samples() -> list[Item]:
        try:
            return await person.metering.items("/api/v1/metrics/nodes")
        except ConsoleError:
            return []

    async def ask() -> Fleet:
        nodes, now = await asyncio.gather(person.scheduler.items("/api/v1/nodes"), samples())
        return Fleet(nodes, {one["node_id"]: one for one in now})

    return await person.cached.get("fleet", ask, for_s=2.0)


def _fleet() -> Callable[[Fleet], None]:
    with tiles():
        nodes, devices, memory = stat(t("Nodes ready")), stat(t("Devices in use")), stat(t("Memory claimed"))
    with panel(t("Map")):
        nothing = ui.element("div")
        put_map = fleet()
    with panel(t("All nodes")):
        put_rows = table(
            [
                column("name", t("Name")),
                column("condition", t("Condition")),
                column("region", t("Region"), is_wide=True),
                column("devices", t("Devices"), align="right", is_wide=True),
                column("replicas", t("Replicas"), align="right", is_wide=True),
                column("memory", t("Memory claimed"), is_wide=True),
            ],
            label=t("All nodes"),
            order="name",
        )
    words = {"none": t("No region"), "cpu": t("CPU"), "memory": t("Memory"), "replicas": t("Replicas")}

    def put(found: Fleet) -> None:
        used, total, claimed, whole = device_figures(found.nodes)
        ready = sum(1 for one in found.nodes if one["condition"] == "ready")
        nodes.set_text(f"{ready} / {len(found.nodes)}")
        devices.set_text(f"{used} / {total}" if total else t("CPU only"))
        memory.set_text(f"{bytes_text(claimed)} / {bytes_text(whole)}")
        nothing.clear()
        if not found.nodes:
            with nothing:
                empty(t("No node has joined yet."), icon="dns", action=t("Join a node"), on_click=join)
        language = here().preferences.language
        drawn = found.drawn.get(language)
        if drawn is None:
            rows = [_row(one) for one in found.nodes]
            drawn = found.drawn[language] = _Drawn(regions_of(found.nodes, found.now, words), rows)
        put_map(drawn.regions)
        put_rows(drawn.rows)

    return put


def _row(node: Item) -> Item:
    condition, tone = condition_of(node)
    own = node["devices"] or [node]
    claimed = sum(one["claimed_memory_bytes"] for one in own)
    whole = sum(one["memory_total_bytes"] for one in own) or 1
    return {
        "id": node["id"],
        "label": node["hostname"],
        "name": link(node["hostname"], f"/nodes/{node['id']}", node["address"]),
        "condition": state(t(condition), tone, node["why"]),
        "region": "/".join(one for one in (node["region"], node["zone"]) if one),
        "devices": len(node["devices"]),
        "replicas": node["replicas_count"],
        "memory": bar(claimed / whole, f"{bytes_text(claimed)} / {bytes_text(whole)}"),
    }
