"""What flows now: requests, failures, latency and tokens by where they went; each endpoint; what the cache gave."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.flow import REUSES, Endpoint, endpoints_of, reused_share
from roundhouse_console.domain.overview import curves_of, traffic_of
from roundhouse_console.domain.units import percent
from roundhouse_console.kit.charts import Series, chart
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel, stat, tiles
from roundhouse_console.kit.tables import Row, column, link, state, table, text
from roundhouse_console.pages.traffic.parts import traffic_tabs
from roundhouse_console.pages.traffic.passed_over import answer_cache, passed_over

__all__ = ["show"]

_SPAN_S: Final = 900
_EVERY_S: Final = 5.0
_OTHER: Final = "(other)"
"""How metering names the series of what has no series of its own."""
_METRICS: Final = ("requests", "failed", "total_tokens", "latency_ms.p95")
_SPLITS: Final = {
    "deployment": "By deployment",
    "provider": "By provider",
    "replica": "By replica",
    "route": "By route",
    "reuse": "By reuse",
}


@dataclass(frozen=True, slots=True)
class _Flow:
    chart: Item
    names: dict[str, str]
    reused: float | None


@dataclass(frozen=True, slots=True)
class _Endpoints:
    endpoints: list[Endpoint]
    nodes: dict[str, str]


async def show() -> None:
    chosen = {"split": "deployment"}
    looks: list[Callable[[], Awaitable[None]]] = []
    words = t("Requests of the last 15 minutes, every minute; where they went and how they ended.")
    with page_head(t("Flow"), words):
        pick = ui.select({one: t(title) for one, title in _SPLITS.items()}, value="deployment", label=t("Split"))
        pick.props("outlined dense").classes("rh-field")

    async def changed() -> None:
        chosen["split"] = str(pick.value)
        for look in looks:
            await look()

    pick.on_value_change(changed)
    traffic_tabs("flow")
    looks.append(await follow(lambda: _flow(chosen["split"]), _charts, every_s=_EVERY_S))
    if here().me.may_anywhere("replicas:read"):
        await passed_over()
        with panel(t("Endpoints")):
            await follow(_endpoints, _table, every_s=_EVERY_S)
    if here().may("routes:read"):
        await answer_cache()


def _since() -> str:
    return datetime.fromtimestamp(here().clock.now() - _SPAN_S, UTC).isoformat()


async def _flow(split: str) -> _Flow:
    person = here().person

    async def ask() -> _Flow:
        found, names, reuse = await asyncio.gather(
            person.metering.get(
                "/api/v1/usage/chart", bucket="1m", by=split, metric=list(_METRICS), top=8, since=_since()
            ),
            names_of(person, split),
            person.metering.get("/api/v1/usage", by="reuse", since=_since()),
        )
        return _Flow(found, names, reused_share(reuse))

    return await person.cached.get(f"flow by {split}", ask, for_s=3.0)


def _charts() -> Callable[[_Flow], None]:
    with tiles():
        requests = stat(t("Requests"))
        errors = stat(t("Error rate"))
        first = stat(t("Time to first token"), hint=t("median"))
        tokens = stat(t("Tokens"))
        reused = stat(t("Answered from the cache"), hint=t("Of all requests that were not refused"))
    puts: dict[str, Callable[[list[Series]], None]] = {}
    with ui.element("div").classes("rh-grid"):
        with panel(t("Requests")):
            puts["requests"] = chart(t("Requests"), kind="bar", form="count", is_stacked=True)
        with panel(t("Failed requests")):
            puts["failed"] = chart(t("Failed requests"), kind="bar", form="count", is_stacked=True)
        with panel(t("Latency, p95, of the last 15 minutes")):
            puts["latency_ms.p95"] = chart(t("Latency, p95, of the last 15 minutes"), form="ms")
        with panel(t("Tokens")):
            puts["total_tokens"] = chart(t("Tokens"), kind="bar", form="count", is_stacked=True)

    def put(found: _Flow) -> None:
        figures = traffic_of(found.chart)
        requests.set_text(figures.requests)
        errors.set_text(figures.error_rate)
        first.set_text(figures.first_token)
        tokens.set_text(figures.tokens)
        reused.set_text("–" if found.reused is None else percent(found.reused))
        for metric, put_one in puts.items():
            curves = curves_of(found.chart, metric, {})
            put_one([Series(_name(key, found.names), points) for key, points in curves])

    return put


def _name(key: str, names: dict[str, str]) -> str:
    if key in REUSES:
        return t(REUSES[key])
    if key == _OTHER:
        return t("(other)")
    return names.get(key, key)


async def _endpoints() -> _Endpoints:
    person = here().person

    async def ask() -> _Endpoints:
        replicas, usage, nodes = await asyncio.gather(
            person.scheduler.items("/api/v1/replicas"),
            person.metering.get("/api/v1/usage", by="replica", top=200, since=_since()),
            names_of(person, "node"),
        )
        return _Endpoints(endpoints_of(replicas, usage), nodes)

    return await person.cached.get("flow of endpoints", ask, for_s=3.0)


def _table() -> Callable[[_Endpoints], None]:
    put = table(
        [
            column("deployment", t("Deployment")),
            column("node", t("Node"), is_wide=True),
            column("load", t("In flight + waiting"), align="right"),
            column("requests", t("Requests, 15 minutes"), align="right", is_wide=True),
            column("failed", t("Failed, 15 minutes"), align="right", is_wide=True),
            column("latency", t("Latency, p95"), align="right", is_wide=True),
        ],
        label=t("Endpoints"),
        nothing=t("No replica is ready. Start a deployment, and requests can go somewhere."),
    )
    return lambda found: put([_row(one, found.nodes) for one in found.endpoints])


def _row(one: Endpoint, nodes: dict[str, str]) -> Row:
    href = path_of("/deployments/{}", one.deployment_id)
    load = "" if one.in_flight is None else text(f"{one.in_flight} + {one.waiting or 0}", sort=one.in_flight)
    return {
        "id": one.id,
        "deployment": link(one.deployment, href, sub=one.id[-6:]),
        "node": nodes.get(one.node_id, one.node_id),
        "load": load,
        "requests": one.requests,
        "failed": state(str(one.failed), "bad") if one.failed else 0,
        "latency": "" if one.latency_ms is None else text(f"{one.latency_ms:.0f} ms", sort=one.latency_ms),
    }
