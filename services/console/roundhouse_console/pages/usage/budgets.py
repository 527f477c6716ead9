"""Budgets: what may be spent, and how it stands."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.money import amount_of, budget_figures
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, bar, column, state, table, text
from roundhouse_console.pages.usage.parts import currency, usage_tabs

__all__ = ["show"]

_PATH = "/api/v1/budgets"
_SCOPES = {"tenant": "Tenant", "project": "Project", "user": "User", "key": "API key"}
_PERIODS = {"day": "Day", "week": "Week", "month": "Month", "total": "For ever"}


@dataclass(frozen=True, slots=True)
class _Found:
    budgets: list[Item]
    names: dict[str, dict[str, str]]
    currency: str


async def show() -> None:
    looks: list[Callable[[], Awaitable[None]]] = []

    async def add() -> None:
        if await _ask_new():
            for look in looks:
                await look()

    with page_head(t("Budgets"), t("A hard budget refuses what goes beyond it; a soft one tells somebody.")):
        if here().me.may_anywhere("budgets:write"):
            ui.button(t("Set a budget"), icon="add", on_click=add).props("unelevated no-caps")
    usage_tabs("budgets")
    with panel():
        looks.append(await follow(_ask, lambda: _table(looks)))


async def _ask() -> _Found:
    person = here().person
    budgets, money_name, names = await asyncio.gather(
        person.metering.items(_PATH),
        currency(person),
        asyncio.gather(*(names_of(person, scope) for scope in _SCOPES)),
    )
    return _Found(budgets, dict(zip(_SCOPES, names, strict=True)), money_name)


def _table(looks: list[Callable[[], Awaitable[None]]]) -> Callable[[_Found], None]:
    by_id: dict[str, Item] = {}

    async def act(budget_id: str, name: str) -> None:
        if await (_remove(by_id[budget_id]) if name == "remove" else _change(by_id[budget_id])):
            for look in looks:
                await look()

    put = table(
        [
            column("name", t("Name")),
            column("of", t("Of"), is_wide=True),
            column("spent", t("Spent")),
            column("left", t("Left"), align="right", is_wide=True),
            column("forecast", t("Forecast"), align="right", is_wide=True),
            column("kind", t("Kind"), is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Budgets"),
        order="spent",
        is_descending=True,
        on_action=act,
        nothing=t("There are no budgets. Set one to be told, or to refuse, before too much is spent."),
    )

    def show_all(found: _Found) -> None:
        by_id.clear()
        by_id.update({one["id"]: one for one in found.budgets})
        put([_row(one, found) for one in found.budgets])

    return show_all


def _row(one: Item, found: _Found) -> Row:
    figures = budget_figures(one, found.currency)
    scope, period = str(one["scope"]), str(one["period"])
    of = found.names[scope].get(one["scope_id"], str(one["scope_id"]))
    buttons = []
    if here().me.may_anywhere("budgets:write"):
        buttons = [
            action("change", "edit", t("Change")),
            action("remove", "delete", t("Remove"), is_destructive=True),
        ]
    return {
        "id": one["id"],
        "label": one["name"],
        "name": text(one["name"], sub=t(_PERIODS.get(period, period))),
        "of": text(of, sub=t(_SCOPES[scope])),
        "spent": bar(figures["share"], f"{figures['spent']} / {figures['amount']}", figures["tone"]),
        "left": text(figures["left"], sort=one["left"]),
        "forecast": text(figures["forecast"], sort=one["forecast"] or 0),
        "kind": state(t("hard") if one["is_hard"] else t("soft"), "busy" if one["is_hard"] else "quiet"),
        "actions": actions(*buttons),
    }


async def _ask_new() -> bool:
    person = here().person
    kinds = [scope for scope in _SCOPES if scope != "tenant"]
    names = dict(zip(kinds, await asyncio.gather(*(names_of(person, one) for one in kinds)), strict=True))
    names["tenant"] = {here().me.tenant_id: here().me.tenant_name}
    with form_dialog(t("Set a budget"), button=t("Set")) as (dialog, form):
        name = ui.input(t("Name"), placeholder=t("e.g. research, monthly")).props("outlined dense autofocus")
        scope = ui.select({one: t(title) for one, title in _SCOPES.items()}, value="tenant", label=t("Of"))
        whom = ui.select(names["tenant"], value=here().me.tenant_id, label=t("Which"), with_input=True)
        unit = ui.select({"money": t("Money"), "tokens": t("Tokens")}, value="money", label=t("In"))
        amount = ui.input(t("Amount"), placeholder="250").props("outlined dense inputmode=decimal")
        period = ui.select({one: t(title) for one, title in _PERIODS.items()}, value="month", label=t("Per"))
        is_hard = ui.switch(t("Refuse what goes beyond it"))
        emails = ui.input(t("Tell by e-mail"), placeholder="finance@example.org").props("outlined dense")
        webhook = ui.input(t("Tell by webhook"), placeholder="https://").props("outlined dense")
        for field in (scope, whom, unit, period):
            field.props("outlined dense")
        scope.on_value_change(lambda: whom.set_options(names[str(scope.value)], value=None))

        async def send() -> bool:
            body: Item = {
                "name": name.value,
                "scope": scope.value,
                "scope_id": whom.value or "",
                "unit": unit.value,
                "period": period.value,
                "amount": amount_of(amount.value or "", is_tokens=unit.value == "tokens"),
                "is_hard": is_hard.value,
                "emails": [one.strip() for one in (emails.value or "").split(",") if one.strip()],
                "webhook_url": webhook.value or "",
            }
            await person.metering.post(_PATH, body)
            return True

        form.send = send
    return await until_closed(dialog) is True


async def _change(budget: Item) -> bool:
    person, is_tokens = here().person, budget["unit"] == "tokens"
    typed = str(budget["amount"]) if is_tokens else f"{budget['amount'] / 1e9:.9f}".rstrip("0").rstrip(".")
    with form_dialog(t("Change {name}", name=budget["name"]), button=t("Save")) as (dialog, form):
        ui.label(t("What was spent stays."))
        amount = ui.input(t("Amount"), value=typed).props("outlined dense inputmode=decimal autofocus")
        is_hard = ui.switch(t("Refuse what goes beyond it"), value=budget["is_hard"])

        async def send() -> bool:
            body = {"amount": amount_of(amount.value or "", is_tokens=is_tokens), "is_hard": is_hard.value}
            await person.metering.patch(path_of("/api/v1/budgets/{}", budget["id"]), body)
            return True

        form.send = send
    return await until_closed(dialog) is True


async def _remove(budget: Item) -> bool:
    name, path = budget["name"], path_of("/api/v1/budgets/{}", budget["id"])
    what = [t("Nothing is refused or told because of it any more. What was spent stays in the ledger.")]
    if not await confirm(t("Remove {name}?", name=name), what, button=t("Remove")):
        return False

    async def remove() -> bool:
        await here().person.metering.delete(path)
        return True

    return await attempt(remove, t("{name} is removed.", name=name)) is True
