"""One node: its devices, what runs on it, its curves, what happened, and what one does with it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deployments import compute_curves, device_curves, phase_of, replica_facts
from roundhouse_console.domain.installed import users_of_devices
from roundhouse_console.domain.labels import labels_text
from roundhouse_console.domain.nodes import condition_of, device_rows
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import bytes_text, percent
from roundhouse_console.kit.charts import Series, chart
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import badge, fact, facts, note, page_head, panel
from roundhouse_console.kit.tables import Row, action, actions, bar, column, link, state, table, text
from roundhouse_console.pages.nodes.duties import change_device, node_buttons
from roundhouse_console.pages.nodes.listing import ask_fleet

__all__ = ["show"]

_SPAN_S = 3_600


async def show(node_id: str) -> None:
    first = await here().person.scheduler.get(path_of("/api/v1/nodes/{}", node_id))
    looks: list[Callable[[], Awaitable[None]]] = []

    async def look() -> None:
        here().person.cached.clear()
        for one in looks:
            await one()

    with page_head(first["hostname"], first["address"], back=(t("Nodes"), "/nodes")):
        buttons = ui.element("div").classes("rh-row")
    looks.append(await follow(lambda: _node(node_id), lambda: _head(buttons, look)))
    with panel(t("What runs here")):
        looks.append(await follow(lambda: _replicas(node_id), _replica_table))
    await follow(lambda: _curves(node_id), _charts, every_s=10.0)
    with panel(t("Events")):
        await follow(lambda: _events(node_id), _event_table, every_s=10.0)


@dataclass(frozen=True, slots=True)
class _Node:
    """One node, its last sample, and who uses its devices, by their UUIDs."""

    node: Item
    now: Item | None
    users: dict[str, list[str]]


async def _node(node_id: str) -> _Node:
    node, fleet, replicas = await asyncio.gather(
        here().person.scheduler.get(path_of("/api/v1/nodes/{}", node_id)), ask_fleet(), _ask_replicas(node_id)
    )
    return _Node(node, fleet.now.get(node_id), users_of_devices(replicas))


async def _ask_replicas(node_id: str) -> list[Item]:
    person = here().person

    async def ask() -> list[Item]:
        return await person.scheduler.items("/api/v1/replicas", node_id=node_id)

    return await person.cached.get(f"replicas on {node_id}", ask, for_s=1.0)


def _head(buttons: ui.element, look: Callable[[], Awaitable[None]]) -> Callable[[_Node], None]:
    with panel():
        holder = ui.element("div").classes("rh-column")
    put_devices: Callable[[list[Row]], None] | None = None
    devices = ui.element("div").classes("rh-live")
    latest: dict[str, Item] = {}

    async def act(device: str, name: str) -> None:
        if await change_device(latest["node"], device, name):
            await look()

    def put(found: _Node) -> None:
        nonlocal put_devices
        node, sample = found.node, found.now
        latest["node"] = node
        holder.clear()
        with holder:
            _facts(node)
        buttons.clear()
        with buttons:
            node_buttons(node, look)
        if node["devices"] and put_devices is None:
            with devices, panel(t("Devices")):
                put_devices = _device_table(act)
        if put_devices is not None:
            put_devices([_device(one, node, found.users.get(one["uuid"], [])) for one in device_rows(node, sample)])

    return put


def _facts(node: Item) -> None:
    condition, tone = condition_of(node)
    with ui.element("div").classes("rh-row"):
        badge(t(condition), tone)
        ui.label(node["why"]).classes("rh-dim")
    if (drain := node["drain"]) is not None:
        note(t("{left|replica is|replicas are} still to go.", left=drain["left"]), "busy", icon="hourglass_top")
    for error in node["device_errors"]:
        note(error if isinstance(error, str) else str(error.get("detail", error)), "warn", icon="warning_amber")
    with facts():
        fact(t("Region"), "/".join(one for one in (node["region"], node["zone"]) if one))
        fact(t("Labels"), labels_text(node["labels"]))
        fact(t("Processor"), f"{node['cpu_cores']} × {node['arch']}")
        total, free = node["memory_total_bytes"], node["memory_free_bytes"]
        fact(t("Memory"), t("{free} of {total} free", free=bytes_text(free), total=bytes_text(total)))
        fact(t("Memory claimed"), bytes_text(node["claimed_memory_bytes"]))
        fact(t("Engines"), node["engines"])
        fact(t("Agent"), node["agent_version"])
        fact(t("Last heard"), ago(instant(node["last_heartbeat_at"])))


def _device_table(act: Callable[[str, str], Awaitable[None]]) -> Callable[[list[Row]], None]:
    return table(
        [
            column("name", t("Device")),
            column("health", t("Health")),
            column("users", t("Used by")),
            column("memory", t("Memory claimed")),
            column("utilization", t("Utilisation"), align="right"),
            column("temperature", t("Temperature"), align="right", is_wide=True),
            column("power", t("Power"), align="right", is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Devices"),
        search=False,
        on_action=act,
        order="name",
    )


def _device(row: Item, node: Item, users: Sequence[str]) -> Row:
    use, heat, power = row["utilization"], row["temperature"], row["power"]
    button = (
        action("release", "healing", t("Release from quarantine"))
        if row["is_quarantined"]
        else action("quarantine", "block", t("Quarantine"), is_destructive=True)
    )
    return {
        "id": row["uuid"],
        "label": f"{row['name']} {node['hostname']}",
        "name": row["name"],
        "health": state(t("quarantined") if row["is_quarantined"] else t(row["health"]), row["tone"], row["why"]),
        "users": text(", ".join(users), sort=len(users)) if users else "",
        "memory": bar(row["claimed"], row["claimed_text"]),
        "utilization": "" if use is None else text(percent(use, 0), sort=use),
        "temperature": "" if heat is None else text(f"{heat:.0f} °C", sort=heat),
        "power": "" if power is None else text(f"{power:.0f} W", sort=power),
        "actions": actions(*([button] if here().may("nodes:write") else [])),
    }


async def _replicas(node_id: str) -> tuple[list[Item], int]:
    found = await _ask_replicas(node_id)
    return found, int(here().clock.now())


def _replica_table() -> Callable[[tuple[list[Item], int]], None]:
    put = table(
        [
            column("deployment", t("Deployment")),
            column("phase", t("Phase")),
            column("devices", t("Devices"), align="right", is_wide=True),
            column("memory", t("Memory"), align="right"),
            column("age", t("Since"), align="right", is_wide=True),
        ],
        label=t("What runs here"),
        search=False,
        nothing=t("Nothing runs here."),
    )

    def show_all(found: tuple[list[Item], int]) -> None:
        put([_replica(one, found[1]) for one in found[0]])

    return show_all


def _replica(one: Item, now: int) -> Row:
    told = replica_facts(one, {}, now)
    words, tone = phase_of(one["phase"])
    return {
        "id": one["id"],
        "deployment": link(one["deployment_name"], f"/deployments/{one['deployment_id']}", one["id"][-6:]),
        "phase": state(t(words), tone, told["why"]),
        "devices": len(one["device_uuids"]),
        "memory": text(told["memory"], sort=told["memory_bytes"]),
        "age": text(told["age"], sort=one["since"]),
    }


async def _curves(node_id: str) -> Item:
    since = datetime.fromtimestamp(here().clock.now() - _SPAN_S, UTC).isoformat()
    return await here().person.metering.get(path_of("/api/v1/metrics/nodes/{}", node_id), since=since)


def _charts() -> Callable[[Item], None]:
    with ui.element("div").classes("rh-grid"):
        with panel(t("Processor")):
            put_cpu = chart(t("Processor"), kind="area", unit=t("cores"), is_stacked=True)
        with panel(t("Memory")):
            put_memory = chart(t("Memory"), kind="area", form="bytes")
        devices = ui.element("div").classes("rh-live")
    puts: list[Callable[[list[Series]], None]] = []

    def put(found: Item) -> None:
        curves = compute_curves(found["points"])
        put_cpu([Series(t("User"), curves["user"]), Series(t("System"), curves["system"])])
        put_memory([Series(t("Used"), curves["used"])])
        if found["devices"] and not puts:
            with devices:
                with panel(t("Devices: utilisation")):
                    puts.append(chart(t("Devices: utilisation"), form="percent", most=1.0))
                with panel(t("Devices: memory")):
                    puts.append(chart(t("Devices: memory"), form="bytes"))
        if puts:
            by_device = device_curves(found["devices"], {})
            for one, name in zip(puts, ("utilization", "memory"), strict=True):
                one([Series(label, points) for label, points in by_device[name]])

    return put


async def _events(node_id: str) -> list[Item]:
    return await here().person.scheduler.items(path_of("/api/v1/nodes/{}/events", node_id), most=500)


def _event_table() -> Callable[[list[Item]], None]:
    put = table(
        [
            column("at", t("Time")),
            column("what", t("What")),
            column("detail", t("Detail")),
            column("by", t("By"), is_wide=True),
        ],
        label=t("Events"),
        order="at",
        is_descending=True,
        per_page=10,
    )

    def show_all(found: list[Item]) -> None:
        put(
            [
                {
                    "id": one["id"],
                    "at": text(at_time(instant(one["at"])), sort=one["at"]),
                    "what": f"{one['before']} → {one['after']}" if one["before"] else one["after"] or one["kind"],
                    "detail": one["detail"],
                    "by": one["actor"],
                }
                for one in found
            ]
        )

    return show_all
