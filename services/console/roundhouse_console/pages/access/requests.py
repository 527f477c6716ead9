"""The request log: single requests with what was asked and answered, where the tenant logs it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.audit import logged_facts
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.usage import tokens_of
from roundhouse_console.kit.dialogs import until_closed
from roundhouse_console.kit.here import at_time, here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import fact, facts, note, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.access.parts import access_tabs, field
from roundhouse_console.pages.access.tenants import choose_log

__all__ = ["show"]

_PATH: Final = "/api/v1/request-log"
_PAGE: Final = 200
_TONES: Final = {"completed": "good", "failed": "bad", "aborted": "warn"}
_SECONDS: Final = {3_600: "1 hour", 86_400: "24 hours", 7 * 86_400: "7 days", 30 * 86_400: "30 days"}


@dataclass(slots=True)
class _Chosen:
    seconds: int = 86_400
    model: str = ""
    outcome: str = ""


async def show() -> None:
    chosen = _Chosen()
    with page_head(t("Request log"), t("That you read it is in the audit.")):
        if here().may("members:write"):
            ui.button(t("What is logged"), icon="tune", on_click=_policy).props("outline no-caps")
    access_tabs("requests")
    bar = ui.element("div").classes("rh-row")
    holder = ui.element("div").classes("rh-live")

    async def look() -> None:
        holder.clear()
        with holder:
            await once(lambda: _ask(chosen), lambda found: _shown(found, chosen))

    with bar:
        _filters(chosen, look)
    await look()


def _filters(chosen: _Chosen, changed: Callable[[], Any]) -> None:
    span = ui.select({one: t(name) for one, name in _SECONDS.items()}, value=chosen.seconds, label=t("Time range"))
    outcome = ui.select({"": t("any"), **{one: t(one) for one in _TONES}}, value="", label=t("Outcome"))
    for one in (span, outcome):
        one.props("outlined dense").classes("rh-field")
    model = field(t("Model")).props("debounce=500 clearable").classes("rh-field")

    async def choose() -> None:
        chosen.seconds, chosen.outcome = int(span.value), str(outcome.value)
        chosen.model = (model.value or "").strip()
        await changed()

    choices: tuple[ui.select | ui.input, ...] = (span, outcome, model)
    for choice in choices:
        choice.on_value_change(choose)
    ui.button(t("Refresh"), icon="refresh", on_click=changed).props("flat no-caps")


async def _ask(chosen: _Chosen, cursor: str | None = None) -> Item:
    since = datetime.fromtimestamp(here().clock.now() - chosen.seconds, UTC).isoformat()
    query = {"since": since, "model": chosen.model, "outcome": chosen.outcome, "cursor": cursor}
    return await here().person.catalog.get(_PATH, limit=_PAGE, **query)


def _shown(first: Item, chosen: _Chosen) -> None:
    if first["level"] == "off":
        note(t("Nothing is logged of this tenant's requests. “What is logged” turns it on."), "warn")
    for router in first["routers"]:
        if router["dropped"]:
            words = t("Router {id} has dropped {count|line|lines} since it started.", id=router["router_id"],
                      count=router["dropped"])  # fmt: skip
            note(words, "warn")
    found: list[Item] = []
    following: list[str | None] = [None]

    async def act(request_id: str, _name: str) -> None:
        await _open(request_id)

    async def older() -> None:
        page = await attempt(lambda: _ask(chosen, following[0]))
        if page is not None:
            take(page)

    with panel():
        put = table(_columns(), label=t("Request log"), order="at", is_descending=True, on_action=act,
                    nothing=t("Nothing was logged that fits."))  # fmt: skip
        more = ui.button(t("Show older"), on_click=older).props("flat no-caps")

    def take(page: Item) -> None:
        found.extend(page["items"])
        following[0] = page["next_cursor"]
        more.set_visibility(bool(page["next_cursor"]))
        put([_row(one) for one in found])

    take(first)


def _columns() -> list[Row]:
    return [
        column("at", t("Time"), wraps=True),
        column("model", t("Model")),
        column("outcome", t("Outcome")),
        column("tokens", t("Input + output"), align="right", is_wide=True),
        column("took", t("Took"), align="right", is_wide=True),
        column("actions", "", align="right", is_sortable=False),
    ]


def _row(one: Item) -> Row:
    read, made = tokens_of(one)
    return {
        "id": one["request_id"],
        "label": one["request_id"],
        "at": text(at_time(instant(one["logged_at"])), sort=one["logged_at"]),
        "model": text(one["model_requested"], sub=one["operation"]),
        "outcome": state(t(one["outcome"]), _TONES.get(one["outcome"], "quiet"), one["error_code"]),  # type: ignore[arg-type]  # a literal of the table above
        "tokens": text(f"{read} + {made}", sort=read + made),
        "took": text(f"{one['duration_ms']:.0f} ms", sort=one["duration_ms"]),
        "actions": actions(action("open", "search", t("Details"))),
    }


async def _open(request_id: str) -> None:
    person = here().person
    line = await attempt(lambda: person.catalog.get(path_of(_PATH + "/{}", request_id)))
    if line is None:
        return
    keys, people = await names_of(person, "key"), await names_of(person, "user")
    names = {**keys, **people}
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t("One request")
        with facts():
            for name, value in logged_facts(line):
                fact(t(name), names.get(value, value))
        for title, body in ((t("Asked"), line["request"]), (t("Answered"), line["answer"])):
            if body is not None:
                ui.label(title).classes("rh-strong")
                ui.label(json.dumps(body, ensure_ascii=False, indent=2)).classes("rh-log rh-pre")
        if line["request"] is None:
            ui.label(t("What was asked and answered is not logged.")).classes("rh-dim")
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    await until_closed(dialog)


async def _policy() -> None:
    person = here().person
    path = path_of("/api/v1/tenants/{}", here().me.tenant_id)
    tenant = await attempt(lambda: person.catalog.get(path))
    if tenant is not None:
        await choose_log(tenant)
