"""Price books: what a request costs, and what has no price yet."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.errors import Refused
from roundhouse_console.domain.money import RATES, rates_of, rates_text
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import form_dialog, until_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.live import follow, once
from roundhouse_console.kit.panels import empty, page_head, panel
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.usage.parts import usage_tabs

__all__ = ["show"]

_BOOKS = "/api/v1/price-books"
_MAIN = "default"
_SELECTORS = ("model", "provider_id", "deployment_id", "device_class", "tenant_id", "operation")
_GONE = 404


async def show() -> None:
    may_write = here().me.may_anywhere("prices:write")
    holder: list[Callable[[], Awaitable[object]]] = []

    async def again() -> None:
        for one in holder:
            await one()

    async def add(model: str = "") -> None:
        if await _add_price(model):
            await again()

    with page_head(t("Prices"), t("Prices are versions with a time: a change never alters what was billed.")):
        if may_write:
            ui.link(t("Price again"), "/usage/reprice").classes("rh-button-quiet")
            ui.button(t("Add a price"), icon="add", on_click=lambda: add()).props("unelevated no-caps")
    usage_tabs("prices")
    if may_write:
        with panel(t("Without a price")):
            holder.append(await follow(_unpriced, lambda: _unpriced_table(add), every_s=10.0))
    books = ui.element("div").classes("rh-live")

    async def draw() -> None:
        books.clear()
        with books:
            await once(_books, _all_books)

    holder.append(draw)
    await draw()


async def _unpriced() -> list[Item]:
    found: list[Item] = (await here().person.metering.get("/api/v1/usage/unpriced"))["items"]
    return found


def _unpriced_table(add: Callable[[str], Awaitable[None]]) -> Callable[[list[Item]], None]:
    by_id: dict[str, str] = {}

    async def act(row: str, _name: str) -> None:
        await add(by_id[row])

    put = table(
        [
            column("model", t("Model")),
            column("requests", t("Requests"), align="right"),
            column("last", t("Last"), is_wide=True),
            column("state", t("State")),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Without a price"),
        search=False,
        on_action=act,
        nothing=t("Every request has a price."),
    )

    def show_all(found: list[Item]) -> None:
        by_id.update({_place(one): one["model"] for one in found})
        put([_unpriced_row(one) for one in found])

    return show_all


def _unpriced_row(one: Item) -> Row:
    has_price = one["has_price_now"]
    words = t("has a price since: price it again") if has_price else t("no price")
    return {
        "id": _place(one),
        "label": one["model"],
        "model": text(one["model"], sub=one["operation"]),
        "requests": one["records"],
        "last": text(ago(instant(one["last_at"])), sort=one["last_at"]),
        "state": state(words, "busy" if has_price else "warn"),
        "actions": actions(*([] if has_price else [action("add", "sell", t("Add a price"))])),
    }


def _place(one: Item) -> str:
    """Return what tells a line from the others: a model may be used in several ways."""
    return "/".join(str(one[name]) for name in ("model", "provider_id", "deployment_id", "operation"))


async def _books() -> list[Item]:
    person = here().person
    found = await person.metering.items(_BOOKS)
    return [await person.metering.get(path_of(f"{_BOOKS}/{{}}", one["book"])) for one in found]


def _all_books(books: list[Item]) -> None:
    if not books:
        with panel():
            empty(t("There are no prices yet, so nothing has a cost."), icon="sell")
    for book in books:
        with panel(t("Price book {name}", name=book["book"])):
            told = t("Version {number}, in force since {time}", number=book["version"], time=_time(book["valid_from"]))
            ui.label(f"{told}. {book['note']}").classes("rh-dim")
            put = table(
                [
                    column("for", t("For"), wraps=True),
                    column("rates", t("Rates"), is_sortable=False, wraps=True),
                    column("since", t("Since"), is_wide=True),
                ],
                label=t("Price book {name}", name=book["book"]),
            )
            put([_line(one, book["currency"]) for one in book["lines"]])


def _line(line: Item, currency: str) -> Row:
    chosen = [line[name] for name in _SELECTORS if line[name]]
    rates = "\n".join(f"{t(name)}: {value}" for name, value in rates_text(line["rates"], currency))
    return {
        "id": line["id"],
        "for": text(chosen[0] if chosen else t("everything"), sub=", ".join(chosen[1:])),
        "rates": rates,
        "since": text(_time(line["valid_from"]), sort=line["valid_from"]),
    }


def _time(at: str) -> str:
    return at_time(instant(at))


async def _add_price(model: str) -> bool:
    """Ask for a line and add a version of the main book that has it beside all others."""
    person = here().person
    book = await _main_book()
    with form_dialog(t("Add a price"), button=t("Add"), is_large=True) as (dialog, form):
        ui.label(t("It holds from now on, as a new version of the book; requests before keep what they cost."))
        ui.label(t("An empty rate is not free: what uses it stays without a price. 0 is free.")).classes("rh-dim")
        names = ui.input(t("Model"), value=model, placeholder=t("empty: every model")).props("outlined dense")
        money = ui.input(t("Currency"), value=book["currency"] if book else "USD").props("outlined dense maxlength=3")
        if book:
            money.props("readonly")
        with ui.element("div").classes("rh-grid"):
            fields = {
                name: ui.input(t(title)).props("outlined dense inputmode=decimal") for name, title in RATES.items()
            }

        async def send() -> bool:
            rates = rates_of({name: field.value or "" for name, field in fields.items()})
            if not rates:
                raise ValueError(t("State one rate at least."))
            kept = [
                _body(one) for one in (book["lines"] if book else []) if one["model"] != names.value or _is_special(one)
            ]
            line = {"model": names.value or "", "rates": rates}
            body: Item = {"currency": money.value, "lines": [*kept, line], "note": t("Added in the console")}
            body["valid_from"] = datetime.fromtimestamp(here().clock.now(), UTC).isoformat()
            if book:
                body["version"] = book["version"] + 1
            await person.metering.post(path_of(f"{_BOOKS}/{{}}/versions", book["book"] if book else _MAIN), body)
            return True

        form.send = send
    return await until_closed(dialog) is True


async def _main_book() -> Item | None:
    person = here().person
    try:
        return await person.metering.get(path_of(f"{_BOOKS}/{{}}", _MAIN))
    except Refused as error:
        if error.status == _GONE:
            return None
        raise


def _is_special(line: Item) -> bool:
    return any(line[name] for name in _SELECTORS[1:]) or bool(line["tier_from_tokens"])


def _body(line: Item) -> Item:
    taken = (*_SELECTORS, "tier_from_tokens", "reuse_percent", "rates")
    return {name: line[name] for name in taken}
