"""Limits: what requests may use, and whom each is for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.limits import BOUNDS, COMMON, PARTS, bound_texts, limit_changes, number_of, only_of
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.signals import attempt, done
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.traffic.parts import fold, select_of, traffic_tabs

__all__ = ["show"]

_PATH = "/api/v1/limits"
_ONLY: Final[Mapping[str, str]] = {
    "route": "Only to these routes",
    "key": "Only with these API keys",
    "user": "Only of these users",
    "tenant": "Only of these tenants",
}
_SHOWN: Final = 3
Names = dict[str, dict[str, str]]
"""By part, then by id."""


@dataclass(frozen=True, slots=True)
class _Found:
    limits: list[Item]
    names: Names


async def show() -> None:
    looks: list[Callable[[], Awaitable[None]]] = []

    async def add() -> None:
        if await _ask_about(None):
            for look in looks:
                await look()

    with page_head(
        t("Limits"), t("A request must keep to all limits that it falls under; what is refused costs nothing.")
    ):
        if here().me.may_anywhere("limits:write"):
            ui.button(t("New limit"), icon="add", on_click=add).props("unelevated no-caps")
    traffic_tabs("limits")
    with panel():
        looks.append(await follow(_ask, lambda: _table(looks)))


async def _ask() -> _Found:
    limits, names = await asyncio.gather(here().person.catalog.items(_PATH), _names())
    return _Found(limits, names)


async def _names() -> Names:
    found = await asyncio.gather(*(names_of(here().person, part) for part in PARTS))
    return dict(zip(PARTS, found, strict=True))


def _table(looks: list[Callable[[], Awaitable[None]]]) -> Callable[[_Found], None]:
    by_id: dict[str, Item] = {}

    async def act(limit_id: str, name: str) -> None:
        if await (_remove(by_id[limit_id]) if name == "remove" else _ask_about(by_id[limit_id])):
            for look in looks:
                await look()

    put = table(
        [
            column("name", t("Name")),
            column("bounds", t("At most")),
            column("per", t("Counted"), is_wide=True),
            column("only", t("Only"), is_wide=True),
            column("of", t("Of"), is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Limits"),
        order="name",
        on_action=act,
        nothing=t(
            "There are no limits: whoever has a key may use what there is. Set one to keep something for everybody."
        ),
    )

    def put_all(found: _Found) -> None:
        by_id.clear()
        by_id.update({one["id"]: one for one in found.limits})
        put([_row(one, found.names) for one in found.limits])

    return put_all


def _row(limit: Item, names: Names) -> Row:
    buttons = []
    if here().me.may_anywhere("limits:write"):
        buttons = [
            action("change", "edit", t("Change")),
            action("remove", "delete", t("Remove"), is_destructive=True),
        ]
    bounds = [t(words, n=f"{most:,}".replace(",", " ")) for words, most in bound_texts(limit)]
    return {
        "id": limit["id"],
        "label": limit["name"],
        "name": limit["name"],
        "bounds": ", ".join(bounds),
        "per": _counted(limit),
        "only": _only(limit, names),
        "of": state(t("platform"), "busy") if limit["is_platform"] else state(t("tenant"), "quiet"),
        "actions": actions(*buttons),
    }


def _counted(limit: Item) -> str:
    if not limit["per"]:
        return t("all together")
    return t("each {what} for itself", what=" + ".join(t(part) for part in limit["per"]))


def _only(limit: Item, names: Names) -> Row | str:
    told = [f"{t(part)}: {_some(found)}" for part, found in only_of(limit, names)]
    return text("; ".join(told)) if told else t("everything")


def _some(names: list[str]) -> str:
    more = f" +{len(names) - _SHOWN}" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


async def _ask_about(limit: Item | None) -> bool:
    """Show the form of a limit that is there, or of a new one. True: something was changed."""
    names, catalog = await _names(), here().person.catalog
    etag, path = "", ""
    if limit is not None:
        path = path_of("/api/v1/limits/{}", limit["id"])
        found = await attempt(lambda: catalog.with_etag(path))
        if found is None:
            return False
        limit, etag = found
    title = t("New limit") if limit is None else t("Change {name}", name=limit["name"])
    button = t("Set the limit") if limit is None else t("Save")
    with form_dialog(title, button=button, is_large=True) as (dialog, form):
        read = _fields(limit, names)

        async def send() -> bool:
            body = read()
            if limit is None:
                await catalog.post(_PATH, body)
            elif changes := limit_changes(limit, body):
                await catalog.patch(path, changes, etag=etag)
            return True

        form.send = send
    if await until_closed(dialog) is not True:
        return False
    done(t("The limit holds. Routers follow within a second."))
    return True


def _fields(limit: Item | None, names: Names) -> Callable[[], Item]:
    """Build the fields; returns what reads them, which raises ValueError with a sentence."""
    name = ui.input(t("Name"), value=limit["name"] if limit else "", placeholder=t("e.g. each key"))
    name.props("outlined dense stack-label autofocus")
    bounds: dict[str, ui.input] = {}
    with ui.element("div").classes("rh-fields"):
        for one in list(BOUNDS)[:COMMON]:
            bounds[one] = _bound(one, limit)
    others = list(BOUNDS)[COMMON:]
    is_open = limit is not None and any(limit[one] is not None for one in others)
    with fold(t("More bounds"), is_open=is_open), ui.element("div").classes("rh-fields"):
        for one in others:
            bounds[one] = _bound(one, limit)
    per = ui.select(
        {part: t(part) for part in PARTS}, value=list(limit["per"]) if limit else [], label=t("Counted apart for each"),
        multiple=True,
    )  # fmt: skip
    per.props("outlined dense use-chips stack-label").props["hint"] = t("Empty: all requests are counted together")
    chosen = {part: limit[f"{part}_ids"] if limit else [] for part in _ONLY}
    only: dict[str, ui.select] = {}
    with ui.element("div").classes("rh-fields"):
        for part, title in _ONLY.items():
            if part != "tenant" or here().may("platform:admin"):
                only[part] = select_of(names[part], chosen[part], t(title))
    platform = None
    if limit is None and here().may("platform:admin"):
        platform = ui.switch(t("For requests of every tenant"))

    def read() -> Item:
        if not (name.value or "").strip():
            raise ValueError(t("Give the limit a name."))
        found = {one: number_of(str(field.value or "")) for one, field in bounds.items()}
        if not any(value is not None for value in found.values()):
            raise ValueError(t("Set one bound at least."))
        body: Item = {"name": name.value.strip(), **found, "per": list(per.value or [])}
        body |= {f"{part}_ids": list(field.value or []) for part, field in only.items()}
        return {**body, "is_platform": True} if platform is not None and platform.value else body

    return read


def _bound(name: str, limit: Item | None) -> ui.input:
    value = "" if limit is None or limit[name] is None else str(limit[name])
    made = ui.input(t(BOUNDS[name][0]), value=value, placeholder=t("no bound"))
    return made.props("outlined dense stack-label inputmode=numeric")


async def _remove(limit: Item) -> bool:
    name, catalog = limit["name"], here().person.catalog
    bounds = ", ".join(t(words, n=most) for words, most in bound_texts(limit))
    what = [t("Nothing is refused because of it any more: {bounds}.", bounds=bounds)]
    if not await confirm(t("Remove {name}?", name=name), what, button=t("Remove")):
        return False

    async def remove() -> bool:
        await catalog.delete(path_of("/api/v1/limits/{}", limit["id"]))
        return True

    return bool(await attempt(remove, t("{name} is removed.", name=name)))
