"""What goes on, and what needs attention."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.domain.overview import Concern, concerns, curves_of, device_figures, traffic_of
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.charts import Series, chart
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import empty, note, page_head, panel, stat, tiles
from roundhouse_console.kit.signals import explain

__all__ = ["show"]

_RANGES = {"1h": (3_600, "1m"), "24h": (86_400, "30m"), "7d": (7 * 86_400, "6h")}
"""Seconds, and the width of a bar that fits."""
_METRICS = ("requests", "total_tokens", "latency_ms.p95")
_MOST_CONCERNS = 8
_UNPRICED_EVERY_S = 60.0
_STATE = "overview state"
_STATE_FOR_S = 2.0


@dataclass(frozen=True, slots=True)
class _State:
    concerns: Sequence[Concern]
    devices: tuple[int, int, float, float] | None
    deployments: int
    away: tuple[str, ...]


async def show() -> None:
    me, cached = here().me, here().person.cached
    cached.latest(_STATE, _ask_state, for_s=_STATE_FOR_S)  # asked while the figures above it are
    chosen = {"range": "1h"}
    with page_head(t("Overview"), me.tenant_name):
        pick = ui.toggle({"1h": t("1 hour"), "24h": t("24 hours"), "7d": t("7 days")}, value="1h")
        pick.props(f'no-caps unelevated toggle-color=primary dense aria-label="{t("Time range")}"').classes("rh-toggle")
    looks: list[Callable[[], Awaitable[None]]] = []

    async def changed() -> None:
        chosen["range"] = str(pick.value)
        for look in looks:
            await look()

    pick.on_value_change(changed)
    if me.may_anywhere("usage:own"):
        looks.append(await follow(lambda: _traffic(chosen["range"]), _figures, every_s=5.0))
    with ui.element("div").classes("rh-grid rh-grid-wide"):
        with panel(t("Needs attention")):
            await follow(_state, _attention)
        if me.may_anywhere("usage:own"):
            with panel(t("Requests by model")):
                looks.append(await follow(lambda: _traffic(chosen["range"]), _requests, every_s=5.0))


async def _traffic(name: str) -> Item:
    person, now = here().person, here().clock.now()
    seconds, bucket = _RANGES[name]
    since, zone = datetime.fromtimestamp(now - seconds, UTC).isoformat(), here().preferences.tz.key
    query = {"bucket": bucket, "by": "model", "metric": list(_METRICS), "top": 6, "since": since, "time_zone": zone}
    ask = partial(person.metering.get, "/api/v1/usage/chart", **query)
    return await person.cached.get(f"overview traffic {name} {zone}", ask, for_s=3.0)


def _figures() -> Callable[[Item], None]:
    with tiles():
        requests = stat(t("Requests"))
        tokens = stat(t("Tokens"))
        cost = stat(t("Cost"))
        errors = stat(t("Error rate"))
        first = stat(t("Time to first token"), hint=t("median"))

    def put(found: Item) -> None:
        figures = traffic_of(found)
        requests.set_text(figures.requests)
        tokens.set_text(figures.tokens)
        cost.set_text(figures.cost)
        errors.set_text(figures.error_rate)
        first.set_text(figures.first_token)

    return put


def _requests() -> Callable[[Item], None]:
    put_bars = chart(t("Requests by model"), kind="bar", is_stacked=True, form="count")

    def put(found: Item) -> None:
        put_bars([Series(name, points) for name, points in curves_of(found, "requests", {"": t("Others")})])

    return put


async def _state() -> _State:
    return await here().person.cached.get(_STATE, _ask_state, for_s=_STATE_FOR_S)


async def _ask_state() -> _State:
    """Ask everything that the person may see; what does not answer is named instead of shown."""
    person, may = here().person, here().me.may_anywhere
    asked: dict[str, Awaitable[list[Item]]] = {}
    if may("deployments:read"):
        asked["statuses"] = person.scheduler.items("/api/v1/deployment-statuses")
    if may("nodes:read"):
        asked["nodes"] = person.scheduler.items("/api/v1/nodes")
    if may("budgets:read"):
        asked["budgets"] = person.metering.items("/api/v1/budgets")
    answers = await asyncio.gather(*asked.values(), return_exceptions=True)
    found, away = {}, []
    for name, answer in zip(asked, answers, strict=True):
        if isinstance(answer, SignedOut) or (
            isinstance(answer, BaseException) and not isinstance(answer, ConsoleError)
        ):
            raise answer
        if isinstance(answer, ConsoleError):
            away.append(explain(answer))
        else:
            found[name] = answer
    if may("prices:write"):
        # It reads the whole ledger: the rest does not wait for it, and pages that are open do not multiply it.
        ask = partial(person.metering.get, "/api/v1/usage/unpriced")
        unpriced = person.cached.latest("overview unpriced", ask, for_s=_UNPRICED_EVERY_S)
        found["unpriced"] = unpriced["items"] if unpriced is not None else []
    return _State(
        concerns=concerns(**found),
        devices=device_figures(found["nodes"]) if "nodes" in found else None,
        deployments=len(found.get("statuses", ())),
        away=tuple(dict.fromkeys(away)),
    )


def _attention() -> Callable[[_State], None]:
    holder = ui.element("div").classes("rh-column")

    def put(state: _State) -> None:
        holder.clear()
        with holder:
            for text in state.away:
                note(text, "bad", icon="cloud_off")
            for one in state.concerns[:_MOST_CONCERNS]:
                _concern(one)
            if len(state.concerns) > _MOST_CONCERNS:
                ui.label(t("and {count} more", count=len(state.concerns) - _MOST_CONCERNS)).classes("rh-dim")
            if not state.concerns and not state.away:
                note(t("Everything is in order."), "good", icon="check_circle")
            if not state.deployments and here().me.may_anywhere("deployments:write"):
                empty(t("Nothing is deployed yet."), icon="rocket_launch", action=t("First steps"), href="/welcome")
            if state.devices is not None:
                _devices(*state.devices)

    return put


def _concern(one: Concern) -> None:
    icons = {"bad": "error_outline", "warn": "warning_amber", "busy": "hourglass_top"}
    with ui.link(target=one.href).classes(f"rh-note rh-{one.tone} rh-concern"):
        ui.icon(icons[one.tone])
        with ui.element("div"):
            ui.label(t(one.what, **one.values)).classes("rh-strong")
            if one.why:
                ui.label(one.why)


def _devices(used: int, total: int, claimed: float, memory: float) -> None:
    share = claimed / memory if memory else 0.0
    with ui.element("div").classes("rh-column"):
        what = (
            t("{used} of {total|device|devices} in use", used=used, total=total)
            if total
            else t("No accelerators: engines run on CPUs")
        )
        ui.label(what).classes("rh-strong")
        ui.linear_progress(share, show_value=False, size="8px").props(f'rounded aria-label="{t("Memory claimed")}"')
        ui.label(
            t("{claimed} of {memory} memory claimed", claimed=bytes_text(claimed), memory=bytes_text(memory))
        ).classes("rh-dim")
