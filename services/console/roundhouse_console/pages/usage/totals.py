"""What was used and what it cost, by anything, over time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.overview import curves_of
from roundhouse_console.domain.units import count, money, percent
from roundhouse_console.domain.usage import DIMENSIONS, drill_path, tokens_of, usage_rows
from roundhouse_console.kit.charts import Format, Series, chart
from roundhouse_console.kit.files import export_menu
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel, stat, tiles
from roundhouse_console.kit.tables import column, link, table, text
from roundhouse_console.pages.usage.parts import usage_tabs

__all__ = ["show"]

_RANGES = {3_600: "5m", 86_400: "1h", 7 * 86_400: "6h", 30 * 86_400: "1d", 365 * 86_400: "1mo"}
_METRICS: dict[str, tuple[str, Format]] = {
    "requests": ("Requests", "count"),
    "total_tokens": ("Tokens", "count"),
    "cost_nano": ("Cost", "money"),
    "error_rate": ("Error rate", "percent"),
    "latency_ms.p95": ("Latency, p95", "ms"),
    "time_to_first_token_ms.p95": ("Time to first token, p95", "ms"),
}
_MOST = 50
_SHOWN = 8


@dataclass(slots=True)
class _Chosen:
    seconds: int = 86_400
    by: str = "model"
    metric: str = "requests"
    is_everywhere: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    usage: Item
    chart: Item
    names: dict[str, str]
    by: str
    metric: str
    since: str


async def show() -> None:
    chosen, looks = _Chosen(), list[Callable[[], Awaitable[None]]]()
    with page_head(t("Usage"), t("Every request is in the ledger; every line opens down to its records.")):
        _exports(chosen)
    usage_tabs("totals")
    with ui.element("div").classes("rh-row"):
        _choices(chosen, looks)
    looks.append(await follow(lambda: _ask(chosen), _shown, every_s=10.0))


def _choices(chosen: _Chosen, looks: list[Callable[[], Awaitable[None]]]) -> None:
    names = {
        3_600: t("1 hour"),
        86_400: t("24 hours"),
        7 * 86_400: t("7 days"),
        30 * 86_400: t("30 days"),
        365 * 86_400: t("1 year"),
    }
    is_wide = here().me.is_platform_wide
    dimensions = {name: t(title) for name, title in DIMENSIONS.items() if name != "tenant" or is_wide}
    span = ui.select(names, value=chosen.seconds, label=t("Time range"))
    by = ui.select(dimensions, value=chosen.by, label=t("Added up by"))
    metric = ui.select({name: t(title) for name, (title, _) in _METRICS.items()}, value=chosen.metric, label=t("Chart"))
    everywhere = ui.switch(t("All tenants"), value=False)
    everywhere.set_visibility(is_wide)
    for field in (span, by, metric):
        field.props("outlined dense").classes("rh-field")

    async def changed() -> None:
        chosen.seconds, chosen.by, chosen.metric = int(span.value), str(by.value), str(metric.value)
        chosen.is_everywhere = bool(everywhere.value)
        for look in looks:
            await look()

    for choice in (span, by, metric, everywhere):
        choice.on_value_change(changed)


async def _ask(chosen: _Chosen) -> _Found:
    person = here().person
    minute = int(here().clock.now()) // 60 * 60 + 60  # so that answers of one minute are equal
    since = datetime.fromtimestamp(minute - chosen.seconds, UTC).isoformat()
    tenant = "all" if chosen.is_everywhere else None
    zone = here().preferences.tz.key
    usage, curves, names = await asyncio.gather(
        person.metering.get("/api/v1/usage", by=chosen.by, since=since, top=_MOST, tenant=tenant),
        person.metering.get(
            "/api/v1/usage/chart",
            bucket=_RANGES[chosen.seconds],
            by=chosen.by,
            metric=chosen.metric,
            since=since,
            top=_SHOWN,
            tenant=tenant,
            time_zone=zone,
        ),
        names_of(person, chosen.by),
    )
    return _Found(usage, curves, names, chosen.by, chosen.metric, since)


def _shown() -> Callable[[_Found], None]:
    with tiles():
        shown = [stat(t(name)) for name in ("Requests", "Input tokens", "Output tokens", "Cost", "Error rate")]
    with panel():
        title = ui.label().classes("rh-strong")
        holder = ui.element("div")
    with panel(t("By line")):
        put_rows = _table()
    drawn: dict[str, Callable[[list[Series]], None]] = {}

    def put(found: _Found) -> None:
        totals, currency = found.usage["totals"], found.usage["currency"]
        read, made = tokens_of(totals)
        cost = totals["cost_nano"]
        values = (
            count(totals["requests"]),
            count(read),
            count(made),
            money(cost, currency) if currency else "–",
            "–" if totals["error_rate"] is None else percent(totals["error_rate"]),
        )
        for label, value in zip(shown, values, strict=True):
            label.set_text(value)
        name, form = _METRICS[found.metric]
        title.set_text(f"{t(name)} · {t(DIMENSIONS[found.by])}")
        if found.metric not in drawn:
            drawn.clear()
            holder.clear()
            is_sum = form in ("count", "money")
            with holder:
                drawn[found.metric] = chart(
                    t(name), kind="bar" if is_sum else "line", form=form, unit=currency, is_stacked=is_sum
                )
        names = {**found.names, "": t("Others")}
        drawn[found.metric]([Series(label, points) for label, points in curves_of(found.chart, found.metric, names)])
        put_rows(found)

    return put


def _table() -> Callable[[_Found], None]:
    put = table(
        [
            column("name", t("Name")),
            column("requests", t("Requests"), align="right"),
            column("input", t("Input tokens"), align="right", is_wide=True),
            column("output", t("Output tokens"), align="right", is_wide=True),
            column("cost", t("Cost"), align="right"),
            column("errors", t("Error rate"), align="right", is_wide=True),
            column("p95", t("Latency, p95"), align="right", is_wide=True),
        ],
        label=t("By line"),
        order="requests",
        is_descending=True,
        nothing=t("Nothing was used in this time."),
    )

    def show_all(found: _Found) -> None:
        put(
            [
                {
                    "id": row["key"] or "-",
                    "name": link(row["name"] or "–", drill_path(found.by, row["key"], found.since)),
                    "requests": text(row["requests_text"], sort=row["requests"]),
                    "input": text(count(row["input"]), sort=row["input"]),
                    "output": text(count(row["output"]), sort=row["output"]),
                    "cost": text(
                        row["cost_text"],
                        sort=row["cost"],
                        sub=t("{count} without a price", count=row["unpriced"]) if row["unpriced"] else "",
                    ),
                    "errors": text(row["errors_text"], sort=row["error_rate"]),
                    "p95": "" if row["p95"] is None else text(f"{row['p95']:.0f} ms", sort=row["p95"]),
                }
                for row in usage_rows(found.usage["items"], found.names, found.usage["currency"])
            ]
        )

    return show_all


def _exports(chosen: _Chosen) -> None:
    if not here().me.may_anywhere("usage:export"):
        return
    files = (("usage.csv", "CSV"), ("usage.parquet", "Parquet"), ("focus.csv", "FOCUS 1.2 (CSV)"))
    export_menu(files, lambda name: _save(name, chosen))


def _save(name: str, chosen: _Chosen) -> None:
    since = datetime.fromtimestamp(here().clock.now() - chosen.seconds, UTC).isoformat()
    ui.navigate.to(f"/download/{name}?" + urlencode({"since": since}), new_tab=True)
