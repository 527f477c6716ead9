"""Single records: every line of the bill can be opened (F06)."""

from collections.abc import Callable
from typing import Any

from nicegui import PageArguments, ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import money
from roundhouse_console.domain.usage import record_facts, records_query, tokens_of
from roundhouse_console.kit.dialogs import gone_when_closed
from roundhouse_console.kit.here import at_time, here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import fact, facts, page_head, panel
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.usage.parts import usage_tabs

__all__ = ["show"]

_PAGE = 200
_TONES = {"completed": "good", "failed": "bad", "aborted": "warn"}


async def show(args: PageArguments) -> None:
    query = records_query(dict(args.query_parameters))
    with page_head(t("Records"), ", ".join(f"{name}: {value}" for name, value in query.items())):
        pass
    usage_tabs("records")
    with panel():
        await once(lambda: _ask(query), lambda found: _records(found, query))


async def _ask(query: dict[str, str], cursor: str | None = None) -> Item:
    asked = {"limit": _PAGE, "cursor": cursor, "newest_first": True, **query}
    return await here().person.metering.get("/api/v1/usage/records", **asked)


async def _records(first: Item, query: dict[str, str]) -> None:
    by_id: dict[str, Item] = {}
    found: list[Item] = []
    put = _table(by_id)
    more = ui.button(t("Show older")).props("flat no-caps")
    cursor: list[Any] = [None]

    def take(page: Item) -> None:
        found.extend(page["items"])
        by_id.update({one["request_id"]: one for one in page["items"]})
        cursor[0] = page["next_cursor"]
        more.set_visibility(bool(page["next_cursor"]))
        put(found)

    async def older() -> None:
        take(await _ask(query, cursor[0]))

    more.on_click(older)
    take(first)


def _table(by_id: dict[str, Item]) -> Callable[[list[Item]], None]:
    def act(request_id: str, _name: str) -> None:
        _details(by_id[request_id])

    put = table(
        [
            column("at", t("Time")),
            column("model", t("Model")),
            column("outcome", t("Outcome")),
            column("tokens", t("Input + output"), align="right", is_wide=True),
            column("took", t("Took"), align="right", is_wide=True),
            column("cost", t("Cost"), align="right", is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Records"),
        order="at",
        is_descending=True,
        on_action=act,
        nothing=t("No request was made that fits."),
    )
    return lambda found: put([_row(one) for one in found])


def _row(one: Item) -> Row:
    cost = one["cost_nano"]
    read, made = tokens_of(one)
    return {
        "id": one["request_id"],
        "label": one["request_id"],
        "at": text(at_time(instant(one["admitted_at"])), sort=one["admitted_at"]),
        "model": text(one["model_requested"], sub=one["operation"]),
        "outcome": state(t(one["outcome"]), _TONES.get(one["outcome"], "quiet"), one["error_code"]),  # type: ignore[arg-type]  # a literal of the table above
        "tokens": text(f"{read} + {made}", sort=read + made),
        "took": text(f"{one['duration_ms']:.0f} ms", sort=one["duration_ms"]),
        "cost": "" if cost is None else text(money(cost, one["currency"]), sort=cost),
        "actions": actions(action("open", "search", t("Details"))),
    }


def _details(record: Item) -> None:
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t("One request")
        with facts():
            for name, value in record_facts(record):
                fact(t(name), value)
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    gone_when_closed(dialog)
    dialog.open()
