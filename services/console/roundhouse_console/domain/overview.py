"""What the first page makes of the services' answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import count, money_roughly, percent

__all__ = ["Concern", "Curve", "Traffic", "concerns", "curves_of", "device_figures", "traffic_of"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
Curve = tuple[str, list[tuple[float, float | None]]]
"""A name, and points: seconds since 1970 and a value."""

_ORDER: Final = {"bad": 0, "warn": 1, "busy": 2}
_SPENT_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Something that needs a person. `what` is English words with `values` to fill in; `why` came from a service."""

    tone: Literal["bad", "warn", "busy"]
    what: str
    values: Mapping[str, str]
    why: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Figures of a period, as the tiles show them."""

    requests: str
    tokens: str
    cost: str
    error_rate: str
    first_token: str


def concerns(
    *,
    statuses: Sequence[Found] = (),
    nodes: Sequence[Found] = (),
    unpriced: Sequence[Found] = (),
    budgets: Sequence[Found] = (),
) -> list[Concern]:
    """Return what needs a person, errors first."""
    found = [*_of_statuses(statuses), *_of_nodes(nodes), *_of_budgets(budgets), *_of_unpriced(unpriced)]
    return sorted(found, key=lambda one: _ORDER[one.tone])


def _of_statuses(statuses: Iterable[Found]) -> Iterable[Concern]:
    for one in statuses:
        href, values = f"/deployments/{one['deployment_id']}", {"name": one["name"]}
        if one["state"] == "Error":
            yield Concern(tone="bad", what="{name} does not run", values=values, why=one["why"], href=href)
        elif one["state"] == "Running" and one["replicas_ready"] < one["replicas_wanted"]:
            values |= {"ready": str(one["replicas_ready"]), "wanted": str(one["replicas_wanted"])}
            what = "{name} has {ready} of {wanted} replicas"
            yield Concern(tone="warn", what=what, values=values, why=one["why"], href=href)


def _of_nodes(nodes: Iterable[Found]) -> Iterable[Concern]:
    for one in nodes:
        href, values = f"/nodes/{one['id']}", {"name": one["hostname"]}
        if one["admission"] == "pending":
            what = "Node {name} waits to be let in"
            yield Concern(tone="busy", what=what, values=values, why=one["why"], href=href)
        elif one["state"] != "ready":
            yield Concern(tone="bad", what="Node {name} is not heard", values=values, why=one["why"], href=href)
        for device in one["devices"]:
            if device["health"] in ("degraded", "failed"):
                values = {"name": one["hostname"], "device": device["model"] or device["uuid"]}
                tone: Literal["bad", "warn"] = "bad" if device["health"] == "failed" else "warn"
                what = "{device} on {name} is not healthy"
                yield Concern(tone=tone, what=what, values=values, why=device["health_detail"], href=href)
        for error in one["device_errors"]:
            why = error if isinstance(error, str) else str(error.get("detail", error))
            yield Concern(tone="warn", what="Devices of {name} cannot be read", values=values, why=why, href=href)


def _of_budgets(budgets: Iterable[Found]) -> Iterable[Concern]:
    for one in budgets:
        share = one["spent"] / one["amount"] if one["amount"] else 1.0
        if share >= _SPENT_SHARE:
            tone: Literal["bad", "warn"] = "bad" if share >= 1 else "warn"
            values = {"name": one["name"], "share": percent(share, 0)}
            yield Concern(
                tone=tone, what="{share} of budget {name} is spent", values=values, why="", href="/usage/budgets"
            )


def _of_unpriced(unpriced: Iterable[Found]) -> Iterable[Concern]:
    for one in unpriced:
        if not one["has_price_now"]:
            values = {"model": one["model"], "count": count(one["records"])}
            what = "{count|request|requests} to {model} without a price"
            yield Concern(tone="warn", what=what, values=values, why="", href="/usage/prices")


def traffic_of(chart: Found) -> Traffic:
    """Return the totals of a period."""
    totals = chart["totals"]
    first = totals["time_to_first_token_ms"]["p50"]
    return Traffic(
        requests=count(totals["requests"]),
        tokens=count(totals["total_tokens"]),
        cost=money_roughly(totals["cost_nano"], chart["currency"]) if chart["currency"] else "–",
        error_rate="–" if totals["error_rate"] is None else percent(totals["error_rate"]),
        first_token="–" if first is None else f"{first:.0f} ms",
    )


def curves_of(chart: Found, metric: str, names: Mapping[str, str]) -> list[Curve]:
    """Return a metric's curve for each series of a chart; `names` by the keys of the series."""
    starts = [instant(one) for one in chart["starts"]]
    return [
        (names.get(series["key"], series["key"] or "–"), list(zip(starts, series["points"][metric], strict=True)))
        for series in chart["series"]
    ]


def device_figures(nodes: Sequence[Found]) -> tuple[int, int, float, float]:
    """Return devices in use and all there are, and claimed and whole memory of devices in bytes.

    A host without accelerators counts with its own memory: that is where its engines run.
    """
    used = total = 0
    claimed = memory = 0.0
    for node in nodes:
        devices = node["devices"]
        total += len(devices)
        used += sum(1 for one in devices if one["claimed_memory_bytes"])
        claimed += sum(one["claimed_memory_bytes"] for one in devices) or (not devices) * node["claimed_memory_bytes"]
        memory += sum(one["memory_total_bytes"] for one in devices) or (not devices) * node["memory_total_bytes"]
    return used, total, claimed, memory
