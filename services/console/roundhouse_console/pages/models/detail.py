"""One model: what it is, what it needs, its variants, how to call it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.models import (
    Uses,
    akin,
    context_of,
    files_bytes,
    fits,
    least_bytes,
    precision_of,
    uses_of,
)
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow, once
from roundhouse_console.kit.panels import badge, fact, facts, note, page_head, panel
from roundhouse_console.kit.tables import column, link, state, table
from roundhouse_console.pages.models.asking import Market, ask_market
from roundhouse_console.pages.models.duties import duties
from roundhouse_console.pages.models.examples import ask_keys, examples
from roundhouse_console.pages.models.facts import model_facts
from roundhouse_console.pages.models.files import files_on_nodes
from roundhouse_console.pages.models.memory import ask_memory, memory

__all__ = ["show"]

Look = Callable[[], Awaitable[None]]
_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class _Found:
    model: Item
    market: Market
    keys: list[Item]

    @property
    def uses(self) -> Uses:
        return uses_of(self.model, self.market.deployments)


async def show(model_id: str) -> None:
    async def ask() -> _Found:
        model, market, keys = await asyncio.gather(
            here().person.catalog.get(path_of("/api/v1/models/{}", model_id)), ask_market(here()), ask_keys()
        )
        return _Found(model, market, keys)

    def build() -> Callable[[_Found], None]:
        holder = ui.element("div").classes("rh-live")
        shown: list[object] = []

        def put(found: _Found) -> None:
            # Memory changes all the time, and what somebody chose among the examples should stay.
            drawn = (found.model, found.uses, found.keys, fits(found.model, found.market.room))
            if shown == [drawn]:
                return
            shown[:] = [drawn]
            holder.clear()
            with holder:
                _page(found, look)

        return put

    asking: list[Callable[[], Awaitable[None]]] = []

    async def look() -> None:
        for one in asking:
            await one()

    asking.append(await follow(ask, build, every_s=_EVERY_S))


def _page(found: _Found, look: Look) -> None:
    model, uses = found.model, found.uses
    with page_head(model["name"], _subtitle(model), back=(t("Marketplace"), "/models")):
        _buttons(model, uses)
        duties(model, uses, look)
    with ui.element("div").classes("rh-row"):
        _badges(found)
    if model["trial_deployment_id"] and not model["trial"] and here().may("models:write"):
        ids = {one["id"]: one["name"] for one in found.market.deployments}
        name = ids.get(model["trial_deployment_id"], model["trial_deployment_id"])
        note(
            t("The trial needs {name} to run and to be open to all of the tenant: look at its settings.", name=name),
            "warn",
        )
    with panel(t("What it is")):
        model_facts(model, uses, look)
    if here().me.may_anywhere("deployments:write"):
        with panel(t("Memory of one replica")):
            ui.timer(0, lambda: once(lambda: ask_memory(model), memory), once=True)
    examples(model, uses, found.keys)
    _deployments(uses)
    files_on_nodes(model)
    _variants(found)
    _defaults(model)


def _subtitle(model: Item) -> str:
    return " · ".join(one for one in (t(model["kind"]), model["licence"], *model["tags"]) if one)


def _buttons(model: Item, uses: Uses) -> None:
    name = uses.trial or (uses.running[0]["name"] if uses.running else "")
    may_try = bool(name) and here().me.may_anywhere("keys:write")  # the playground makes a key of theirs
    if may_try:
        ui.link(t("Try"), f"/playground?model={quote(name, safe='')}").classes("rh-button")
    if here().me.may_anywhere("deployments:write"):
        ui.link(t("Deploy"), f"/deployments/new?model={quote(model['name'], safe='')}").classes(
            "rh-button-quiet" if may_try else "rh-button"
        )


def _badges(found: _Found) -> None:
    model = found.model
    if found.uses.trial:
        badge(t("Trial"), "good")
    if found.uses.running:
        badge(t("Deployed"), "good")
    if here().may("models:write"):
        badge(
            t("Published") if model["is_published"] else t("Not published"), "good" if model["is_published"] else "warn"
        )
    room = found.market.room
    if (does_fit := fits(model, room)) is not None:
        need, free = bytes_text(least_bytes(model)), bytes_text(room or 0)
        words = t("needs at least {need}; {free} free on one node", need=need, free=free)
        badge(words, "quiet" if does_fit else "warn")


def _deployments(uses: Uses) -> None:
    if not uses.deployments:
        return
    with panel(t("Deployments")):
        table(
            [column("name", t("Name")), column("state", t("State")), column("engine", t("Engine"))],
            label=t("Deployments"),
            search=False,
            rows=[
                {
                    "id": one["id"],
                    "name": link(one["name"], f"/deployments/{one['id']}"),
                    "state": state(t("Wanted"), "good") if one["desired"] == "run" else state(t("Stopped"), "quiet"),
                    "engine": one["active_version"]["engine"],
                }
                for one in uses.deployments
            ],
        )


def _variants(found: _Found) -> None:
    variants = akin(found.model, found.market.models)
    if not variants:
        return
    with panel(t("Variants")):
        ui.label(t("Of the same source, or the same network with other weights.")).classes("rh-dim")
        table(
            [
                column("name", t("Name")),
                column("weights", t("Weights")),
                column("files", t("Files"), align="right"),
                column("context", t("Context"), align="right", is_wide=True),
            ],
            label=t("Variants"),
            search=False,
            rows=[
                {
                    "id": one["id"],
                    "name": link(one["name"], f"/models/{one['id']}"),
                    "weights": precision_of(one),
                    "files": bytes_text(files_bytes(one)) if files_bytes(one) else "",
                    "context": context_of(one) or "",
                }
                for one in variants
            ],
        )


def _defaults(model: Item) -> None:
    own = model["defaults"]
    if not own:
        return
    with panel(t("What callers get unless they say otherwise")):
        with facts():
            for name, value in own["parameters"].items():
                fact(name, str(value), is_code=True)
        for title, text in ((t("System message"), own["system_message"]), (t("Chat template"), own["chat_template"])):
            if text:
                ui.label(title).classes("rh-dim")
                ui.label(text).classes("rh-log rh-pre")
