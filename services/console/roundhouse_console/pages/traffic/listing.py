"""Routes: the names that clients send as `model`, and where each leads."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.overview import curves_of
from roundhouse_console.domain.routing import STRATEGIES, leads_to
from roundhouse_console.domain.units import count
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.tables import Row, column, link, spark, state, table, text
from roundhouse_console.pages.traffic.parts import target_names, traffic_tabs

__all__ = ["show"]

_SPAN_S = 3_600


@dataclass(frozen=True, slots=True)
class _Found:
    routes: list[Item]
    names: dict[str, str]
    curves: dict[str, list[float]]


async def show() -> None:
    with page_head(t("Traffic"), t("Routes are the names that clients send as “model”, and where each leads.")):
        if here().me.may_anywhere("routes:write"):
            if here().me.may_anywhere("providers:write"):
                ui.link(t("Import from LiteLLM"), "/traffic/import").classes("rh-button-quiet")
            ui.link(t("New route"), "/traffic/new").classes("rh-button")
    traffic_tabs("routes")
    with panel():
        await follow(_ask, _table)


async def _ask() -> _Found:
    person = here().person
    routes, names, curves = await asyncio.gather(person.catalog.items("/api/v1/routes"), target_names(), _curves())
    return _Found(routes, names, curves)


async def _curves() -> dict[str, list[float]]:
    """Return the requests of the last hour by route; none where they cannot be had: the routes still show."""
    person = here().person
    if not here().me.may_anywhere("usage:own"):
        return {}
    since = datetime.fromtimestamp(here().clock.now() - _SPAN_S, UTC).isoformat()
    try:
        found = await person.cached.get(
            "requests by route",
            lambda: person.metering.get("/api/v1/usage/chart", bucket="5m", by="route", top=50, since=since),
            for_s=10.0,
        )
    except ConsoleError:
        return {}
    return {name: [value or 0.0 for _, value in points] for name, points in curves_of(found, "requests", {})}


def _table() -> Callable[[_Found], None]:
    put = table(
        [
            column("name", t("Name")),
            column("leads", t("Leads to")),
            column("fallbacks", t("Fallbacks"), is_wide=True),
            column("of", t("Of"), is_wide=True),
            column("balancing", t("Balancing"), is_wide=True),
            column("flow", t("Requests, 1 hour"), is_wide=True),
        ],
        label=t("Routes"),
        order="name",
        nothing=t("There are no routes. Deploy a model, and it has one of its own name."),
    )
    return lambda found: put([_row(one, found) for one in found.routes])


def _row(route: Item, found: _Found) -> Row:
    curve = found.curves.get(route["id"], [])
    shown = spark(curve, count(sum(curve))) if sum(curve) else text("0", sort=0)
    return {
        "id": route["id"],
        "label": route["name"],
        "name": link(route["name"], path_of("/traffic/routes/{}", route["id"]), sub=t(route["model_kind"])),
        "leads": _leads(route, found.names),
        "fallbacks": ", ".join(dict.fromkeys(one["route"] for one in route["fallbacks"])),
        "of": _owner(route),
        "balancing": "" if route["alias_of"] else t(STRATEGIES[route["balancing"]["strategy"]]),
        "flow": shown,
    }


def _leads(route: Item, names: dict[str, str]) -> Row:
    if route["alias_of"]:
        return text(route["alias_of"], sub=t("another name of this route"))
    targets = leads_to(route, names)
    if len(targets) == 1:
        return text(targets[0][0])
    shown = ", ".join(f"{name} × {weight}" for name, weight, _ in targets)
    later = sorted({priority for _, _, priority in targets})[1:]
    return text(shown, sub=t("with targets for when the first ones fail") if later else "")


def _owner(route: Item) -> Row:
    if route["is_platform"]:
        return state(t("platform"), "busy")
    return state(t("deployment") if route["deployment_id"] else t("tenant"), "quiet")
