"""The marketplace: every model as a card, and filters."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.models import (
    KINDS,
    SIZES,
    SOURCES,
    Uses,
    Wanted,
    context_of,
    files_bytes,
    fits,
    is_wanted,
    parameters_text,
    precision_of,
    uses_of,
)
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.cards import Card, cards
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import empty, page_head
from roundhouse_console.pages.models.asking import Market, ask_market

__all__ = ["show"]

_EVERY_S = 10.0
"""Models change seldom."""


async def show() -> None:
    with page_head(t("Marketplace"), t("Models to try and to deploy.")):
        if here().may("models:write"):
            ui.button(t("Add a model"), icon="add", on_click=lambda: ui.navigate.to("/models/add")).props(
                "unelevated no-caps"
            )
    await follow(lambda: ask_market(here()), _market, every_s=_EVERY_S)


def _market() -> Callable[[Market], None]:
    wanted, last = Wanted(), Market([], [], None)
    with ui.element("search").classes("rh-filters"):
        bar = _Filters(lambda **changed: choose(**changed))
    found = ui.label().classes("rh-dim").props("role=status")
    nothing = ui.element("div")
    put_cards = cards()

    def choose(**changed: Any) -> None:  # Any: fields of `Wanted`
        nonlocal wanted
        wanted = replace(wanted, **changed)
        draw()

    def draw() -> None:
        with_uses = [(one, uses_of(one, last.deployments)) for one in last.models]
        shown = [(one, uses) for one, uses in with_uses if is_wanted(one, wanted, uses, last.room)]
        shown.sort(key=lambda pair: (not pair[1].running and not pair[1].trial, str(pair[0]["name"]).lower()))
        found.set_text(
            t("{shown} of {all|model|models}", shown=len(shown), all=len(last.models)) if last.models else ""
        )
        nothing.clear()
        if not shown:
            with nothing:
                _nothing(is_bare=not last.models)
        put_cards([_card(one, uses, last.room) for one, uses in shown])

    def put(market: Market) -> None:
        nonlocal last
        last = market
        bar.offer(market)
        draw()

    return put


def _nothing(*, is_bare: bool) -> None:
    if not is_bare:
        empty(t("No model is like that. Take a filter away."), icon="filter_alt_off")
    elif here().may("models:write"):
        empty(
            t("There are no models yet. Add one by its address, its path, or from a file of yours."),
            icon="storefront",
            action=t("Add a model"),
            href="/models/add",
        )
    else:
        empty(t("No model is published yet. Ask those who run this platform."), icon="storefront")


class _Filters:
    """The row of filters. Each tells `choose` its field of `Wanted`."""

    def __init__(self, choose: Callable[..., None]) -> None:
        self._choose = choose
        search = ui.input(placeholder=t("Search models"), on_change=lambda event: choose(words=event.value or ""))
        search.props(f'outlined dense clearable debounce=200 aria-label="{t("Search models")}"').classes("rh-search")
        self._select("kind", t("Kind"), {one: t(one) for one in KINDS})
        self._select("size", t("Parameters"), dict.fromkeys(SIZES, ""))
        self._licence = self._select("licence", t("Licence"), {})
        self._tag = self._select("tag", t("Tag"), {})
        self._select("source", t("Source"), {one: t(title) for one, title in SOURCES.items()})
        if here().may("models:write"):
            self._select("published", t("Published"), {"yes": t("Published"), "no": t("Not published")})
        if here().may("nodes:read"):
            self._box("must_fit", t("Fits on this cluster"))
        self._box("must_run", t("Ready to try"))

    def offer(self, market: Market) -> None:
        """Offer the licences and tags that there are."""
        licences = sorted({one["licence"] for one in market.models if one["licence"]})
        tags = sorted({tag for one in market.models for tag in one["tags"]})
        for select, names in ((self._licence, licences), (self._tag, tags)):
            if select.options != {one: one for one in names}:
                select.set_options({one: one for one in names})
            select.set_visibility(bool(names))

    def _select(self, field: str, label: str, options: dict[str, str]) -> ui.select:
        made = ui.select(
            {one: title or one for one, title in options.items()},
            label=label,
            clearable=True,
            on_change=lambda event: self._choose(**{field: event.value or ""}),
        )
        return made.props("outlined dense options-dense").classes("rh-filter")

    def _box(self, field: str, label: str) -> None:
        ui.checkbox(label, on_change=lambda event: self._choose(**{field: bool(event.value)})).props("dense")


def _card(model: Item, uses: Uses, room: int | None) -> Card:
    context = context_of(model)
    figures = {
        t("Parameters"): parameters_text(model["facts"]),
        t("Context"): f"{context:,}".replace(",", " ") if context else "",
        t("Weights"): precision_of(model),
        t("Files"): bytes_text(files_bytes(model)) if files_bytes(model) else "",
    }
    licence = model["licence"] or t("licence not stated")
    return {
        "id": model["id"],
        "href": f"/models/{model['id']}",
        "title": model["name"],
        "sub": " · ".join((t(model["kind"]), licence, *model["tags"][:4])),
        "icon": KINDS.get(model["kind"], "category"),
        "facts": [{"name": name, "value": value or "–"} for name, value in figures.items()],
        "badges": _badges(model, uses, room),
        "links": _links(uses),
    }


def _badges(model: Item, uses: Uses, room: int | None) -> list[Item]:
    badges = []
    if uses.trial:
        badges.append({"text": t("Trial"), "tone": "good", "why": t("Everybody may try it without deploying it.")})
    if uses.running:
        names = ", ".join(one["name"] for one in uses.running)
        badges.append({"text": t("Deployed"), "tone": "good", "why": names})
    if not model["is_published"]:
        badges.append({"text": t("Not published"), "tone": "warn", "why": t("Users do not see it.")})
    if fits(model, room) is False:
        why = t("No node has so much memory free as its weights take.")
        badges.append({"text": t("Does not fit now"), "tone": "quiet", "why": why})
    return badges


def _links(uses: Uses) -> list[Item]:
    name = uses.trial or (uses.running[0]["name"] if uses.running else "")
    if not name or not here().me.may_anywhere("keys:write"):  # the playground makes a key of theirs
        return []
    return [{"text": t("Try"), "href": f"/playground?model={quote(name, safe='')}"}]
