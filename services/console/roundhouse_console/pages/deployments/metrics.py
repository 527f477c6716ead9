"""Requests, latency, processor, memory and devices of a deployment over time (C01-C06)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deployments import compute_curves, device_curves
from roundhouse_console.domain.overview import curves_of, traffic_of
from roundhouse_console.kit.charts import Series, chart
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import note, panel

__all__ = ["show"]

_RANGES = {900: "5m", 3_600: "5m", 6 * 3_600: "15m", 86_400: "30m", 7 * 86_400: "6h", 30 * 86_400: "1d"}
"""Seconds, and the width of a bar that fits them."""
_WIDTHS = ("1m", "5m", "15m", "30m", "1h", "6h", "1d")
_LATENCIES = ("avg", "max", "p50", "p75", "p90", "p95", "p99")


@dataclass(slots=True)
class _Chosen:
    seconds: int = 3_600
    width: str = "5m"


async def show(deployment_id: str) -> None:
    chosen, looks = _Chosen(), list[Callable[[], Awaitable[None]]]()
    with ui.element("div").classes("rh-row"):
        names = {
            900: t("15 minutes"),
            3_600: t("1 hour"),
            6 * 3_600: t("6 hours"),
            86_400: t("24 hours"),
            7 * 86_400: t("7 days"),
            30 * 86_400: t("30 days"),
        }
        span = ui.select(names, value=3_600, label=t("Time range")).props("outlined dense").classes("rh-field")
        width = ui.select(list(_WIDTHS), value="5m", label=t("Interval")).props("outlined dense").classes("rh-field")

    async def changed() -> None:
        if chosen.seconds != int(span.value):
            width.value = _RANGES[int(span.value)]
        chosen.seconds, chosen.width = int(span.value), str(width.value)
        for look in looks:
            await look()

    span.on_value_change(changed)
    width.on_value_change(changed)
    if here().me.may_anywhere("usage:read"):
        looks.append(await follow(lambda: _traffic(deployment_id, chosen), _traffic_charts, every_s=10.0))
    looks.append(await follow(lambda: _compute(deployment_id, chosen), _compute_charts, every_s=10.0))


def _since(chosen: _Chosen) -> str:
    return datetime.fromtimestamp(here().clock.now() - chosen.seconds, UTC).isoformat()


async def _traffic(deployment_id: str, chosen: _Chosen) -> Item:
    metrics = ["requests", "failed", "total_tokens", *(f"latency_ms.{one}" for one in _LATENCIES)]
    return await here().person.metering.get(
        "/api/v1/usage/chart",
        bucket=chosen.width,
        metric=metrics,
        deployment=deployment_id,
        since=_since(chosen),
        time_zone=here().preferences.tz.key,
    )


async def _compute(deployment_id: str, chosen: _Chosen) -> Item:
    path = path_of("/api/v1/metrics/deployments/{}", deployment_id)
    return await here().person.metering.get(path, since=_since(chosen))


def _traffic_charts() -> Callable[[Item], None]:
    with ui.element("div").classes("rh-grid"):
        with panel(t("Requests")):
            total = ui.label().classes("rh-dim")
            put_requests = chart(t("Requests"), kind="bar", form="count", is_stacked=True)
        with panel(t("Latency")):
            ui.label(t("From the request to the end of its answer")).classes("rh-dim")
            put_latency = chart(t("Latency"), form="ms")

    def put(found: Item) -> None:
        figures = traffic_of(found)
        total.set_text(
            t(
                "{requests|request|requests}, {tokens|token|tokens} in this time",
                requests=figures.requests,
                tokens=figures.tokens,
            )
        )
        by_metric = {one: _only(found, one) for one in ("requests", "failed")}
        good = [
            (at, None if all_ is None else all_ - (bad or 0))
            for (at, all_), (_, bad) in zip(by_metric["requests"], by_metric["failed"], strict=True)
        ]
        put_requests([Series(t("Completed"), good), Series(t("Failed"), by_metric["failed"])])
        put_latency([Series(one, _only(found, f"latency_ms.{one}")) for one in _LATENCIES])

    return put


def _only(found: Item, metric: str) -> list[tuple[float, float | None]]:
    curves = curves_of(found, metric, {})
    return curves[0][1] if curves else []


def _compute_charts() -> Callable[[Item], None]:
    holder = ui.element("div").classes("rh-live")
    puts: dict[str, Callable[[Item], None]] = {}

    def put(found: Item) -> None:
        replicas = {one["replica_id"]: one for one in found["replicas"] if one["points"]}
        if set(replicas) != set(puts):
            holder.clear()
            puts.clear()
            with holder:
                if not replicas:
                    note(t("No replica ran in this time, so nothing was measured."))
                puts.update({name: _replica_charts(name, one) for name, one in replicas.items()})
        for name, one in replicas.items():
            puts[name](one)

    return put


def _replica_charts(replica_id: str, first: Item) -> Callable[[Item], None]:
    ui.element("h2").classes("rh-panel-title")._text = t("Replica {id}", id=replica_id[-6:])
    cores = first["points"][-1]["cpu_cores"]
    with ui.element("div").classes("rh-grid"):
        with panel(t("Processor")):
            ui.label(t("of {cores|core|cores}", cores=f"{cores:g}")).classes("rh-dim")
            put_cpu = chart(t("Processor"), kind="area", unit=t("cores"), is_stacked=True)
        with panel(t("Memory")):
            put_memory = chart(t("Memory"), kind="area", form="bytes")
        if first["devices"]:
            with panel(t("Devices: utilisation")):
                put_use = chart(t("Devices: utilisation"), form="percent", most=1.0)
            with panel(t("Devices: memory")):
                put_device_memory = chart(t("Devices: memory"), form="bytes")

    def put(found: Item) -> None:
        curves = compute_curves(found["points"])
        put_cpu([Series(t("User"), curves["user"]), Series(t("System"), curves["system"])])
        put_memory([Series(t("Used"), curves["used"])])
        if first["devices"]:
            devices = device_curves(found["devices"], {})
            put_use([Series(name, points) for name, points in devices["utilization"]])
            put_device_memory([Series(name, points) for name, points in devices["memory"]])

    return put
