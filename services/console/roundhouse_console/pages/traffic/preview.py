"""What a route would do to requests, before it is saved."""

from collections.abc import Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.domain.limits import bound_texts
from roundhouse_console.domain.routing import REASONS, Share, example_name, shares_of
from roundhouse_console.domain.units import amount
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import error_note, note
from roundhouse_console.kit.signals import reason

__all__ = ["Preview"]


class Preview:
    """A panel's content that shows where requests would go. `body` gives the route, or raises ValueError."""

    def __init__(self, body: Callable[[], Item], names: dict[str, str], keys: dict[str, str]) -> None:
        self._body = body
        self._names = names
        self._asked = 0
        self._key: ui.select | None = None
        ui.label(t("Nothing is saved or sent: this is where requests would go.")).classes("rh-dim")
        if keys:
            self._key = ui.select({"": t("any key"), **keys}, value="", label=t("For requests with"), with_input=True)
            self._key.props("outlined dense stack-label").on_value_change(self.look)
        self._holder = ui.element("div").classes("rh-column").props("aria-live=polite")

    async def look(self) -> None:
        """Ask anew. Of several questions on their way only the last one's answer shows."""
        self._asked += 1
        mine = self._asked
        try:
            body = self._body()
        except ValueError as error:
            missing = reason(error)
            self._show(lambda: note(missing, icon="edit"))
            return
        request: Item = {"model": example_name(body["name"]), "key_id": (self._key.value if self._key else "") or ""}
        try:
            found = await here().person.catalog.post("/api/v1/routes:preview", {"request": request, "route": body})
        except SignedOut:
            ui.navigate.to("/login")
            return
        except ConsoleError as error:
            if mine == self._asked:
                trouble = error
                self._show(lambda: error_note(trouble))
            return
        if mine == self._asked:
            self._show(lambda: self._build(found))

    def _show(self, build: Callable[[], object]) -> None:
        if self._holder.is_deleted:
            return
        self._holder.clear()
        with self._holder:
            build()

    def _build(self, found: Item) -> None:
        if not found["is_routed"]:
            note(found["why_not"], "warn", icon="block")
            return
        if len(found["path"]) > 1:
            ui.label(" → ".join(found["path"])).classes("rh-code rh-break-words")
        shares = shares_of(found, self._names)
        for priority in sorted({one.priority for one in shares}):
            _stage(priority, [one for one in shares if one.priority == priority])
        _fallbacks(found["fallbacks"])
        _limits(found["limits"])


def _stage(priority: int, shares: list[Share]) -> None:
    """One priority: a bar with the shares, and what they are called."""
    title = t("Where requests go") if not priority else t("When those have failed (priority {n})", n=priority)
    ui.element("h3").classes("rh-h3")._text = title
    with ui.element("div").classes("rh-parts").props("aria-hidden=true"):
        for place, one in enumerate(shares):
            ui.element("span").classes(f"rh-part-{place % 4}").style(f"width:{one.percent:.2f}%")
    with ui.element("ul").classes("rh-legend rh-legend-lines"):
        for place, one in enumerate(shares):
            with ui.element("li"):
                ui.element("i").classes(f"rh-part-{place % 4}")
                ui.label(f"{amount(one.percent)} %").classes("rh-strong")
                ui.label(one.name).classes("rh-break-words")


def _fallbacks(fallbacks: list[Item]) -> None:
    if not fallbacks:
        return
    ui.element("h3").classes("rh-h3")._text = t("Fallbacks")
    with ui.element("ul").classes("rh-legend rh-legend-lines"):
        for one in fallbacks:
            with ui.element("li"):
                ui.label(f"{t(REASONS.get(one['reason'], one['reason']))} → {one['route']}")
                if not one["is_usable"]:
                    ui.label(t("not for this request")).classes("rh-dim")


def _limits(limits: list[Item]) -> None:
    ui.element("h3").classes("rh-h3")._text = t("Limits that hold")
    if not limits:
        ui.label(t("None.")).classes("rh-dim")
        return
    with ui.element("ul").classes("rh-legend rh-legend-lines"):
        for one in limits:
            words = ", ".join(t(bound, n=most) for bound, most in bound_texts(one["bounds"]))
            with ui.element("li"):
                ui.label(one["name"]).classes("rh-strong")
                ui.label(words)
                if one["per"]:
                    ui.label(t("each {what} for itself", what=" + ".join(t(part) for part in one["per"])))
