"""Pricing a period again: what would change is shown first, and corrected when somebody says so."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.repricing import Outcome
from roundhouse_console.domain.times import day_start
from roundhouse_console.domain.units import count, money, money_roughly
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import note, page_head, panel, stat, tiles
from roundhouse_console.kit.signals import attempt, done, failed
from roundhouse_console.kit.tables import column, table, text
from roundhouse_console.pages.usage.parts import currency, usage_tabs

__all__ = ["show"]

_PATH: Final = "/api/v1/usage:reprice"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the dry run was asked: just that is corrected."""

    since: str
    until: str
    tenant_id: str
    reason: str

    def body(self, cursor: str | None, *, is_dry_run: bool) -> Item:
        return {
            "since": self.since,
            "until": self.until,
            "tenant_id": self.tenant_id,
            "reason": self.reason,
            "is_dry_run": is_dry_run,
            **({"cursor": cursor} if cursor else {}),
        }


async def show() -> None:
    words = t("Requests get the prices that are known now for their time. What differs becomes a correction.")
    with page_head(t("Price again"), words, back=(t("Prices"), "/usage/prices")):
        pass
    usage_tabs("prices")
    tenants = await _tenants()
    with panel(t("Which requests")):
        form = _Form(tenants)
    form.holder = ui.element("div").classes("rh-live")


async def _tenants() -> dict[str, str]:
    """Return the tenants whose requests can be priced again, the own first."""
    me = here().me
    own = {me.tenant_id: me.tenant_name}
    if not me.may_anywhere("tenants:read"):
        return own
    found = await attempt(lambda: here().person.catalog.items("/api/v1/tenants"))
    return own | {one["id"]: one["name"] for one in found or ()}


class _Form:
    """The fields, and the run that is under way, which can be called off between two calls."""

    holder: ui.element

    def __init__(self, tenants: dict[str, str]) -> None:
        today = day_start(here().clock.now(), here().preferences.tz)
        begin = today - timedelta(days=30)
        with ui.element("div").classes("rh-wizard-fields"):
            self._since = ui.date_input(t("From"), value=begin.date().isoformat())
            self._until = ui.date_input(t("To, that day too"), value=today.date().isoformat())
            self._tenant = ui.select(tenants, value=next(iter(tenants)), label=t("Tenant"), with_input=True)
            for one in (self._since, self._until, self._tenant):
                one.props("outlined dense stack-label").classes("rh-field")
        self._reason = ui.input(t("Why; it stays with the corrections")).props("outlined dense stack-label")
        with ui.element("div").classes("rh-dialog-buttons"):
            self._go = ui.button(t("Show what would change"), icon="visibility", on_click=self._plan)
            self._go.props("unelevated no-caps")
        self._is_off = False

    async def _plan(self) -> None:
        asked = self._asked()
        if asked is None:
            return
        found = await self._run(asked, is_dry_run=True)
        if found is not None:
            self.holder.clear()
            unit = await currency(here().person)
            with self.holder, panel(t("What would change")):
                _figures(found, unit)
                self._offer(asked, found, unit)

    def _asked(self) -> _Asked | None:
        zone, reason = here().preferences.tz, str(self._reason.value or "").strip()
        try:
            since = datetime.fromisoformat(str(self._since.value)).replace(tzinfo=zone)
            until = datetime.fromisoformat(str(self._until.value)).replace(tzinfo=zone) + timedelta(days=1)
        except ValueError:
            ui.notify(t("State both days."), type="warning", position="bottom")
            return None
        if not reason:
            ui.notify(t("Say why: it stays with the corrections."), type="warning", position="bottom")
            return None
        begin, end = (one.astimezone(UTC).isoformat() for one in (since, until))
        return _Asked(begin, end, str(self._tenant.value or ""), reason)

    def _offer(self, asked: _Asked, found: Outcome, unit: str) -> None:
        if not found.changed:
            note(t("Nothing would change."), "good", icon="check")
            return

        async def correct() -> None:
            what = [
                t("{count|request gets|requests get} a correction.", count=found.changed),
                t("The difference in all: {sum}", sum=_signed(found.delta_nano, unit)),
                t("The ledger stays as it is; corrections cannot be taken back, only corrected again."),
            ]
            if not await confirm(t("Make the corrections?"), what, button=t("Correct")):
                return
            made = await self._run(asked, is_dry_run=False)
            if made is not None:
                self.holder.clear()
                with self.holder, panel(t("What was changed")):
                    _figures(made, unit)
                here().person.cached.clear()
                done(t("{count|correction is|corrections are} made.", count=made.changed))

        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Make the corrections"), icon="check", on_click=correct).props("unelevated no-caps")

    async def _run(self, asked: _Asked, *, is_dry_run: bool) -> Outcome | None:
        """Ask until all is seen, showing how far it is. None: it was called off, or it went wrong."""
        self._is_off, found, cursor = False, Outcome(), None
        self._go.disable()
        self.holder.clear()
        with self.holder:
            said = self._progress()
        try:
            while not self._is_off:
                answer = await here().person.metering.post(_PATH, asked.body(cursor, is_dry_run=is_dry_run))
                found.add(answer)
                cursor = answer["next_cursor"]
                if cursor is None:
                    return found
                said(found.examined)
        except ConsoleError as error:
            failed(error)
        finally:
            self._go.enable()
            self.holder.clear()
        if not is_dry_run and found.changed:
            with self.holder:
                told = t("Stopped on the way: corrections that are made stay. {count} are.", count=found.changed)
                note(told, "warn", icon="warning")
        return None

    def _progress(self) -> Callable[[int], None]:
        def call_off() -> None:
            self._is_off = True

        with panel(), ui.element("div").classes("rh-row"):
            ui.spinner(size="sm")
            shown = ui.label(t("Looking at the requests…"))
            ui.button(t("Stop"), on_click=call_off).props("flat dense no-caps")

        def say(examined: int) -> None:
            shown.set_text(t("Looked at so far: {total}", total=count(examined)))

        return say


def _figures(found: Outcome, unit: str) -> None:
    with tiles():
        stat(t("Looked at"), count(found.examined))
        stat(t("Change"), count(found.changed))
        stat(t("Had no price"), count(found.became_priced))
        stat(t("Still without one"), count(found.still_unpriced))
        stat(t("Difference"), _signed(found.delta_nano, unit, money_roughly))
    if not found.models:
        return
    columns = [
        column("model", t("Model")),
        column("changed", t("Change"), align="right"),
        column("priced", t("Had no price"), align="right", is_wide=True),
        column("delta", t("Difference"), align="right"),
    ]
    rows = [
        {
            "id": model,
            "model": model,
            "changed": changed,
            "priced": priced,
            "delta": text(_signed(delta, unit), sort=delta),
        }
        for model, changed, priced, delta in found.differences()
    ]
    table(columns, rows=rows, label=t("Differences by model"), search=False, order="delta", is_descending=True)


def _signed(nano: int, unit: str, told: Callable[[int, str], str] = money) -> str:
    shown = told(abs(nano), unit)
    return f"-{shown}" if nano < 0 else f"+{shown}" if nano else shown
